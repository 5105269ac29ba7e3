//! What workers want of the one that reads Coder: which subjects are watched, how fresh they must be, and which objects were just changed by us.

use super::LAGS;
use super::bytes::{Packer, Unpacker};
use super::shared::{NEVER_SET, SharedData, change};
use super::subject::{Kind, Subject};
use crate::time::{Millis, is_recent};
use std::rc::Rc;

/// Objects that wait to be read again; beyond that everything is read.
const TOUCHED: usize = 256;

/// What is wanted of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// When somebody last watched it, here or at another replica.
    pub watched_at: Millis,
    /// When somebody last watched it here.
    pub own_at: Millis,
    /// Somebody waits for a complete reading that began no earlier.
    pub fresh_from: Millis,
}

impl Want {
    /// Whether somebody has watched for less than that long ago, in milliseconds.
    pub fn is_watched(self, now: Millis, within: Millis) -> bool {
        is_recent(self.watched_at, now, within)
    }

    /// Whether somebody here has.
    pub fn is_watched_here(self, now: Millis, within: Millis) -> bool {
        is_recent(self.own_at, now, within)
    }
}

/// An object that has been changed, or may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Its kind.
    pub kind: Kind,
    /// Coder's id; empty for any of them.
    pub id: String,
    /// What another replica has told everybody of it: the state that it has seen. Empty where nobody has been told.
    pub told: String,
}

impl Touched {
    /// In place of a state, where there is no id: nobody knows any more which objects others have named.
    pub const LOST: &str = "lost";

    /// Objects of every kind: which ones, nobody knows any more.
    pub fn lost() -> [Self; 2] {
        Kind::ALL.map(|kind| Self { kind, id: String::new(), told: Self::LOST.to_owned() })
    }
}

/// See the module.
pub struct Wants {
    shared: Rc<dyn SharedData>,
    prefix: String,
    tickets: String,
}

impl Wants {
    pub(super) fn new(shared: Rc<dyn SharedData>, prefix: &str) -> Self {
        Self { shared, prefix: prefix.to_owned(), tickets: [prefix, "tickets"].concat() }
    }

    fn want_key(&self, subject: &Subject) -> String {
        [&self.prefix, "want.", &subject.key()].concat()
    }

    fn touched_key(&self, namespace: &str) -> String {
        [&self.prefix, "touched.", namespace].concat()
    }

    /// Makes room for what is wanted of the Coder behind a namespace.
    pub fn prepare(&self, namespace: &str) {
        let subjects =
            Kind::ALL.map(|kind| self.want_key(&Subject { namespace: namespace.to_owned(), kind }));
        for key in subjects.into_iter().chain([self.touched_key(namespace)]) {
            self.shared.set(&key, &[], NEVER_SET);
        }
    }

    /// Somebody watches a subject at this moment, and may wait for something.
    pub fn want(&self, subject: &Subject, want: Want) {
        change(&*self.shared, &self.want_key(subject), &mut |old| {
            let old = unpack(old);
            // What lies ahead of the present was said before the clock was set back.
            let later = |old: Millis, new: Millis| {
                if old.saturating_sub(want.watched_at) > LAGS { new } else { old.max(new) }
            };
            let new = Want {
                watched_at: later(old.watched_at, want.watched_at),
                own_at: later(old.own_at, want.own_at),
                fresh_from: later(old.fresh_from, want.fresh_from),
            };
            // Moments close to each other are one.
            let close = |new: Millis, old: Millis| (0..=1_000).contains(&new.saturating_sub(old));
            let again = close(new.watched_at, old.watched_at) && close(new.own_at, old.own_at);
            let same = new.fresh_from == old.fresh_from && again;
            (!same).then(|| {
                let moments = [new.watched_at, new.own_at, new.fresh_from];
                moments.into_iter().fold(Packer::default(), |all, one| all.number(one.cast_unsigned())).0
            })
        });
    }

    /// What is wanted of a subject.
    pub fn of(&self, subject: &Subject) -> Want {
        self.shared.get(&self.want_key(subject)).map(|(bytes, _)| unpack(&bytes)).unwrap_or_default()
    }

    /// Notes down objects that are to be read again.
    pub fn touch(&self, namespace: &str, touched: &[Touched]) {
        change(&*self.shared, &self.touched_key(namespace), &mut |old| {
            let mut all = unpack_touched(old);
            for one in touched {
                // Also where all are read: one that is named and has gone without having been known here is not among them.
                let same = |other: &&mut Touched| (other.kind, &other.id) == (one.kind, &one.id);
                if let Some(other) = all.iter_mut().find(same) {
                    if other.told != Touched::LOST {
                        other.told.clone_from(&one.told);
                    }
                    continue;
                }
                if all.len() < TOUCHED {
                    all.push(one.clone());
                } else {
                    all = Touched::lost().to_vec();
                }
            }
            let mut packer = Packer::default();
            for one in &all {
                packer = packer.text(one.kind.letter()).text(&one.id).text(&one.told);
            }
            Some(packer.0)
        });
    }

    /// A ticket for who waits until all that he has touched has been read, and nothing is being told any more that was read before. Workers' clocks tell
    /// the moment of the last event, which may be some time ago; so numbers are compared. `None` where too many take one at once.
    pub fn ticket(&self) -> Option<u64> {
        let mut ticket = 0;
        let taken = change(&*self.shared, &self.tickets, &mut |old| {
            ticket = Unpacker(old).number().unwrap_or_default().saturating_add(1);
            Some(Packer::default().number(ticket).0)
        });
        taken.then_some(ticket)
    }

    /// The last ticket so far: asked for before [`Wants::take_touched`], everything that its owner has touched is among what that takes, or was before.
    pub fn last_ticket(&self) -> u64 {
        self.shared.get(&self.tickets).and_then(|(last, _)| Unpacker(&last).number()).unwrap_or_default()
    }

    /// Takes what was noted down.
    pub fn take_touched(&self, namespace: &str) -> Vec<Touched> {
        let mut all = Vec::new();
        change(&*self.shared, &self.touched_key(namespace), &mut |old| {
            all = unpack_touched(old);
            (!all.is_empty()).then(Vec::new)
        });
        all
    }
}

fn unpack(bytes: &[u8]) -> Want {
    let mut bytes = Unpacker(bytes);
    let mut moment = || bytes.moment().unwrap_or_default();
    Want { watched_at: moment(), own_at: moment(), fresh_from: moment() }
}

fn unpack_touched(bytes: &[u8]) -> Vec<Touched> {
    let mut bytes = Unpacker(bytes);
    let mut all = Vec::new();
    while let (Some(letter), Some(id), Some(told)) = (bytes.text(), bytes.text(), bytes.text()) {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.letter() == letter) {
            all.push(Touched { kind, id: id.to_owned(), told: told.to_owned() });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Alone;

    #[test]
    fn what_others_watch_is_not_watched_here() {
        let shared = Rc::new(Alone::default());
        let (one, other) = (Wants::new(shared.clone(), "p."), Wants::new(shared, "p."));
        let subject = |kind| Subject { namespace: "coder".to_owned(), kind };
        let (workspaces, templates) = (subject(Kind::Workspaces), subject(Kind::Templates));
        one.want(&workspaces, Want { watched_at: 5_000, own_at: 5_000, ..Want::default() });
        other.want(&templates, Want { watched_at: 5_000, ..Want::default() });
        other.want(&workspaces, Want { watched_at: 9_000, ..Want::default() });
        // Every worker knows what any of them has streams for.
        let of = |subject: &Subject| (other.of(subject).watched_at, other.of(subject).own_at);
        assert_eq!((of(&workspaces), of(&templates)), ((9_000, 5_000), (5_000, 0)));
        other.want(&templates, Want { watched_at: 5_500, own_at: 5_500, ..Want::default() });
        assert_eq!(of(&templates), (5_500, 5_500));
        let ahead = Want { watched_at: 90_000, own_at: 90_000, fresh_from: 90_000 };
        let present = Want { watched_at: 7_000, own_at: 7_000, fresh_from: 6_000 };
        one.want(&templates, ahead);
        one.want(&templates, present);
        assert_eq!(other.of(&templates), present, "a clock was set back");
    }

    #[test]
    fn a_turn_that_has_begun_does_not_serve_who_comes_later() {
        let shared = Rc::new(Alone::default());
        let (one, other) = (Wants::new(shared.clone(), "p."), Wants::new(shared, "p."));
        let touched = [Touched { kind: Kind::Workspaces, id: "1".to_owned(), told: String::new() }];
        let begun = one.last_ticket();
        assert_eq!(one.take_touched("coder"), []);
        other.touch("coder", &touched);
        let ticket = other.ticket().unwrap();
        assert!(begun < ticket, "however early the other's clock says that it was");
        assert!(one.last_ticket() >= ticket);
        assert_eq!(one.take_touched("coder"), touched);
    }

    #[test]
    fn what_was_lost_stays_lost_until_it_is_taken() {
        let wants = Wants::new(Rc::new(Alone::default()), "p.");
        let touched = |id: &str, told: &str| Touched {
            kind: Kind::Workspaces,
            id: id.to_owned(),
            told: told.to_owned(),
        };
        wants.touch("coder", &[touched("1", ""), touched("2", "a"), touched("1", "b")]);
        assert_eq!(wants.take_touched("coder"), [touched("1", "b"), touched("2", "a")]);
        assert_eq!(wants.take_touched("coder"), []);
        wants.touch("coder", &Touched::lost());
        wants.touch("coder", &[touched("", ""), touched("3", "c")]);
        let [workspaces, templates] = Touched::lost();
        let expect = [workspaces, templates, touched("3", "c")];
        assert_eq!(wants.take_touched("coder"), expect, "who names all does not know what was lost");
        let many: Vec<_> = (0..=TOUCHED).map(|id| touched(&id.to_string(), "")).collect();
        wants.touch("coder", &many);
        assert_eq!(wants.take_touched("coder"), Touched::lost(), "more than can be kept");
    }
}
