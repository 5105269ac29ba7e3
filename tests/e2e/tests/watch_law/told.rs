//! One thing that a client was told about an object, from whatever client, in one form.

use crate::{diary::At, judge::Broken};
use serde_json::Value;

/// The paths of fields by which it is known how far an object has come.
pub(crate) const FIELDS: [&str; 5] = [
    "status.latestBuild.number",
    "status.latestBuild.status",
    "spec.ttlMillis",
    "spec.autostartSchedule",
    "spec.description",
];

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Which stream of the client's, where that is known.
    pub(crate) stream: Option<u64>,
    /// `ADDED`, `MODIFIED`, `DELETED` and the like.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) at: At,
    pub(crate) progress: Progress,
}

/// How far an object has come. None of it ever goes back; what a client does not see is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The latest build's number, and how far that build is.
    build: Option<(u64, u8)>,
    /// The build's number again, as metadata has it.
    generation: Option<u64>,
    /// Counters that the test writes.
    ttl: Option<u64>,
    schedule: Option<u64>,
    description: Option<u64>,
}

impl Progress {
    /// Whether something is behind what it was before.
    pub(crate) fn is_behind(&self, before: &Progress) -> bool {
        let behind =
            |now: Option<u64>, before: Option<u64>| now.zip(before).is_some_and(|(now, before)| now < before);
        self.build.zip(before.build).is_some_and(|(now, before)| now < before)
            || behind(self.generation, before.generation)
            || behind(self.ttl, before.ttl)
            || behind(self.schedule, before.schedule)
            || behind(self.description, before.description)
    }

    /// The fields of an event's line, or of an object, read by `field`.
    pub(crate) fn of(generation: Option<u64>, field: impl Fn(&str) -> Value) -> Progress {
        let rank = |status: &str| match status {
            "pending" => 0,
            "starting" | "stopping" | "deleting" => 1,
            "canceling" => 2,
            // Nothing comes after any of these.
            _ => 3,
        };
        let build = field(FIELDS[0]).as_u64().zip(field(FIELDS[1]).as_str().map(rank));
        let text = |path: &str| field(path).as_str().map(str::to_owned);
        Progress {
            build,
            generation: generation.filter(|number| *number > 0),
            ttl: field(FIELDS[2]).as_u64(),
            schedule: text(FIELDS[3]).and_then(|text| minutes(&text)),
            description: text(FIELDS[4]).and_then(|text| text.strip_prefix("change ")?.parse().ok()),
        }
    }
}

/// The counter that a schedule says: minutes after midnight.
fn minutes(schedule: &str) -> Option<u64> {
    let mut words = schedule.strip_prefix("CRON_TZ=UTC ")?.split(' ').map(|word| word.parse::<u64>().ok());
    let (minute, hour) = (words.next()??, words.next()??);
    Some(hour * 60 + minute)
}

/// The schedule that says a counter.
pub(crate) fn schedule(counter: u64) -> String {
    format!("CRON_TZ=UTC {} {} * * *", counter % 60, counter / 60 % 24)
}

/// The value at a dotted path.
pub(crate) fn at_path(object: &Value, path: &str) -> Value {
    path.split('.').fold(object, |value, key| &value[key]).clone()
}

impl Told {
    /// From a line of a client in Go.
    pub(crate) fn line(line: &Value) -> Told {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        Told {
            stream: line["stream"].as_u64(),
            kind: text("type"),
            name: text("name"),
            id: text("uid"),
            version: text("resourceVersion").parse().unwrap_or_default(),
            at: line["at"].as_u64().unwrap_or_default(),
            progress: Progress::of(line["generation"].as_u64(), |path| line["fields"][path].clone()),
        }
    }

    /// From an object as it came.
    pub(crate) fn object(stream: Option<u64>, kind: &str, object: &Value, at: At) -> Told {
        let metadata = &object["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
        Told {
            stream,
            kind: kind.into(),
            name: text("name"),
            id: text("uid"),
            version: text("resourceVersion").parse().unwrap_or_default(),
            at,
            progress: Progress::of(metadata["generation"].as_u64(), |path| at_path(object, path)),
        }
    }

    /// The law is broken by this.
    pub(crate) fn breaks(&self, law: &'static str, client: &str, before: &str) -> Broken {
        let words = format!("{before} {}", self.show());
        let object = self.name.rsplit('.').next().unwrap_or_default().split('r').next().unwrap_or_default();
        Broken { law, client: client.into(), at: self.at, object: object.into(), words }
    }

    /// In one line.
    pub(crate) fn show(&self) -> String {
        let Told { kind, name, id, version, at, progress, stream } = self;
        format!("{at} {kind} {name} {id} version {version} stream {stream:?} {progress:?}")
    }
}
