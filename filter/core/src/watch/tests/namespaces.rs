//! Namespaces whose Coder comes and goes, and two that stand for the same one.

use super::*;
use crate::convert::resource_version::resource_version;

/// It was listed and watched while it was being deleted, perhaps by way of another replica, and has been made again.
#[test]
fn what_was_told_to_be_empty_is_listed_anew() {
    let (planes, hub, mut writer, subject) = followed();
    writer.begin(&subject, vec![observed("1", "one", 5)], hub.clock.log_version(10));
    let other = Hub::new(Rc::new(Alone::default()), planes.clone(), "other.", 8);
    for hub_then in [&hub, &other] {
        let version = hub_then.clock.nowhere_version(20);
        hub.clock.at_least(version);
        let position = |subjects: &[Subject], version| {
            let waited = Waited::Not;
            hub.position(From {
                version,
                subjects,
                selector: "",
                name: None,
                arrived: 30,
                reading: 0,
                waited,
            })
        };
        assert!(matches!(position(std::slice::from_ref(&subject), version), Position::Expired));
        let known = hub.clock.log_version(25);
        assert!(
            matches!(position(&[], known), Position::Expired),
            "what it has been told of is not there now"
        );
        let Position::Found(start) = position(&[], version) else { panic!() };
        let mut watcher = watch(&hub, &planes, Some("nowhere"), start);
        let bookmark: Value = serde_json::from_slice(&watcher.pull(40, true)).unwrap();
        assert_eq!(bookmark["type"], "BOOKMARK");
        let text = bookmark["object"]["metadata"]["resourceVersion"].as_str().unwrap();
        assert!(hub.clock.is_nowhere(text.parse().unwrap()));
    }
}

/// Two namespaces that stand for one Coder have its objects each.
#[test]
fn what_is_told_again_is_told_in_each_namespace() {
    let (planes, hub, mut writer, subjects) = followed_all(["a", "b"]);
    for subject in &subjects {
        writer.begin(subject, vec![observed("1", "one", 5)], hub.clock.log_version(10));
    }
    for subject in &subjects {
        writer.take_in(subject, vec![observed("1", "one", 6)], &Gone::default(), seen(20), 20).unwrap();
    }
    let mut watch = watch(&hub, &planes, None, Start::Again(0, 15));
    assert_eq!(told(&watch.pull(30, false)), [event("MODIFIED", "one"), event("MODIFIED", "one")]);
    let version = resource_version(60_015, 1);
    let from = From {
        version,
        subjects: &subjects,
        selector: "",
        name: None,
        arrived: 30,
        reading: 0,
        waited: Waited::Once(0),
    };
    let Position::Unseen(again) = hub.position(from) else { panic!("{:?}", hub.position(from)) };
    let namespaces: Vec<&str> = again.iter().map(|(namespace, _)| namespace.as_str()).collect();
    assert_eq!(namespaces, ["a", "b"]);
}

#[test]
fn what_has_gone_from_one_namespace_goes_from_the_other_later() {
    let (planes, hub, mut writer, [a, b]) = followed_all(["a", "b"]);
    let one = observed("1", "one", 5);
    let version = hub.clock.list_version(5);
    let lists = [&a, &b].map(|subject| seed(version, subject, vec![entry(&one)], true));
    for (subject, there) in [(&a, Vec::new()), (&b, vec![one])] {
        writer.begin(subject, there, hub.clock.log_version(10));
    }
    let mut watch = watch(&hub, &planes, None, Start::List(version, lists.to_vec()));
    assert_eq!(told(&watch.pull(20, false)), [event("DELETED", "one")]);
    let gone = Gone { ids: vec!["1".to_owned()], last: Vec::new() };
    writer.take_in(&b, Vec::new(), &gone, seen(30), 30).unwrap();
    assert_eq!(told(&watch.pull(40, false)), [event("DELETED", "one")]);
}

/// Workers hear of it by the moment of the newest reading.
#[test]
fn an_older_reading_does_not_hide_that_another_coder_was_found() {
    let (_, hub, ..) = followed();
    assert_eq!(hub.planes_changed(Some(5_000), 5_100), 5_000);
    assert_eq!(hub.planes_changed(Some(900), 5_200), 5_000, "one that took long");
    assert_eq!(hub.planes_changed(None, 5_300), 5_000);
    assert_eq!(hub.planes_changed(Some(1_000), 1_200), 1_000, "the clock was set back");
}
