//! What becomes of what is known, and of those who watch, when another Coder stands behind a namespace.

use super::*;
use crate::config::{ControlPlane, Egress};
use crate::kube::negotiation::Form;
use crate::kube::selectors::{FieldSelector, LabelSelector};
use crate::planes::{Mapping, Planes, identities};
use std::rc::Rc;

fn mapping(namespace: &str, identity: u64) -> Mapping {
    let egress = Some(Egress { identity, ..Egress::default() });
    let plane = ControlPlane { namespace: namespace.to_owned(), egress, ..ControlPlane::default() };
    Mapping { plane: Rc::new(plane), broken: None, access: None }
}

fn subject(namespace: &str) -> Subject {
    Subject { namespace: namespace.to_owned(), kind: Kind::Workspaces }
}

/// A watch of a namespace, or of all, that has begun at the end of the history.
fn watch(hub: &Rc<Hub>, planes: &Planes, namespace: Option<&str>) -> Watcher {
    let identities = identities(&planes.all(), namespace);
    let wish = Wish {
        kind: Kind::Workspaces,
        subjects: identities.iter().map(|(namespace, _)| subject(namespace)).collect(),
        namespace: namespace.map(str::to_owned),
        identities,
        labels: LabelSelector::default(),
        fields: FieldSelector::default(),
        form: Form::Object,
        bookmarks: false,
    };
    Watcher::new(hub.clone(), wish, Start::At(0, 0))
}

#[test]
fn another_coder_ends_the_watches_that_it_concerns_and_no_other() {
    let planes = Planes::new(&[]);
    planes.discovered(vec![mapping("a", 1), mapping("b", 2)], 1);
    let hub = Hub::new(Rc::new(Alone::default()), planes.clone(), "test.", 7);
    let check = |found: Vec<Mapping>, began: i64, expect: [bool; 4]| {
        let of = [None, Some("a"), Some("b"), Some("c")];
        let mut watches = of.map(|namespace| watch(&hub, &planes, namespace));
        for watch in &mut watches {
            assert!(watch.pull(10, false).is_empty() && !watch.is_over());
        }
        planes.discovered(found, began);
        for (watch, (namespace, ends)) in watches.iter_mut().zip(of.into_iter().zip(expect)) {
            let told = String::from_utf8(watch.pull(20, false)).unwrap();
            assert_eq!(watch.is_over(), ends, "{namespace:?} {began}: {told}");
            assert_eq!(told.contains(r#""code":410"#), ends, "{told}");
            assert!(!told.contains("DELETED"), "{told}");
        }
    };
    // All, a, b, c.
    check(vec![mapping("a", 1), mapping("b", 2)], 2, [false; 4]);
    check(vec![mapping("a", 1), mapping("b", 2), mapping("c", 3)], 3, [true, false, false, true]);
    check(vec![mapping("a", 9), mapping("b", 2), mapping("c", 3)], 4, [true, true, false, false]);
    check(vec![mapping("b", 2), mapping("c", 3)], 5, [true, true, false, false]);
    check(Vec::new(), 6, [true, false, true, true]);
}

#[test]
fn what_was_read_of_another_coder_is_not_known_of_this_one() {
    let planes = Planes::new(&[]);
    planes.discovered(vec![mapping("a", 1)], 1);
    let hub = Hub::new(Rc::new(Alone::default()), planes.clone(), "test.", 7);
    let mut writer = Writer::new(hub.clone(), &[]);
    let subject = subject("a");
    writer.track(&subject);
    let object = Observed { id: "1".to_owned(), name: "x".to_owned(), hash: 5, newest: 3, parts: Vec::new() };
    writer.begin(&subject, vec![object.clone()], 100);
    writer.read(&subject, 10, 100);
    assert!(writer.goes_on(&subject, 11));
    assert!(hub.has(std::slice::from_ref(&subject), "x"));

    planes.discovered(vec![mapping("a", 2)], 2);
    assert!(!hub.has(std::slice::from_ref(&subject), "x"));
    assert!(!writer.goes_on(&subject, 12), "it is a new beginning");
    assert_eq!(hub.state(&subject).since, 0);
    hub.failed(&subject, 13, "down");
    assert_eq!((hub.state(&subject).failed_at, hub.state(&subject).since), (13, 0), "who waits is told");
    let other = Observed { id: "2".to_owned(), name: "y".to_owned(), ..object };
    writer.begin(&subject, vec![other], 200);
    assert!(hub.has(std::slice::from_ref(&subject), "y"));
    assert!(writer.missing(&subject, &[]).iter().eq(["2"]), "the other's objects are not missed");
}
