//! Where a watch begins that goes on from a version: in the history, after a list that was made while nobody watched, or nowhere any more.

use super::clock::moment;
use super::hub::Hub;
use super::seed::Seed;
use super::store::State;
use super::subject::Subject;
use super::wants::Touched;
use super::watcher::Start;
use crate::convert::resource_version::HASH_MASK;
use crate::time::Millis;

/// What was seen so long before the moment of another replica's version is told once more, in milliseconds: that replica may have found it later than
/// this one. More than the time between two full readings.
const SLACK: Millis = 60_000;

/// Where a watch begins.
#[derive(Clone, Debug)]
pub enum Position {
    /// There.
    Found(Start),
    /// That can be said once all has been read, by a reading that begins after the request has come in.
    Unread,
    /// That can be said once these have been read again, and all that is being read has been told.
    Unseen(Vec<(String, Touched)>),
    /// Not yet.
    Wait,
    /// What has changed since that version is not known any more.
    Expired,
}

/// A version to go on from.
#[derive(Clone, Copy, Debug)]
pub struct From<'a> {
    /// The version.
    pub version: u64,
    /// Of these.
    pub subjects: &'a [Subject],
    /// The selectors, as the client has written them.
    pub selector: &'a str,
    /// The only object that is watched, if it is one.
    pub name: Option<&'a str>,
    /// When the request came in.
    pub arrived: Millis,
    /// Longest time between two full readings.
    pub reading: Millis,
    /// What has been waited for already.
    pub waited: Waited,
}

/// How often [`Position::Unseen`] has been waited for, and by which ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Waited {
    Not,
    Once(u64),
    Twice(u64),
}

impl Waited {
    /// Whether what was asked for has yet to be seen.
    fn lasts(self, states: &[State]) -> bool {
        match self {
            Self::Not => false,
            Self::Once(ticket) | Self::Twice(ticket) => states.iter().any(|state| state.seen < ticket),
        }
    }
}

impl Hub {
    /// Finds where to begin.
    pub fn position(&self, from: From<'_>) -> Position {
        let From { version, subjects, arrived, .. } = from;
        // Who was told that there is nothing has not been told of what there is, and the other way round.
        match (subjects, self.clock.is_nowhere(version)) {
            ([], true) => return Position::Found(Start::At(self.history.head().next, version)),
            ([], false) | ([_, ..], true) => return Position::Expired,
            _ => {}
        }
        let states: Vec<State> = subjects.iter().map(|subject| self.state(subject)).collect();
        let place = self.history.first_above(version);
        let is_list = self.clock.is_list(version);
        if is_list {
            let find = |subject| self.seed(version, subject, from.selector);
            if let Some(lists) =
                subjects.iter().map(find).collect::<Option<Vec<Seed>>>().filter(|lists| !lists.is_empty())
            {
                return self.after_list(lists, &states, from);
            }
        }
        let known = states.iter().all(|state| state.since != 0 && version >= state.since);
        // Replicas give the same state the same version, but not in the same order.
        let is_told = || {
            let event = place.and_then(|place| self.history.event(place.checked_sub(1)?));
            self.alone(None) && event.is_some_and(|event| event.version == version)
        };
        if self.clock.is_log(version) || is_told() {
            return match place {
                Some(place) if known => Position::Found(Start::At(place, version)),
                _ => Position::Expired,
            };
        }
        let place = match place {
            Some(place) if is_list && known => place,
            _ if is_list => return Position::Expired,
            _ if states.iter().any(|state| state.since == 0) => return Position::Unread,
            _ => {
                if let (Some(name), [subject]) = (from.name, subjects)
                    && let Some(place) = self.unchanged(subject, name, version)
                {
                    return Position::Found(Start::At(place, version));
                }
                // Another replica's, or an object's.
                let since = moment(version).saturating_sub(SLACK.saturating_add(from.reading));
                let dropped = moment(self.history.head().dropped);
                if states.iter().any(|state| moment(state.since) > since) || dropped > since {
                    return Position::Expired;
                }
                self.history.first_seen(since)
            }
        };
        // The client may know more than whoever writes the history: what is being read at this moment may be older.
        match from.waited {
            waited if waited.lasts(&states) => Position::Wait,
            Waited::Not => Position::Unseen(Vec::new()),
            Waited::Once(_) => match self.told_from(place, subjects, arrived) {
                told if told.is_empty() => Position::Found(Start::Again(place, version)),
                told => Position::Unseen(told),
            },
            Waited::Twice(_) => Position::Found(Start::Again(place, version)),
        }
    }

    /// After a list, of which is known what it has shown: what is there now is compared with that.
    fn after_list(&self, lists: Vec<Seed>, states: &[State], from: From<'_>) -> Position {
        let version = from.version;
        // What is being read at this moment is no older than what was known, and that is what the list has shown.
        if let [Seed { same_at: Some(place), .. }] = lists.as_slice()
            && *place >= self.history.head().oldest
            && states.iter().all(|state| state.since != 0 && state.since <= version)
        {
            return Position::Found(Start::At(*place, version));
        }
        // What these have shown is known by that place alone.
        if lists.iter().any(|list| list.same_at.is_some()) {
            return Position::Expired;
        }
        let followed = lists.iter().all(|list| list.followed);
        let is_read = |state: &State| state.since != 0 && (followed || state.read_at >= from.arrived);
        if !states.iter().all(is_read) {
            return if followed { Position::Wait } else { Position::Unread };
        }
        match from.waited {
            waited if waited.lasts(states) => Position::Wait,
            // The list may have shown what whoever writes the history has not seen yet, and what is being read at this moment may be older. Not so where all
            // has been read since.
            Waited::Not if followed => Position::Unseen(Vec::new()),
            Waited::Once(_) if !followed => Position::Found(Start::List(version, lists)),
            Waited::Not | Waited::Once(_) => {
                let differing = lists.iter().map(|list| self.differing(list)).collect::<Option<Vec<_>>>();
                match differing.map(|differing| differing.concat()) {
                    None => Position::Wait,
                    Some(none) if none.is_empty() => Position::Found(Start::List(version, lists)),
                    Some(differing) => Position::Unseen(differing),
                }
            }
            Waited::Twice(_) => Position::Found(Start::List(version, lists)),
        }
    }

    /// Objects that are not known as a list has shown them. After a reading of all that is later than the list, those that are not known at all: whoever
    /// writes the history must know that they have gone, or he would tell it once more when he hears of it. `None` where that cannot be said at this moment.
    fn differing(&self, list: &Seed) -> Option<Vec<(String, Touched)>> {
        let subject = Subject::parse(&list.subject)?;
        if list.selector.is_empty() && list.sum() == self.state(&subject).sum {
            return Some(Vec::new());
        }
        let (_, records) = self.present(std::slice::from_ref(&subject))?;
        // By name, too: of a list in pages, one may have shown an object before it was renamed and another afterwards.
        let mut same: Vec<(&str, &str)> = Vec::new();
        let mut differing: Vec<&str> = Vec::new();
        for record in &records {
            match list.entry(&record.id, &record.name) {
                Some(entry) if !list.followed || entry.hash == record.hash & HASH_MASK => {
                    same.push((&record.id, &record.name));
                }
                // Another may just not be selected.
                None if !list.followed || !list.selector.is_empty() => {}
                _ => differing.push(&record.id),
            }
        }
        crate::sort::sort_by(&mut same, Ord::cmp);
        let shown =
            list.entries.iter().filter(|entry| same.binary_search(&(&entry.id, &entry.name)).is_err());
        differing.extend(shown.map(|entry| entry.id.as_str()));
        crate::sort::sort_by(&mut differing, Ord::cmp);
        differing.dedup();
        let touched = |id: &str| Touched { kind: subject.kind, id: id.to_owned(), told: String::new() };
        Some(differing.into_iter().map(|id| (subject.namespace.clone(), touched(id))).collect())
    }

    /// Objects that the history has told of from a place on, by readings that began before a moment.
    fn told_from(&self, first: u64, subjects: &[Subject], before: Millis) -> Vec<(String, Touched)> {
        let mut told: Vec<(String, Touched)> = Vec::new();
        for place in first..self.history.head().next {
            let event = self.history.event(place);
            let Some(event) = event.filter(|event| event.seen_at < before && event.is_of(subjects)) else {
                continue;
            };
            if let Some(Subject { namespace, kind }) = Subject::parse(&event.subject)
                && !told.iter().any(|(of, other)| *of == namespace && other.id == event.id)
            {
                told.push((namespace, Touched { kind, id: event.id.clone(), told: String::new() }));
            }
        }
        told
    }

    /// The end of the history, where the only object that is watched still is what it was in that version.
    fn unchanged(&self, subject: &Subject, name: &str, version: u64) -> Option<u64> {
        let (head, records) = self.present(std::slice::from_ref(subject))?;
        let record = records.iter().find(|record| record.name == name)?;
        (record.hash & HASH_MASK == version & HASH_MASK).then_some(head.next)
    }
}
