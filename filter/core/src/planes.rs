//! Which Coders there are at this moment: those of the configuration, and those that were discovered, with their tokens.
//!
//! A snapshot that may change between two events. Whoever works with a Coder holds on to the one that it began with, but a token is always looked up
//! here. Tokens are in this worker's memory and nowhere else: the type that holds them cannot be printed.

use crate::config::ControlPlane;
use crate::kube::status::Status;
use crate::time::Millis;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A session token of Coder's. Has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token as a Secret holds it; white space at its ends is not part of it. `None` where nothing is left, or what cannot be a header's value.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The header's value.
    pub fn header(&self) -> String {
        self.0.clone()
    }
}

/// What a Coder that was discovered is called with.
pub struct Access {
    /// The object's name.
    pub object: String,
    /// [`identity_of`] the Coder that the token is for.
    pub identity: u64,
    /// The Secret in its namespace.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// The token that was in it.
    pub token: RefCell<Token>,
    /// When the Secret was last read because Coder had refused the token, and still held the same.
    pub checked_at: Cell<Millis>,
}

/// A namespace that stands for a Coder.
#[derive(Clone)]
pub struct Mapping {
    /// The Coder.
    pub plane: Rc<ControlPlane>,
    /// Of one that was discovered, the uid of its object, also while it cannot be called; empty where none was chosen.
    pub uid: String,
    /// Why it cannot be called at all, if so: what everybody is told who asks for it.
    pub broken: Option<Status>,
    /// Only of one that was discovered, and can be called.
    pub access: Option<Rc<Access>>,
}

impl Mapping {
    /// One of which nothing more is known.
    pub fn of(plane: ControlPlane) -> Self {
        Self { plane: Rc::new(plane), uid: String::new(), broken: None, access: None }
    }
}

/// See the module. One for each worker.
pub struct Planes {
    fixed: Vec<Mapping>,
    all: RefCell<Rc<[Mapping]>>,
    /// Readings that have begun.
    readings: Cell<u64>,
    /// Which of them found the present ones.
    newest: Cell<u64>,
    /// When the reading began that found the present ones; 0 before the first.
    read_from: Cell<Millis>,
}

impl Planes {
    /// Those of the configuration.
    pub fn new(fixed: &[ControlPlane]) -> Rc<Self> {
        let mut fixed: Vec<Mapping> = fixed.iter().map(|plane| Mapping::of(plane.clone())).collect();
        sort(&mut fixed);
        let all = RefCell::new(fixed.clone().into());
        Rc::new(Self {
            fixed,
            all,
            readings: Cell::default(),
            newest: Cell::default(),
            read_from: Cell::default(),
        })
    }

    /// All of them, by namespace.
    pub fn all(&self) -> Rc<[Mapping]> {
        self.all.borrow().clone()
    }

    /// The one of a namespace.
    pub fn mapping(&self, namespace: &str) -> Option<Mapping> {
        self.all.borrow().iter().find(|mapping| mapping.plane.namespace == namespace).cloned()
    }

    /// The Coder behind a namespace.
    pub fn plane(&self, namespace: &str) -> Option<Rc<ControlPlane>> {
        self.mapping(namespace).map(|mapping| mapping.plane)
    }

    /// Whether the configuration names a Coder for it.
    pub fn is_fixed(&self, namespace: &str) -> bool {
        self.fixed.iter().any(|mapping| mapping.plane.namespace == namespace)
    }

    /// What a Coder that was discovered is called with, if it still is the one of its namespace.
    pub fn access(&self, namespace: &str, identity: u64) -> Option<Rc<Access>> {
        let mapping = self.mapping(namespace)?;
        mapping.access.filter(|_| identity_of(&mapping.plane) == identity)
    }

    /// When the reading began that found the present ones; 0 before the first.
    pub fn read_from(&self) -> Millis {
        self.read_from.get()
    }

    /// A reading begins: its number and its moment.
    pub fn begin(&self, now: Millis) -> (u64, Millis) {
        self.readings.set(self.readings.get().saturating_add(1));
        (self.readings.get(), now)
    }

    /// Puts these, found by the reading that began so, in the place of all that were discovered before. One of the configuration wins over one of its
    /// namespace. Whether other Coders are served now.
    pub fn discovered(&self, found: Vec<Mapping>, (number, began): (u64, Millis)) -> bool {
        // What began later knows better, whatever the clock says.
        if number < self.newest.get() {
            return false;
        }
        self.newest.set(number);
        self.read_from.set(began);
        let mut all = self.fixed.clone();
        all.extend(found.into_iter().filter(|mapping| !self.is_fixed(&mapping.plane.namespace)));
        sort(&mut all);
        let before = self.all.replace(all.into());
        identities(&before, None) != identities(&self.all.borrow(), None)
    }
}

/// Tells Coders of one namespace apart; 0 for one of the configuration, which does not change.
pub fn identity_of(plane: &ControlPlane) -> u64 {
    plane.egress.as_ref().map_or(0, |egress| egress.identity)
}

/// Which Coders stand behind a namespace, or behind all of them.
pub fn identities(mappings: &[Mapping], namespace: Option<&str>) -> Vec<(String, u64)> {
    let planes = mappings.iter().map(|mapping| &mapping.plane);
    let planes = planes.filter(|plane| namespace.is_none_or(|namespace| namespace == plane.namespace));
    planes.map(|plane| (plane.namespace.clone(), identity_of(plane))).collect()
}

fn sort(mappings: &mut Vec<Mapping>) {
    crate::sort::sort_by(mappings, |a, b| a.plane.namespace.cmp(&b.plane.namespace));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Egress;

    fn mapping(namespace: &str, identity: u64) -> Mapping {
        let egress = Some(Egress { identity, ..Egress::default() });
        Mapping::of(ControlPlane { namespace: namespace.to_owned(), egress, ..ControlPlane::default() })
    }

    fn names(planes: &Planes) -> Vec<(String, u64)> {
        planes.all().iter().map(|m| (m.plane.namespace.clone(), identity_of(&m.plane))).collect()
    }

    #[test]
    fn fixed_ones_win_and_all_are_in_order() {
        let fixed = ["m", "b"]
            .map(|namespace| ControlPlane { namespace: namespace.to_owned(), ..Default::default() });
        let planes = Planes::new(&fixed);
        assert!(planes.discovered(vec![mapping("z", 1), mapping("b", 2), mapping("a", 3)], (1, 10)));
        let expect =
            [("a", 3), ("b", 0), ("m", 0), ("z", 1)].map(|(name, identity)| (name.to_owned(), identity));
        assert_eq!(names(&planes), expect);
        assert!(!planes.discovered(vec![mapping("a", 3), mapping("z", 1)], (2, 11)), "nothing has changed");
        assert!(!planes.discovered(Vec::new(), (1, 12)), "an older reading says nothing");
        assert_eq!(names(&planes), expect);
        assert!(planes.discovered(vec![mapping("a", 4), mapping("z", 1)], (3, 9)), "another Coder");
        assert!(planes.discovered(Vec::new(), (4, 13)));
        assert_eq!(planes.all().len(), 2);
    }

    #[test]
    fn tokens() {
        let check = |bytes: &[u8], expect: Option<&str>| {
            assert_eq!(Token::new(bytes).map(|token| token.header()).as_deref(), expect, "{bytes:?}");
        };
        check(b"abc-DEF", Some("abc-DEF"));
        check(b" abc\n", Some("abc"));
        for bytes in [&b""[..], b"  \n", b"a b", b"a\r\nX: y", "\u{e9}".as_bytes(), b"\xff"] {
            check(bytes, None);
        }
    }
}
