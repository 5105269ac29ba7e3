//! Bodies of requests that are ours: every framing, every size, clients that dawdle and clients that leave.

use e2e::{
    Http1, Lab, Request, Response,
    api::{PATIENCE, manifest, workspace},
    check::status,
    envoy::{eventually, vm_reloads},
    faults::Faults,
    http2,
    replica::Replica,
    scratch::Scratch,
};
use serde_json::json;
use std::time::Duration;

const JSON: &str = "application/json";

/// A manifest of that length with an unknown field at its very beginning and another at its very end, which a strict reading names.
fn marked(kind: &str, length: usize) -> Vec<u8> {
    let object =
        manifest(kind, &json!({"name": "coder.e2e.marked"}), &json!({"organization": "coder"})).to_string();
    let inner = object.trim_start_matches('{').trim_end_matches('}').to_owned() + "}";
    let (start, end) = (format!("{{\"markedFirst\":1,{inner}"), ",\"markedLast\":1}".to_owned());
    let padding = " ".repeat(length - start.len() - end.len());
    (start + &padding + &end).into_bytes()
}

/// The whole body was read, from its first byte to its last.
#[track_caller]
fn read_whole(what: &str, response: &Response) {
    let answer = status(response, 400, "BadRequest");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("markedFirst") && message.contains("markedLast"), "{what}: {message}");
}

fn strict(lab: &Lab, resource: &str) -> String {
    format!("{}?fieldValidation=Strict", lab.path(resource))
}

#[test]
fn every_framing_arrives_whole() {
    let Some(lab) = Lab::shared() else { return };
    let post = Request::new("POST", &strict(&lab, "coderworkspaces"));
    for length in [400, 65_536, 3_000_000] {
        let body = marked("CoderWorkspace", length);
        for endpoint in [lab.front(), lab.front_cert()] {
            let plain = post.clone().body(JSON, body.clone());
            read_whole("content-length", &endpoint.send(&plain));
            read_whole("chunked", &endpoint.send(&post.clone().chunked(JSON, &body)));
            read_whole("http/2", &http2::send(&endpoint, &[plain]).remove(0));
        }
    }
}

#[test]
fn a_body_in_small_pieces_and_with_trailers_arrives_whole() {
    let Some(lab) = Lab::shared() else { return };
    let body = marked("CoderWorkspace", 400);
    let head = |request: Request| {
        let mut client = Http1::connect(&lab.front()).unwrap();
        client.send(&request.header("Content-Type", JSON)).unwrap();
        client
    };
    let post = Request::new("POST", &strict(&lab, "coderworkspaces"));
    let mut client = head(post.clone().header("Content-Length", "400"));
    for byte in &body {
        client.write(&[*byte]).unwrap();
    }
    read_whole("bytes", &client.read_response("POST").unwrap());

    let mut client = head(post.header("Transfer-Encoding", "chunked").header("Trailer", "X-Checksum"));
    for piece in body.chunks(7) {
        client.write(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
        client.write(piece).unwrap();
        client.write(b"\r\n").unwrap();
    }
    client.write(b"0\r\nX-Checksum: 1\r\n\r\n").unwrap();
    read_whole("trailers", &client.read_response("POST").unwrap());
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let Some(lab) = Lab::shared() else { return };
    let body = marked("CoderWorkspace", 100_000);
    let request = Request::new("POST", &strict(&lab, "coderworkspaces"))
        .header("Content-Type", JSON)
        .header("Content-Length", "100000")
        .header("Expect", "100-continue");
    let mut client = Http1::connect(&lab.front()).unwrap();
    client.send(&request).unwrap();
    assert_eq!(client.read_interim().unwrap(), 100);
    client.write(&body).unwrap();
    read_whole("100-continue", &client.read_response("POST").unwrap());
}

#[test]
fn templates_of_many_megabytes_arrive_whole() {
    let Some(lab) = Lab::shared() else { return };
    let reloads = vm_reloads(&lab);
    let body = marked("CoderTemplate", 33_000_000);
    let post = Request::new("POST", &strict(&lab, "codertemplates"));
    let plain = post.clone().body(JSON, body.clone());
    read_whole("content-length", &lab.front().send(&plain));
    read_whole("chunked", &lab.front().send(&post.chunked(JSON, &body)));
    read_whole("http/2", &http2::send(&lab.front(), &[plain]).remove(0));
    assert_eq!(vm_reloads(&lab), reloads);
}

#[test]
fn a_body_above_its_limit_is_too_large() {
    let Some(lab) = Lab::shared() else { return };
    for (resource, limit) in [("coderworkspaces", 3_145_728), ("codertemplates", 33_554_432)] {
        let request = Request::new("POST", &strict(&lab, resource)).body(JSON, vec![b' '; limit + 1]);
        for response in [lab.front().send(&request), http2::send(&lab.front(), &[request]).remove(0)] {
            let answer = status(&response, 413, "RequestEntityTooLarge");
            assert_eq!(answer["message"], format!("Request entity too large: limit is {limit} bytes"));
            assert_eq!(response.header("retry-after"), None);
        }
    }
}

#[test]
fn who_may_not_write_learns_nothing_of_limits() {
    let Some(lab) = Lab::shared() else { return };
    let request = Request::new("POST", &strict(&lab, "coderworkspaces")).body(JSON, vec![b' '; 3_145_729]);
    status(&http2::send(&lab.front_user(), &[request]).remove(0), 403, "Forbidden");
}

#[test]
fn an_answer_comes_after_the_end_of_its_request() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.front_only("kube-apiserver answers before us, and before the end") {
        return;
    }
    let (pause, body) = (Duration::from_millis(400), marked("CoderWorkspace", 400));
    let collection = lab.path("coderworkspaces");
    let whom = [lab.front(), lab.front_user(), lab.front().with_token("of nobody")];
    for (endpoint, method, target, code) in [
        (&whom[0], "POST", format!("{collection}?dryRun=Some"), 422),
        (&whom[0], "PATCH", collection.clone(), 405),
        (&whom[1], "POST", collection.clone(), 403),
        (&whom[2], "POST", collection.clone(), 401),
    ] {
        let request = Request::new(method, &target).body(JSON, body.clone());
        let (came, response) = http2::send_slowly(endpoint, &request, pause);
        assert_eq!(response.status(), code, "{method} {target}: {}", response.excerpt());
        assert!(came >= pause, "{method} {target} was answered after {came:?}, before its end");
    }
    // But nobody is waited for whose request has no end.
    let mut client = Http1::connect(&whom[2]).unwrap();
    let endless = Request::new("POST", &collection).header("Content-Length", "10");
    client.send(&endless).unwrap();
    status(&client.read_response("POST").unwrap(), 401, "Unauthorized");
}

/// What a replica's configuration says of limits.
fn limits(lab: &Lab, json: &str) -> [(String, String); 1] {
    let mode = lab.mode_setting();
    [(mode.into(), format!("{mode} \"limits\": {json},"))]
}

fn replica(lab: &Lab, changes: &[(String, String)]) -> Replica {
    let changes: Vec<_> = changes.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    Replica::start(lab, &changes)
}

/// A connection that has sent the head of a POST and so much of its body that more is missing.
fn begun(replica: &Replica, target: &str, sent: usize) -> Http1 {
    let mut client = Http1::connect(&replica.front()).unwrap();
    let length = (sent + 1).to_string();
    let head = Request::new("POST", target).header("Content-Type", JSON).header("Content-Length", &length);
    client.send(&head).unwrap();
    client.write(&vec![b' '; sent]).unwrap();
    client
}

#[test]
fn memory_for_bodies_is_given_back_when_clients_leave() {
    let Some(lab) = Lab::shared() else { return };
    let replica = replica(&lab, &limits(&lab, r#"{"heldBodyBytes": 1048576}"#));
    let target = strict(&lab, "coderworkspaces");
    let small = Request::new("POST", &target).body(JSON, marked("CoderWorkspace", 100_000));
    for _ in 0..5 {
        let dawdler = begun(&replica, &target, 1_000_000);
        eventually("the dawdler's body takes up the memory", PATIENCE, || {
            (replica.front().send(&small).status() == 429).then_some(())
        });
        drop(dawdler);
        eventually("the memory is given back", PATIENCE, || {
            (replica.front().send(&small).status() == 400).then_some(())
        });
    }
}

#[test]
fn a_body_that_never_ends_is_not_waited_for_for_ever() {
    let Some(lab) = Lab::shared() else { return };
    let replica = replica(&lab, &limits(&lab, r#"{"requestTimeoutSeconds": 5}"#));
    let mut client = begun(&replica, &strict(&lab, "coderworkspaces"), 1000);
    let answer = status(&client.read_response("POST").unwrap(), 504, "Timeout");
    assert!(answer["message"].as_str().unwrap().contains("body"), "{answer}");
}

#[test]
fn what_envoy_gives_up_on_is_said_to_be_unknown() {
    let Some(lab) = Lab::shared() else { return };
    let replica = replica(&lab, &[("idle_timeout: 40s".into(), "idle_timeout: 3s".into())]);
    let mut client = begun(&replica, &strict(&lab, "coderworkspaces"), 1000);
    let response = client.read_response("POST").unwrap();
    let answer = status(&response, 500, "InternalError");
    assert!(
        answer["message"].as_str().unwrap().contains("whether the change was made is unknown"),
        "{answer}"
    );
    assert_eq!(response.header("retry-after"), None);
    // A read that Envoy gives up on has changed nothing.
    let get = Request::get(&lab.path("coderworkspaces")).header("Content-Length", "10");
    let mut client = Http1::connect(&replica.front()).unwrap();
    client.send(&get).unwrap();
    assert_eq!(client.read_head("GET").unwrap().status, 200, "a read needs no body");
}

#[test]
fn a_change_that_has_begun_is_made_though_its_client_leaves() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("left"));
    api.create("", &workspace(&name, "plain", &json!({})));
    api.ready(&name);
    let calls = scratch.calls().unwrap();
    let faults = Faults::new(&lab);
    // Of the two calls that the change needs, the first is on its way when the client leaves.
    faults.coder("/api/v2/workspaces", &json!({"kind": "delay", "delay": 1500, "method": "PUT"}));
    let patch = json!({"spec": {"ttlMillis": 7_200_000, "running": false}}).to_string();
    let mut client = Http1::connect(&scratch.front()).unwrap();
    client
        .send(&Request::new("PATCH", &api.target(&name, "")).body("application/merge-patch+json", patch))
        .unwrap();
    eventually("the change has begun", PATIENCE, || {
        calls.writes().iter().any(|call| call.starts_with("PUT ")).then_some(())
    });
    drop(client);
    api.until(&name, "changed", |object| {
        object["spec"]["ttlMillis"] == 7_200_000 && object["spec"]["running"] == false
    });
    drop(faults);
    eventually("the log says so", PATIENCE, || {
        let log = lab.logs().iter().map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let said = |line: &str| {
            line.contains("a client left before it was told 200: ") && line.contains(&scratch.user)
        };
        log.collect::<String>().lines().any(said).then_some(())
    });
}

#[test]
fn clients_that_leave_in_the_middle_of_bodies_do_no_harm() {
    let Some(lab) = Lab::exclusive() else { return };
    let reloads = vm_reloads(&lab);
    let target = strict(&lab, "codertemplates");
    for size in [0, 1, 1000, 100_000, 3_000_000].iter().cycle().take(40) {
        let mut client = Http1::connect(&lab.front()).unwrap();
        let head =
            Request::new("POST", &target).header("Content-Type", JSON).header("Content-Length", "30000000");
        client.send(&head).unwrap();
        client.write(&vec![b' '; *size]).unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    read_whole(
        "afterwards",
        &lab.front().send(&Request::new("POST", &target).body(JSON, marked("CoderTemplate", 500))),
    );
    assert_eq!(vm_reloads(&lab), reloads);
}

#[test]
fn a_change_whose_answer_is_lost_is_not_made_twice() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let calls = scratch.calls().unwrap();
    let faults = Faults::new(&lab);
    for (number, after) in [(0, true), (1, false)] {
        let name = scratch.name(&format!("lost{number}"));
        faults
            .coder("/api/v2/users/", &json!({"kind": "reset", "method": "POST", "after": after, "count": 1}));
        let before = calls.writes().len();
        let response = scratch.workspaces().create("", &workspace(&name, "plain", &json!({})));
        assert_eq!(response.status(), 500, "{}", response.excerpt());
        assert!(response.text().contains("unknown"), "{}", response.excerpt());
        assert_eq!(response.header("retry-after"), None);
        assert_eq!(calls.writes().len(), before + 1, "{:?}", calls.writes());
    }
}
