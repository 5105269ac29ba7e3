//! Where a watch begins that goes on from a version: in the history, after a list that was made while nobody watched, or nowhere any more.

use super::clock::moment;
use super::hub::Hub;
use super::store::State;
use super::subject::Subject;
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
}

impl Hub {
    /// Finds where to begin.
    pub fn position(&self, from: From<'_>) -> Position {
        let From { version, subjects, arrived, .. } = from;
        let states: Vec<State> = subjects.iter().map(|subject| self.state(subject)).collect();
        let is_read = states.iter().all(|state| state.since != 0 && state.read_at >= arrived);
        let place = self.history.first_above(version);
        let is_event = place.and_then(|place| self.history.event(place.checked_sub(1)?));
        if self.clock.is_own(version) {
            let seeds: Option<Vec<_>> = subjects
                .iter()
                .map(|subject| Some((subject.clone(), self.seed(version, subject, from.selector)?)))
                .collect();
            if let Some(seeds) = seeds.filter(|seeds| !seeds.is_empty()) {
                // The list knows better what the client has seen than a history that nobody was writing.
                return if is_read { Position::Found(Start::List(version, seeds)) } else { Position::Unread };
            }
        }
        let known = states.iter().all(|state| state.since != 0 && version >= state.since);
        if self.clock.is_own(version) || is_event.is_some_and(|event| event.version == version) {
            return match place {
                Some(place) if known => Position::Found(Start::At(place, version)),
                _ => Position::Expired,
            };
        }
        if !is_read {
            return Position::Unread;
        }
        if let (Some(name), [subject]) = (from.name, subjects)
            && let Some(place) = self.unchanged(subject, name, version)
        {
            return Position::Found(Start::At(place, version));
        }
        // Another replica's, or an object's. Whatever it was given out after has been read since.
        let since = moment(version).saturating_sub(SLACK.saturating_add(from.reading));
        let dropped = moment(self.history.head().dropped);
        if states.iter().all(|state| moment(state.since) <= since) && dropped <= since {
            return Position::Found(Start::Seen(since, version));
        }
        Position::Expired
    }

    /// The end of the history, where the only object that is watched still is what it was in that version.
    fn unchanged(&self, subject: &Subject, name: &str, version: u64) -> Option<u64> {
        let (head, records) = self.present(std::slice::from_ref(subject))?;
        let record = records.iter().find(|record| record.name == name)?;
        (record.hash & HASH_MASK == version & HASH_MASK).then_some(head.next)
    }
}
