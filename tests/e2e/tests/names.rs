//! Only canonical names exist: everything else that Coder would accept is not found.

use e2e::{
    Lab,
    check::status,
    seed::{WS0, coder_get, coder_workspace},
};

/// GET of a name in path form is 404 with a `Status` that names it as it was asked for.
#[track_caller]
fn check(lab: &Lab, resource: &str, name: &str) {
    let encoded: String = name
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect();
    let answer = lab.front().get(&lab.path(&format!("{resource}/{encoded}")));
    println!("{resource}/{name}");
    let answer = status(&answer, 404, "NotFound");
    // Where no name of any object can have that character, the path is what is not found.
    if !name.contains('%') {
        assert_eq!(answer["details"]["name"], name);
        assert_eq!(answer["details"]["kind"], resource);
    }
}

#[test]
fn other_spellings_of_a_workspace_are_not_found() {
    let Some(lab) = Lab::shared() else { return };
    let coder = coder_workspace(&lab, WS0);
    let id = |key: &str| coder[key].as_str().unwrap().to_owned();
    let without_dashes = id("owner_id").replace('-', "");
    for name in [
        "coder.alice.WS0".to_owned(),
        "CODER.alice.ws0".to_owned(),
        "coder.Alice.ws0".to_owned(),
        "default.alice.ws0".to_owned(),
        "coder.me.ws0".to_owned(),
        format!("{}.alice.ws0", id("organization_id")),
        format!("coder.{}.ws0", id("owner_id")),
        format!("coder.{without_dashes}.ws0"),
        format!("coder.alice.{}", id("id")),
        id("id"),
    ] {
        check(&lab, "coderworkspaces", &name);
    }
}

#[test]
fn other_spellings_of_a_template_are_not_found() {
    let Some(lab) = Lab::shared() else { return };
    let coder = coder_get(&lab, "/organizations/coder/templates/plain");
    let id = |key: &str| coder[key].as_str().unwrap().to_owned();
    for name in [
        "coder.PLAIN".to_owned(),
        "Coder.plain".to_owned(),
        "default.plain".to_owned(),
        format!("{}.plain", id("organization_id")),
        format!("{}.plain", id("organization_id").replace('-', "")),
        format!("coder.{}", id("id")),
        id("id"),
        "plain".to_owned(),
        "coder.plain.x".to_owned(),
    ] {
        check(&lab, "codertemplates", &name);
    }
}

#[test]
fn misshapen_names_are_not_found() {
    let Some(lab) = Lab::shared() else { return };
    for name in [
        "ws0",
        "coder.alice",
        "coder.alice.ws0.x",
        "coder..ws0",
        ".alice.ws0",
        "coder.alice.",
        "coder.alice.-ws0",
        "coder.alice.ws0-",
        "coder.alice.w--s0",
        "coder.alice.ws_0",
        "coder.alice.ws 0",
        "coder.alice.ws0 ",
        "coder.alice.wsä",
        "coder.alice.ws?x",
        "coder.alice.ws#x",
        "coder.alice.ws%30",
        "coder.alice.ws+0",
        "coder.alice.ws:0",
        "coder.alice.thisnameislongerthan32characters-ok",
    ] {
        check(&lab, "coderworkspaces", name);
    }
}

#[test]
fn absent_parts_are_not_found() {
    let Some(lab) = Lab::shared() else { return };
    for name in
        ["coder.alice.nosuch", "coder.nosuch.ws0", "nosuch.alice.ws0", "coder.bob.new", "coder.admin.ws0"]
    {
        check(&lab, "coderworkspaces", name);
    }
    for name in ["coder.nosuch", "nosuch.plain"] {
        check(&lab, "codertemplates", name);
    }
}

#[test]
fn a_segment_is_decoded_once() {
    let Some(lab) = Lab::shared() else { return };
    for path in [
        "coderworkspaces/coder.alice.ws%30",
        "coderworkspaces/coder%2Ealice.ws0",
        "coderworkspac%65s/coder.alice.ws0",
    ] {
        let answer = lab.front().get(&lab.path(path));
        assert_eq!(answer.status(), 200, "{path}: {}", answer.excerpt());
        assert_eq!(answer.json()["metadata"]["name"], WS0);
    }
}

#[test]
fn kubectl_says_it_in_its_usual_words() {
    let Some(lab) = Lab::shared() else { return };
    for name in ["coder.alice.WS0", "coder.me.ws0", "nosuch"] {
        let said = lab.kubectl().run(&format!("get cws {name}"));
        let expect = format!(
            "Error from server (NotFound): coderworkspaces.aggregation.coder.com \"{name}\" not found"
        );
        assert_eq!(said.fails(), expect);
    }
}
