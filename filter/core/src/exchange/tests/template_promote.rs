//! Files of a template change: which version there is afterwards, which becomes the active one and when, and what the object says meanwhile.

use super::template_coder::TemplateCoder;
use super::template_write::{coder_with, manifest, put, warnings};
use super::*;
use proptest::prelude::*;

const ONE: &str = "/namespaces/coder/codertemplates/coder.dev";

fn files(text: &str) -> Value {
    json!({"files": {"main.tf": text}})
}

/// `main.tf` as it is shown, and the three conditions.
fn shown(world: &World) -> (String, [String; 3]) {
    let object = body(&world.get(ONE));
    let text = object["spec"]["files"]["main.tf"].as_str().unwrap().to_owned();
    let condition = |at: usize| {
        let condition = &object["status"]["conditions"][at];
        format!("{}/{}", condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap())
    };
    (text, [condition(0), condition(1), condition(2)])
}

/// How many versions the template has.
fn versions(coder: &TemplateCoder) -> usize {
    coder.0.borrow().versions.len()
}

#[test]
fn changed_files_become_active_once_imported() {
    let coder = coder_with("x");
    let world = coder.world();
    let reply = put(&world, files("y"));
    let answered = body(&reply);
    assert_eq!((reply.status, &answered["spec"]["files"]), (200, &json!({"main.tf": "y"})));
    let importing = ["False/ImportPending", "True/ImportPending", "Unknown/ImportPending"].map(String::from);
    assert_eq!(shown(&world), ("y".to_owned(), importing));
    assert_eq!(body(&world.get(ONE)), answered);
    assert_eq!(coder.active("dev"), "x");
    // The same again, by a PUT and by a patch that says nothing of files.
    let before = world.writes().len();
    put(&world, files("y"));
    world.write("PATCH", ONE, "application/merge-patch+json", &json!({"spec": {"files": {"main.tf": "y"}}}));
    assert_eq!(world.writes().len(), before);
    coder.import("y", "succeeded");
    let said = world.background();
    assert_eq!(said.len(), 1);
    assert!(String::from_utf8_lossy(&said[0].0.body).contains("has its new version"));
    assert_eq!((coder.active("dev").as_str(), versions(&coder)), ("y", 2));
    let ready = ["True/Imported", "False/Imported", "True/Imported"].map(String::from);
    assert_eq!(shown(&world), ("y".to_owned(), ready));
    // Back to what was there: it is promoted at once and not made again.
    let reply = put(&world, files("x"));
    assert_eq!((reply.status, coder.active("dev").as_str(), versions(&coder)), (200, "x", 2));
    assert_eq!(body(&world.get(ONE)), body(&reply));
    assert!(coder.0.borrow().versions.iter().all(|version| !version.message.contains("promoted")));
    assert!(world.background().is_empty());
}

#[test]
fn a_list_of_one_says_what_a_get_says() {
    let coder = coder_with("x");
    let world = coder.world();
    put(&world, files("y"));
    coder.import("y", "failed");
    let list = |query: &str| body(&world.get(&format!("/namespaces/coder/codertemplates{query}")));
    let one = list("?fieldSelector=metadata.name%3Dcoder.dev");
    let (got, listed) = (body(&world.get(ONE)), &one["items"][0]);
    assert_eq!(listed["status"]["conditions"], got["status"]["conditions"]);
    assert_eq!(listed["metadata"], got["metadata"]);
    assert_eq!(listed["spec"]["files"], Value::Null);
    let all = list("");
    assert_eq!(all["items"][0]["metadata"]["resourceVersion"], got["metadata"]["resourceVersion"]);
    assert_eq!(all["items"][0]["status"]["conditions"][0]["status"], "True", "workspaces can be built");
    for nothing in [
        "metadata.name%3Dcoder.none",
        "metadata.name%3DCoder.dev",
        "metadata.name%3Dcoder.dev,spec.organization%3Dx",
    ] {
        assert_eq!(list(&format!("?fieldSelector={nothing}"))["items"], json!([]), "{nothing}");
    }
}

#[test]
fn an_import_that_fails_is_shown_and_not_repeated() {
    let coder = coder_with("x");
    let world = coder.world();
    put(&world, files("y"));
    coder.import("y", "failed");
    world.background();
    let failed = ["False/ImportFailed"; 3].map(String::from);
    assert_eq!((shown(&world), coder.active("dev").as_str()), (("y".to_owned(), failed.clone()), "x"));
    let message = body(&world.get(ONE))["status"]["conditions"][2]["message"].clone();
    assert_eq!(message, "no such module\nError: no module");
    assert_eq!((put(&world, files("y")).status, versions(&coder)), (200, 2));
    // What was active stays so, and asking for it again takes the other back.
    put(&world, files("x"));
    assert_eq!((shown(&world).0.as_str(), versions(&coder)), ("x", 2));
    // Failed once, it is not tried again by itself.
    put(&world, files("y"));
    assert_eq!((shown(&world), versions(&coder)), (("y".to_owned(), failed), 2));
}

#[test]
fn the_last_word_counts() {
    let coder = coder_with("x");
    let world = coder.world();
    put(&world, files("y"));
    put(&world, files("z"));
    coder.import("y", "succeeded");
    coder.import("z", "succeeded");
    world.background();
    assert_eq!(coder.active("dev"), "z");
    // Somebody goes back by hand while another version is on its way.
    put(&world, files("w"));
    coder.activate("dev", "x");
    coder.import("w", "succeeded");
    world.background();
    world.get(ONE);
    world.background();
    assert_eq!((coder.active("dev").as_str(), shown(&world).0.as_str()), ("x", "x"));
    // Whoever asks for it again gets it.
    put(&world, files("w"));
    assert_eq!((coder.active("dev").as_str(), versions(&coder)), ("w", 4));
}

#[test]
fn who_looks_helps() {
    let coder = coder_with("x");
    put(&coder.world(), files("y"));
    coder.import("y", "succeeded");
    // The process that made the version is gone. Many look at once in another, and one of them promotes.
    let world = coder.world();
    for _ in 0..3 {
        assert_eq!(shown(&world).1[0], "False/Promoting");
    }
    assert_eq!(world.background().len(), 1);
    assert_eq!((coder.active("dev").as_str(), world.writes().len()), ("y", 2));
    assert_eq!(shown(&world).1[0], "True/Imported");
}

#[test]
fn what_was_left_behind_is_found() {
    let coder = coder_with("x");
    put(&coder.world(), files("y"));
    let world = coder.world();
    let scan = || String::from_utf8(world.scan().body).unwrap();
    let asked = |before: usize| world.to("coder").len() - before;
    assert_eq!(scan(), "");
    coder.import("y", "succeeded");
    assert!(scan().contains("has its new version"));
    assert_eq!(coder.active("dev"), "y");
    // What has been judged is not looked at again.
    let before = world.to("coder").len();
    assert_eq!((scan().as_str(), asked(before)), ("", 2));
    // Nor does a version that is no longer asked for come back.
    coder.activate("dev", "x");
    assert_eq!((coder.world().scan().body.as_slice(), coder.active("dev").as_str()), (&b""[..], "x"));
    // Without rights, or without Coder, there is nothing to say.
    coder.fail("GET /organizations", 9, false, BROKEN);
    assert_eq!(coder.world().scan().status, 200);
}

#[test]
fn provisioner_tags_and_variables() {
    let coder = coder_with("x");
    let world = coder.world();
    let reply = put(&world, json!({"tags": {"zone": "a"}}));
    assert_eq!((&body(&reply)["spec"]["tags"], versions(&coder)), (&json!({"zone": "a"}), 2));
    assert_eq!(coder.0.borrow().files.len(), 1, "the archive is there already");
    put(&world, json!({"tags": {"zone": "a"}, "provisioner": "echo"}));
    assert_eq!(body(&world.get(ONE))["spec"]["provisioner"], "echo");
    let before = world.writes().len();
    let reply = put(&world, json!({"tags": {"zone": "a"}, "variables": [{"name": "a", "value": "hidden"}]}));
    assert!(warnings(&reply)[0].contains("spec.variables alone make no new version"));
    assert_eq!(world.writes().len(), before);
    let reply =
        put(&world, json!({"files": {"main.tf": "y"}, "variables": [{"name": "a", "value": "hidden"}]}));
    assert_eq!(warnings(&reply), Vec::<&str>::new());
    let state = coder.0.borrow();
    let last = state.versions.last().unwrap();
    assert_eq!(
        (&last.variables, &last.tags["zone"]),
        (&json!([{"name": "a", "value": "hidden"}]), &json!("a"))
    );
}

#[test]
fn an_apply_makes_what_is_missing() {
    let coder = TemplateCoder::default();
    let world = coder.world();
    let apply = |spec: Value| {
        world.write(
            "PATCH",
            &format!("{ONE}?fieldManager=t"),
            "application/apply-patch+yaml",
            &manifest(spec),
        )
    };
    let reply = apply(files("x"));
    assert_eq!(reply.status, 201, "{}", body(&reply));
    coder.import("x", "succeeded");
    let before = world.writes().len();
    assert_eq!(apply(files("x")).status, 200);
    assert_eq!(world.writes().len(), before);
    // Files are one thing: what an apply does not name of them goes.
    let reply = apply(json!({"files": {"other.tf": "z"}}));
    assert_eq!(body(&reply)["spec"]["files"], json!({"other.tf": "z"}));
}

/// One thing that happens to a template.
#[derive(Clone, Debug)]
enum Event {
    /// These files are asked for, and then again.
    Put(u8),
    /// Imports of these files end so.
    Import(u8, bool),
    /// Somebody goes back, by hand, to the version with these files, if there is one.
    Activate(u8),
    /// What is in the background is done.
    Wait,
    /// The process is lost, with what was in its background.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4u8).prop_map(Event::Put),
        3 => (0..4u8, any::<bool>()).prop_map(|(text, succeeds)| Event::Import(text, succeeds)),
        1 => (0..4u8).prop_map(Event::Activate),
        2 => Just(Event::Wait),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_was_asked_for_last_is_shown_and_becomes_active(events in prop::collection::vec(event(), 1..14), looks: bool) {
        let coder = coder_with("0");
        let mut world = coder.world();
        let mut asked = "0".to_owned();
        for event in events {
            match event {
                Event::Put(text) => {
                    asked = text.to_string();
                    let reply = put(&world, files(&asked));
                    prop_assert_eq!(reply.status, 200);
                    prop_assert_eq!(&body(&reply)["spec"]["files"]["main.tf"], &json!(asked));
                    let (before, count) = (world.writes().len(), versions(&coder));
                    put(&world, files(&asked));
                    prop_assert_eq!((world.writes().len(), versions(&coder)), (before, count), "the same again changes nothing");
                }
                Event::Import(text, succeeds) => {
                    let known = coder.0.borrow().imports.contains_key(&text.to_string());
                    if !known {
                        coder.import(&text.to_string(), if succeeds { "succeeded" } else { "failed" });
                    }
                }
                Event::Activate(text) => {
                    let text = text.to_string();
                    let older = {
                        let state = coder.0.borrow();
                        let active = &state.templates[0].active;
                        let imported = |version: &&super::template_coder::Version| {
                            version.status == "succeeded" && state.text(version) == text
                        };
                        let before = state.versions.iter().take_while(|version| version.id != *active);
                        before.filter(|version| imported(version)).count() > 0
                    };
                    if older && coder.active("dev") != text {
                        coder.activate("dev", &text);
                        asked = text;
                    }
                }
                Event::Wait => drop(world.background()),
                Event::Restart => world = coder.world(),
            }
        }
        // Whoever looks helps, and who does not look at it looks for it, until nothing is left to do.
        for _ in 0..3 {
            if looks {
                world.get(ONE);
                world.background();
            } else {
                world.scan();
            }
        }
        let imports = coder.0.borrow().imports.clone();
        let (text, [ready, ..]) = shown(&world);
        match imports.get(&asked) {
            Some(&"succeeded") => {
                prop_assert_eq!(coder.active("dev"), asked.clone());
                prop_assert_eq!((text, ready), (asked, "True/Imported".to_owned()));
            }
            _ => prop_assert!(text == asked && ready.starts_with("False/"), "{} {} {}", text, asked, ready),
        }
    }
}
