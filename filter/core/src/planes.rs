//! Which Coders there are at this moment: those of the configuration, and later those that were discovered.
//!
//! A snapshot that may change between two events. Whoever works with a Coder holds on to the one that it began with.

use crate::config::ControlPlane;
use crate::kube::status::Status;
use std::cell::RefCell;
use std::rc::Rc;

/// A namespace that stands for a Coder.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The Coder.
    pub plane: Rc<ControlPlane>,
    /// Why it cannot be called at all, if so: what everybody is told who asks for it.
    pub broken: Option<Status>,
}

/// See the module. One for each worker.
pub struct Planes {
    fixed: Vec<Mapping>,
    all: RefCell<Rc<[Mapping]>>,
}

impl Planes {
    /// Those of the configuration.
    pub fn new(fixed: &[ControlPlane]) -> Rc<Self> {
        let mut places: Vec<Mapping> =
            fixed.iter().map(|plane| Mapping { plane: Rc::new(plane.clone()), broken: None }).collect();
        sort(&mut places);
        Rc::new(Self { all: RefCell::new(places.clone().into()), fixed: places })
    }

    /// All of them, by namespace.
    pub fn all(&self) -> Rc<[Mapping]> {
        self.all.borrow().clone()
    }

    /// The one of a namespace.
    pub fn mapping(&self, namespace: &str) -> Option<Mapping> {
        self.all.borrow().iter().find(|place| place.plane.namespace == namespace).cloned()
    }

    /// The Coder behind a namespace.
    pub fn plane(&self, namespace: &str) -> Option<Rc<ControlPlane>> {
        self.mapping(namespace).map(|place| place.plane)
    }

    /// Puts these in the place of all that were discovered before. One of the configuration wins over one of its namespace.
    pub fn discovered(&self, found: Vec<Mapping>) {
        let mut places = self.fixed.clone();
        let is_free =
            |place: &Mapping| !self.fixed.iter().any(|fixed| fixed.plane.namespace == place.plane.namespace);
        places.extend(found.into_iter().filter(is_free));
        sort(&mut places);
        self.all.replace(places.into());
    }
}

fn sort(places: &mut Vec<Mapping>) {
    crate::sort::sort_by(places, |a, b| a.plane.namespace.cmp(&b.plane.namespace));
}
