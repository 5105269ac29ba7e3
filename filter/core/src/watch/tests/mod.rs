//! What becomes of what is known, and of those who watch, when another Coder stands behind a namespace; and what is told of objects that have gone.

mod namespaces;

use super::*;
use crate::config::{ControlPlane, Egress};
use crate::kube::negotiation::Form;
use crate::kube::selectors::{FieldSelector, LabelSelector};
use crate::planes::{Mapping, Planes, identities};
use serde_json::Value;
use std::rc::Rc;

fn mapping(namespace: &str, identity: u64) -> Mapping {
    let egress = Some(Egress { identity, ..Egress::default() });
    let plane = ControlPlane { namespace: namespace.to_owned(), egress, ..ControlPlane::default() };
    Mapping::of(plane)
}

fn subject(namespace: &str) -> Subject {
    Subject { namespace: namespace.to_owned(), kind: Kind::Workspaces }
}

/// Coders of which nothing has been read yet, and who writes down their changes.
fn followed_all<const N: usize>(namespaces: [&str; N]) -> (Rc<Planes>, Rc<Hub>, Writer, [Subject; N]) {
    let planes = Planes::new(&[]);
    planes.discovered(namespaces.iter().zip(1..).map(|(name, id)| mapping(name, id)).collect(), (1, 1));
    let hub = Hub::new(Rc::new(Alone::default()), planes.clone(), "test.", 7);
    let mut writer = Writer::new(hub.clone(), &[]);
    let subjects = namespaces.map(subject);
    subjects.iter().for_each(|subject| writer.track(subject));
    (planes, hub, writer, subjects)
}

/// The same of one.
fn followed() -> (Rc<Planes>, Rc<Hub>, Writer, Subject) {
    let (planes, hub, writer, [subject]) = followed_all(["a"]);
    (planes, hub, writer, subject)
}

fn seen(at: i64) -> Seen {
    Seen { at, after_gap: false }
}

/// A watch of a namespace, or of all.
fn watch(hub: &Rc<Hub>, planes: &Planes, namespace: Option<&str>, start: Start) -> Watcher {
    watch_selected(hub, planes, namespace, "", start)
}

fn watch_selected(
    hub: &Rc<Hub>,
    planes: &Planes,
    namespace: Option<&str>,
    fields: &str,
    start: Start,
) -> Watcher {
    let identities = identities(&planes.all(), namespace);
    let wish = Wish {
        kind: Kind::Workspaces,
        subjects: identities.iter().map(|(namespace, _)| subject(namespace)).collect(),
        namespace: namespace.map(str::to_owned),
        identities,
        labels: LabelSelector::default(),
        fields: FieldSelector::parse(fields).unwrap(),
        form: Form::Object,
        bookmarks: true,
    };
    Watcher::new(hub.clone(), wish, start)
}

#[test]
fn another_coder_ends_the_watches_that_it_concerns_and_no_other() {
    let planes = Planes::new(&[]);
    planes.discovered(vec![mapping("a", 1), mapping("b", 2)], (1, 1));
    let hub = Hub::new(Rc::new(Alone::default()), planes.clone(), "test.", 7);
    let check = |found: Vec<Mapping>, began: i64, expect: [bool; 4]| {
        let of = [None, Some("a"), Some("b"), Some("c")];
        let mut watches = of.map(|namespace| watch(&hub, &planes, namespace, Start::At(0, 0)));
        for watch in &mut watches {
            assert!(watch.pull(10, false).is_empty() && !watch.is_over());
        }
        planes.discovered(found, (began.unsigned_abs(), began));
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
    let (planes, hub, mut writer, subject) = followed();
    let object = Observed { id: "1".to_owned(), name: "x".to_owned(), hash: 5, newest: 3, parts: Vec::new() };
    writer.begin(&subject, vec![object.clone()], 100);
    writer.read(&subject, 10, 100);
    assert!(writer.goes_on(&subject, 11, 300_000));
    assert!(hub.has(std::slice::from_ref(&subject), "x"));

    planes.discovered(vec![mapping("a", 2)], (2, 2));
    assert!(!hub.has(std::slice::from_ref(&subject), "x"));
    assert!(!writer.goes_on(&subject, 12, 300_000), "it is a new beginning");
    assert_eq!(hub.state(&subject).since, 0);
    hub.failed(&subject, 13, "down");
    assert_eq!((hub.state(&subject).failed_at, hub.state(&subject).since), (13, 0), "who waits is told");
    let other = Observed { id: "2".to_owned(), name: "y".to_owned(), ..object };
    writer.begin(&subject, vec![other], 200);
    assert!(hub.has(std::slice::from_ref(&subject), "y"));
    assert!(writer.missing(&subject, &[]).iter().eq(["2"]), "the other's objects are not missed");
}

/// A list of everything.
fn seed(version: u64, subject: &Subject, entries: Vec<SeedEntry>, followed: bool) -> Seed {
    let (subject, selector, next) = (subject.key(), String::new(), String::new());
    Seed { version, subject, selector, entries, next, followed, same_at: None }
}

/// Kind and name of an event about one of alice's.
fn event(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), format!("coder.alice.{name}"))
}

/// A workspace of alice's, as Coder shows it.
fn observed(id: &str, name: &str, hash: u64) -> Observed {
    let recorded: Value =
        serde_json::from_str(include_str!("../../convert/recorded/workspaces.json")).unwrap();
    let mut workspace = recorded["workspaces"][0].clone();
    (workspace["id"], workspace["name"], workspace["owner_name"]) = (id.into(), name.into(), "alice".into());
    let name = format!("coder.alice.{name}");
    Observed { id: id.to_owned(), name, hash, newest: 3, parts: workspace.to_string().into_bytes() }
}

/// The same, stopped.
fn stopped(id: &str, name: &str, hash: u64) -> Observed {
    let mut object = observed(id, name, hash);
    let mut workspace: Value = serde_json::from_slice(&object.parts).unwrap();
    workspace["latest_build"]["transition"] = "stop".into();
    object.parts = workspace.to_string().into_bytes();
    object
}

/// As a list shows it.
fn entry(object: &Observed) -> SeedEntry {
    SeedEntry { id: object.id.clone(), name: object.name.clone(), hash: object.hash }
}

/// Kinds and names of events.
fn told(lines: &[u8]) -> Vec<(String, String)> {
    let events = std::str::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    events.map(|event: Value| (text(&event["type"]), text(&event["object"]["metadata"]["name"]))).collect()
}

#[test]
fn what_has_gone_since_a_list_is_told_once() {
    let (planes, hub, mut writer, subject) = followed();
    // A list has shown three; whoever reads Coder for those who watch finds one of them.
    let [stays, goes, returns] =
        [observed("1", "stays", 5), observed("2", "goes", 6), observed("3", "returns", 7)];
    let seed =
        seed(hub.clock.list_version(10), &subject, [&stays, &goes, &returns].map(entry).to_vec(), false);
    writer.begin(&subject, vec![stays], hub.clock.log_version(20));
    let mut watch = watch(&hub, &planes, Some("a"), Start::List(seed.version, vec![seed]));
    assert_eq!(told(&watch.pull(30, false)), [event("DELETED", "goes"), event("DELETED", "returns")]);
    // Then it hears of the two.
    let gone = Gone { ids: vec![goes.id.clone()], last: vec![goes] };
    assert_eq!(writer.take_in(&subject, vec![returns.clone()], &gone, seen(40), 41), Some(2));
    assert_eq!(told(&watch.pull(42, false)), [event("ADDED", "returns")], "what is known is not told again");
    let gone = Gone { ids: vec![returns.id, "4".to_owned()], last: vec![observed("4", "never-seen", 8)] };
    assert_eq!(writer.take_in(&subject, Vec::new(), &gone, seen(50), 51), Some(2));
    assert_eq!(told(&watch.pull(52, false)), [event("DELETED", "never-seen"), event("DELETED", "returns")]);
}

/// Each long poll is a stream of its own, and remembers nothing of the one before.
#[test]
fn what_has_gone_since_a_list_is_known_to_have_gone_before_anybody_is_told() {
    let (planes, hub, mut writer, subject) = followed();
    let [stays, changes, goes] =
        [observed("1", "stays", 5), observed("2", "changes", 6), observed("3", "goes", 7)];
    let seed =
        seed(hub.clock.list_version(10), &subject, [&stays, &changes, &goes].map(entry).to_vec(), false);
    let (version, subjects) = (seed.version, [subject.clone()]);
    hub.remember(seed, true);
    let position = |waited| {
        let (subjects, arrived) = (&subjects, 20);
        let from = From { version, subjects, selector: "", name: None, arrived, reading: 30_000, waited };
        hub.position(from)
    };
    assert!(matches!(position(Waited::Not), Position::Unread), "a reading that began later is wanted");
    let began = hub.clock.log_version(25);
    writer.begin(&subject, vec![stays, observed("2", "changes", 8)], began);
    writer.read(&subject, 25, began);
    let Position::Unseen(unseen) = position(Waited::Not) else { panic!("{:?}", position(Waited::Not)) };
    let ids: Vec<&str> = unseen.iter().map(|(_, touched)| touched.id.as_str()).collect();
    assert_eq!(ids, ["3"], "the others have just been read");
    let ticket = hub.wants.ticket().unwrap();
    assert!(matches!(position(Waited::Once(ticket)), Position::Wait));
    let gone = Gone { ids: vec!["3".to_owned()], last: vec![goes] };
    assert_eq!(writer.take_in(&subject, Vec::new(), &gone, seen(30), 31), Some(1));
    hub.seen(&subject, ticket);
    let Position::Found(start) = position(Waited::Once(ticket)) else { panic!() };
    let mut poll = watch(&hub, &planes, Some("a"), start);
    assert_eq!(told(&poll.pull(40, false)), [event("DELETED", "goes"), event("MODIFIED", "changes")]);
    assert!(writer.has_departed("3"), "what is heard of it later is nothing new");
}

/// Workers run side by side: one writes while others read.
#[test]
fn nobody_is_shown_what_is_just_being_told() {
    let (planes, hub, mut writer, subject) = followed();
    writer.begin(&subject, vec![observed("1", "one", 5)], hub.clock.log_version(10));
    let mut stream = watch(&hub, &planes, Some("a"), Start::Present(true));
    let mut late = watch(&hub, &planes, Some("a"), Start::Present(true));
    let bookmark = |lines: &[u8]| String::from_utf8_lossy(lines).contains("BOOKMARK");
    assert!(bookmark(&stream.pull(11, false)), "all is told");
    // The change has a version, and is not in the history.
    hub.clock.versions(20, &[(Some(20), 6)]);
    assert_eq!(stream.pull(21, true), b"", "a bookmark now would stand for what has not been told");
    assert_eq!(late.pull(21, true), b"");
    hub.clock.told();
    assert!(bookmark(&stream.pull(22, true)));
    let told = late.pull(22, false);
    assert!(bookmark(&told) && String::from_utf8_lossy(&told).contains("coder.alice.one"));
}

#[test]
fn a_rename_is_no_departure() {
    let (_, hub, mut writer, subject) = followed();
    writer.begin(&subject, vec![observed("1", "before", 5)], hub.clock.log_version(10));
    let renamed = vec![observed("1", "after", 6)];
    assert_eq!(writer.take_in(&subject, renamed, &Gone::default(), seen(20), 21), Some(2));
    let departed = |writer: &Writer, id: &str| writer.has_departed(id);
    assert!(
        !departed(&writer, "1") && !departed(&Writer::new(hub.clone(), std::slice::from_ref(&subject)), "1")
    );
    let gone = Gone { ids: vec!["1".to_owned()], last: Vec::new() };
    assert_eq!(writer.take_in(&subject, Vec::new(), &gone, seen(30), 31), Some(1));
    assert!(departed(&writer, "1") && departed(&Writer::new(hub, &[subject]), "1"));
}

#[test]
fn an_object_that_pages_have_shown_by_two_names_is_looked_at_again() {
    let (_, hub, mut writer, subject) = followed();
    let known = observed("1", "before", 5);
    writer.begin(&subject, vec![known.clone()], hub.clock.log_version(10));
    let entry = |name: &str| SeedEntry { id: "1".to_owned(), name: name.to_owned(), hash: 5 };
    let seed = seed(
        hub.clock.list_version(20),
        &subject,
        vec![entry(&known.name), entry("coder.alice.since")],
        true,
    );
    let version = seed.version;
    hub.remember(seed, false);
    let waited = Waited::Once(hub.wants.ticket().unwrap());
    hub.seen(&subject, hub.wants.last_ticket());
    let subjects = [subject];
    let from =
        From { version, subjects: &subjects, selector: "", name: None, arrived: 25, reading: 30_000, waited };
    let Position::Unseen(again) = hub.position(from) else { panic!("{:?}", hub.position(from)) };
    let ids: Vec<&str> = again.iter().map(|(_, touched)| touched.id.as_str()).collect();
    assert_eq!(ids, ["1"], "by which name it goes is not known");
}

#[test]
fn what_is_told_again_is_what_has_changed_since() {
    let (planes, hub, mut writer, subject) = followed();
    let [goes, changes] = [observed("1", "goes", 5), observed("2", "changes", 6)];
    writer.begin(&subject, vec![goes, changes], hub.clock.log_version(10));
    let mut take_in = |observed: Vec<Observed>, gone: &Gone, now| {
        writer.take_in(&subject, observed, gone, seen(now), now).unwrap();
    };
    let none = Gone::default();
    // One is renamed twice and then goes, by a name that nobody here has seen; another takes its first name and changes.
    take_in(vec![observed("1", "once", 7), observed("2", "changes", 8)], &none, 20);
    take_in(vec![observed("3", "goes", 9)], &none, 30);
    take_in(vec![observed("3", "goes", 10)], &none, 40);
    take_in(Vec::new(), &Gone { ids: vec!["1".to_owned()], last: vec![observed("1", "twice", 11)] }, 50);
    let mut watch = watch(&hub, &planes, Some("a"), Start::Again(0, 1));
    let expect = [
        event("DELETED", "goes"),
        event("MODIFIED", "changes"),
        event("ADDED", "goes"),
        event("DELETED", "twice"),
        event("DELETED", "once"),
    ];
    assert_eq!(told(&watch.pull(60, false)), expect);
}

#[test]
fn what_has_left_a_selection_while_nobody_looked_is_told() {
    let (planes, hub, mut writer, subject) = followed();
    writer.begin(&subject, vec![stopped("1", "one", 5)], hub.clock.log_version(10));
    let [mut running, mut renamed, mut other, mut bob] = [
        "spec.running=true",
        "spec.templateName=before",
        "metadata.name=coder.alice.other",
        "status.ownerName=bob,spec.running=true",
    ]
    .map(|fields| watch_selected(&hub, &planes, Some("a"), fields, Start::At(0, 10)));
    let mut take_in = |observed, gone: &[Observed], at, after_gap| {
        let gone = Gone { ids: Vec::new(), last: gone.to_vec() };
        writer.take_in(&subject, observed, &gone, Seen { at, after_gap }, at).unwrap();
        assert_eq!(told(&bob.pull(at, false)), [], "alice's have never been bob's");
        let running = told(&running.pull(at, false));
        assert_eq!(told(&renamed.pull(at, false)), running, "templates are renamed");
        [running, told(&other.pull(at, false))]
    };
    let nothing = || [Vec::new(), Vec::new()];
    assert_eq!(
        take_in(vec![stopped("1", "one", 6)], &[], 20, false),
        nothing(),
        "it has never been selected"
    );
    let left = |name| [vec![event("DELETED", name)], Vec::new()];
    let again = take_in(vec![stopped("1", "one", 7)], &[], 30, true);
    assert_eq!(again, left("one"), "another may have shown it as it ran");
    let new = take_in(vec![stopped("2", "two", 8)], &[], 40, true);
    assert_eq!(new, left("two"), "also where it was not known here");
    let gone = take_in(Vec::new(), &[stopped("3", "three", 9)], 50, false);
    assert_eq!(gone, left("three"), "and what has gone without having been known here");
}

#[test]
fn what_another_replica_may_have_shown_is_told_to_have_left_once() {
    let (planes, hub, mut writer, subject) = followed();
    let known = vec![stopped("1", "one", 5), stopped("2", "two", 6), stopped("3", "three", 7)];
    writer.begin(&subject, known, hub.clock.log_version(10));
    let mut take_in = |observed, at| {
        writer.take_in(&subject, vec![observed], &Gone::default(), seen(at), at).unwrap();
    };
    take_in(stopped("1", "one", 8), 20);
    let [mut watch, mut bob] = ["spec.running=true", "status.ownerName=bob"]
        .map(|fields| watch_selected(&hub, &planes, Some("a"), fields, Start::Again(0, 15)));
    let mut next = |observed, at| {
        take_in(observed, at);
        assert_eq!(told(&bob.pull(at, false)), [], "alice's have never been bob's");
        told(&watch.pull(at, false))
    };
    let both = [event("DELETED", "one"), event("DELETED", "two")];
    assert_eq!(next(stopped("2", "two", 9), 30), both, "of each what is known now");
    assert_eq!(next(stopped("2", "two", 10), 40), [], "from then on all is known");
    assert_eq!(next(stopped("1", "one", 11), 50), []);
    assert_eq!(next(observed("1", "one", 12), 60), [event("ADDED", "one")]);
    assert_eq!(next(stopped("3", "three", 13), 70), [event("DELETED", "three")]);
    let new = next(stopped("4", "four", 14), 130_000);
    assert_eq!(new, [], "by then all has been found that was shown before");
}

#[test]
fn one_worker_has_the_turn_though_all_began_in_the_same_moment() {
    let planes = Planes::new(&[]);
    let shared: Rc<dyn SharedData> = Rc::new(Alone::default());
    let worker = || Hub::new(shared.clone(), planes.clone(), "test.", 7);
    let (one, other) = (worker(), worker());
    let first = one.take_turn(1_000).unwrap();
    assert_eq!((other.take_turn(1_001), one.take_turn(1_002)), (None, Some(first)));
    assert_eq!((one.take_turn(4_000), other.take_turn(6_000)), (Some(first), None));
    assert_eq!(other.take_turn(3_900), None, "who looks at an old clock does not take it away");
    assert!(other.is_read(3_900));
    // Who was away for so long that another had a turn in between has another one: what he knows may be of yesterday.
    let second = other.take_turn(9_000).unwrap();
    let third = one.take_turn(14_000).unwrap();
    assert!(first < second && second < third);
    assert_eq!(one.process(), other.process());
    assert!(other.take_turn(2_000).is_some(), "a clock that was set back does not lengthen a turn");
}

#[test]
fn processes_that_began_almost_at_once_give_versions_with_other_marks() {
    let planes = Planes::new(&[]);
    // Envoy's clock moves in steps of 100 microseconds.
    let marks: std::collections::BTreeSet<u64> = (0..100)
        .map(|step| {
            let began = 1_795_345_917_201_200_000 + step * 100_000;
            let hub = Hub::new(Rc::new(Alone::default()), planes.clone(), "test.", began);
            hub.clock.log_version(0) & 0xffff
        })
        .collect();
    assert!(marks.len() > 97, "{}", marks.len());
}

/// A list of what is known is as good as a reading for a watch that goes on from it, or it is not made.
#[test]
fn what_nobody_follows_any_more_is_not_known() {
    let (_, hub, mut writer, subject) = followed();
    let version = hub.clock.log_version(101_000);
    writer.begin(&subject, vec![observed("1", "one", 5)], version);
    writer.read(&subject, 101_000, version);
    let known = |now| {
        hub.take_turn(now).unwrap();
        hub.known(std::slice::from_ref(&subject), now, (600_000, 60_000)).map(|known| known.len())
    };
    assert_eq!(known(102_000), None, "nobody has asked for it");
    hub.wants.want(&subject, Want { watched_at: 102_000, own_at: 102_000, fresh_from: 0 });
    assert_eq!(known(130_000), Some(1));
    assert_eq!(known(190_000), None);
}
