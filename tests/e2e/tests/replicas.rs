//! More than one Envoy, and Envoys that end: no change hangs on one process, but for the one that the reference names.

use e2e::{
    Api, Lab, Replica, Request, Scratch,
    api::{files, ok, shown_files, workspace},
    check::status,
    faults::Faults,
};
use echo_archive::Archive;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn what_one_wrote_another_reads_at_once() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let replica = Replica::start(&lab, &[]);
    let (here, there) =
        (scratch.workspaces(), Api::new(&lab, scratch.acting(replica.front()), "coderworkspaces"));
    let name = scratch.name("shared");
    let made = ok(&there.create("", &workspace(&name, "plain", &json!({}))));
    assert_eq!(here.get(&name)["metadata"]["uid"], made["metadata"]["uid"]);
    let ready = here.ready(&name);
    assert_eq!(there.get(&name), ready, "the same versions from both");
    let mut object = ready.clone();
    object["spec"]["ttlMillis"] = json!(60_000);
    ok(&there.replace(&name, "", &object));
    status(&here.replace(&name, "", &object), 409, "Conflict");
    assert_eq!(here.get(&name)["spec"]["ttlMillis"], 60_000);
    ok(&here.delete(&name, "", &Value::Null));
    there.gone(&name);
}

#[test]
fn new_files_are_promoted_though_envoy_ends() {
    let Some(lab) = Lab::exclusive() else { return };
    let scratch = Scratch::new(&lab);
    let name = format!("coder.{}", scratch.coder_template("restart", &Archive::plain()));
    let first = scratch.templates().get(&name)["status"]["activeVersionID"].clone();
    let mut replica = Replica::start(&lab, &[]);
    // On the stand-in the promotion is held up until that Envoy has gone; coderd's import alone must do.
    let faults = (lab.parts == e2e::Parts::Standin).then(|| Faults::new(&lab));
    if let Some(faults) = &faults {
        let id = scratch.templates().get(&name)["metadata"]["uid"].as_str().unwrap().to_owned();
        faults
            .coder(&format!("/api/v2/templates/{id}/versions"), &json!({"kind": "reset", "method": "PATCH"}));
    }
    let next = Archive::plain().file("next.md", "next");
    let there = Api::new(&lab, scratch.acting(replica.front()), "codertemplates");
    ok(&there.merge(&name, &json!({"spec": {"files": files(&next)}})));
    replica.kill();
    if let Some(faults) = &faults {
        std::thread::sleep(Duration::from_secs(2));
        faults.clear();
    }
    replica.launch();
    let object = there.until(&name, "promoted", |object| object["status"]["activeVersionID"] != first);
    assert_eq!(object["spec"]["files"], shown_files(&next));
    there.ready(&name);
}

#[test]
fn a_coder_that_cannot_be_reached_was_told_nothing() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let port = format!("port_value: {} ", lab.coder_url.rsplit(':').next().unwrap());
    // Nobody listens there.
    let replica = Replica::start(&lab, &[(&port, "port_value: 9 ")]);
    let api = Api::new(&lab, scratch.acting(replica.front()), "coderworkspaces");
    let object = workspace(&scratch.name("refused"), "plain", &json!({}));
    for response in [
        api.create("", &object),
        api.replace("coder.alice.ws0", "", &workspace("coder.alice.ws0", "plain", &json!({}))),
        api.merge("coder.alice.ws0", &json!({"spec": {"running": false}})),
        api.delete("coder.alice.ws0", "", &Value::Null),
    ] {
        status(&response, 503, "ServiceUnavailable");
    }
}

#[test]
fn a_write_that_is_not_answered_ends_within_the_deadline() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("hung", "plain", &json!({}));
    let limits = format!("{} \"limits\": {{ \"requestTimeoutSeconds\": 3 }},", lab.mode_setting());
    let replica = Replica::start(&lab, &[(lab.mode_setting(), &limits)]);
    let api = Api::new(&lab, scratch.acting(replica.front()), "coderworkspaces");
    let templates = Api::new(&lab, scratch.acting(replica.front()), "codertemplates");
    let name = scratch.name("hung");
    let faults = Faults::new(&lab);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        faults.coder("/api/v2/workspaces/", &json!({"kind": "hang", "method": method}));
        faults.coder("/api/v2/users/", &json!({"kind": "hang", "method": method}));
        faults.coder("/api/v2/files", &json!({"kind": "hang", "method": method}));
    }
    let new = workspace(&scratch.name("fresh"), "plain", &json!({}));
    let files = files(&Archive::plain());
    let made =
        e2e::api::template(&scratch.template_name("hung"), &json!({"provisioner": "echo", "files": files}));
    let requests: [(&str, &dyn Fn() -> e2e::Response); 5] = [
        ("create", &|| api.create("", &new)),
        ("ttl", &|| api.merge(&name, &json!({"spec": {"ttlMillis": 60_000}}))),
        ("stop", &|| api.merge(&name, &json!({"spec": {"running": false}}))),
        ("delete", &|| api.delete(&name, "", &Value::Null)),
        ("template", &|| templates.create("", &made)),
    ];
    for (title, request) in requests {
        let start = Instant::now();
        let response = request();
        assert!(start.elapsed() < Duration::from_secs(20), "{title}: {:?}", start.elapsed());
        // An upload changes nothing that anybody sees, so that its outcome is known.
        let known = title == "template" && response.status() == 503;
        assert!(known || [500, 504].contains(&response.status()), "{title}: {}", response.excerpt());
        assert!(known || response.text().contains("unknown"), "{title}: {}", response.excerpt());
        assert_eq!(response.header("retry-after"), None, "{title}");
    }
    drop(faults);
    let listed = scratch.front().send(&Request::get(&lab.path("coderworkspaces")));
    assert_eq!(listed.status(), 200);
}
