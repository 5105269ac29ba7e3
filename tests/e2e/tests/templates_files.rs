//! What files a template may have: their paths, how many, how large, through Envoy's buffers and into Coder.

use e2e::{
    Lab, Request, Scratch,
    api::{causes, condition, files, merge, ok, shown_files, template},
    check::status,
    http2,
    seed::version_files,
};
use echo_archive::Archive;
use serde_json::{Map, Value, json};

fn with(more: &Value) -> Value {
    let mut all = files(&Archive::plain());
    merge(&mut all, more);
    json!({"provisioner": "echo", "files": all})
}

#[test]
fn paths_that_cannot_be_are_refused_by_name() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("paths"));
    let calls = scratch.calls();
    let mut wrong = Vec::new();
    for (paths, named) in [
        (&["../up"][..], "../up"),
        (&["a/../../up"], "a/../../up"),
        (&["a/.."], "a/.."),
        (&["/etc/passwd"], "/etc/passwd"),
        (&["back\\slash"], "back\\slash"),
        (&[""], ""),
        (&["."], "."),
        (&["a\u{0}b"], "a\u{0}b"),
        (&["double", "./double"], "double"),
        (&["a/b", "a//b"], "a/b"),
        (&["under", "under/file"], "under"),
    ] {
        let extra: Map<String, Value> = paths.iter().map(|path| ((*path).to_owned(), json!("x"))).collect();
        let response = api.create("", &template(&name, &with(&Value::Object(extra))));
        let answer = response.json();
        let names = |(field, _, message): &(String, String, String)| {
            field.starts_with("spec.files") && (field.contains(named) || message.contains(named))
        };
        if response.status() != 422 || !causes(&answer).iter().any(names) {
            wrong.push(format!("{paths:?}: {} {}", response.status(), response.excerpt()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for files in [json!(["a"]), json!({"a": 1}), json!({"a": {"b": "c"}})] {
        let response = api.create("", &template(&name, &json!({"files": files})));
        assert!(
            [400, 422].contains(&response.status()),
            "{files}: {} {}",
            response.status(),
            response.excerpt()
        );
    }
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn there_may_be_two_thousand() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.templates();
    let count = |files: Value| files.as_object().unwrap().len();
    let (plain, shown) = (count(files(&Archive::plain())), count(shown_files(&Archive::plain())));
    let many = |count: usize| {
        let extra: Map<String, Value> =
            (plain..count).map(|number| (format!("d{}/f{number}", number % 7), json!(""))).collect();
        with(&Value::Object(extra))
    };
    let name = scratch.template_name("many");
    let answer = status(&api.create("", &template(&name, &many(2001))), 422, "Invalid");
    assert!(causes(&answer)[0].0.starts_with("spec.files"), "{answer}");
    ok(&api.create("", &template(&name, &many(2000))));
    assert_eq!(api.ready(&name)["spec"]["files"].as_object().unwrap().len(), 2000 - plain + shown);
}

/// As many bytes of text as asked for, which no compression makes much smaller.
fn text(bytes: usize) -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 93) as u8)
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn what_coder_can_import_passes_and_more_does_not() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("large"));
    let large = text(4_000_000);
    let object = template(&name, &with(&json!({"large.txt": large})));
    let answer = api.create("", &object);
    assert_eq!(answer.status(), 201, "{}", answer.excerpt());
    let ready = api.ready(&name);
    assert_eq!(condition(&ready, "ImportSucceeded"), "True");
    assert_eq!(ready["spec"]["files"]["large.txt"], large);
    let stored = version_files(&lab, &ready["status"]["activeVersionID"]);
    assert!(stored == Archive::plain().file("large.txt", large.clone()).entries());
    // The same over HTTP/2 changes nothing.
    let put = Request::new("PUT", &api.target(&name, "")).json(&ready);
    let calls = scratch.calls();
    assert_eq!(ok(&http2::send(&scratch.front(), &[put]).remove(0)), ready);
    if let Some(calls) = &calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    // Larger than Coder's provisioner takes.
    let more = json!({"large.txt": text(4_100_000)});
    for response in [
        api.create("", &template(&scratch.template_name("larger"), &with(&more))),
        api.merge(&name, &json!({"spec": {"files": more}})),
        api.create("dryRun=All", &template(&scratch.template_name("tried"), &with(&more))),
    ] {
        let answer = status(&response, 413, "RequestEntityTooLarge");
        assert!(answer["message"].as_str().unwrap().contains("4100000"), "{answer}");
        assert_eq!(response.header("retry-after"), None);
    }
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn bodies_have_a_limit_of_their_own() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    // Over HTTP/2, because Envoy answers at once and closes an HTTP/1.1 connection on the rest.
    let spaces = |resource: &str, bytes: usize| {
        let request = Request::new("POST", &lab.path(resource)).body("application/json", vec![b' '; bytes]);
        http2::send(&scratch.front(), &[request]).remove(0)
    };
    for (resource, bytes, code, reason) in [
        ("coderworkspaces", 3 << 20, 400, "BadRequest"),
        ("coderworkspaces", (3 << 20) + 1, 413, "RequestEntityTooLarge"),
        ("coderworkspaces", 20 << 20, 413, "RequestEntityTooLarge"),
        ("codertemplates", 30 << 20, 400, "BadRequest"),
        ("codertemplates", (32 << 20) + 1, 413, "RequestEntityTooLarge"),
    ] {
        println!("{resource} {bytes}");
        status(&spaces(resource, bytes), code, reason);
    }
    // Who may not write is told so, whatever the size.
    let request =
        Request::new("POST", &lab.path("coderworkspaces")).body("application/json", vec![b' '; 4 << 20]);
    status(&http2::send(&lab.front_user(), &[request]).remove(0), 403, "Forbidden");
}
