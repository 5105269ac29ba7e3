//! Every way in which Coder or kube-apiserver can fail, and the `Status` that comes of it. Only the stand-in can be told to
//! fail; each test holds the lab alone, and at the end of each the VM must be the one from before.

use e2e::{
    GROUP_VERSION, Lab, Request, Response,
    check::{no_secrets, status},
    envoy::{vm_reloads, without_coder_call},
    faults::{self, Faults},
    seed::{TEMPLATES, WS0},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Everything that reads Coder.
fn reads(lab: &Lab) -> [String; 6] {
    [
        lab.path(&format!("coderworkspaces/{WS0}")),
        lab.path("coderworkspaces"),
        format!("{GROUP_VERSION}/coderworkspaces"),
        lab.path(&format!("codertemplates/{}", TEMPLATES[3])),
        lab.path("codertemplates"),
        lab.path(&format!("coderworkspaces/{WS0}/log?build=1")),
    ]
}

/// The filter's own deadline of 30 s and what a busy machine adds, but not Envoy's idle timeout of 40 s.
const HELD: Duration = Duration::from_secs(38);

/// Injects a fault into all of Coder, reads everything, and expects the lab to be as before afterwards.
fn check(fault: &Value, expect: impl Fn(&str, &Response)) {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let reloads = vm_reloads(&lab);
    let faults = Faults::new(&lab);
    faults.coder("/api/v2", fault);
    for target in reads(&lab) {
        println!("{fault} on {target}");
        let start = Instant::now();
        let response = lab.front().get(&target);
        assert!(start.elapsed() < HELD, "held for {:?}", start.elapsed());
        expect(&target, &response);
        no_secrets(&lab, &response.text());
    }
    drop(faults);
    recovered(&lab);
    assert_eq!(vm_reloads(&lab), reloads, "the VM has died");
}

#[track_caller]
fn recovered(lab: &Lab) {
    for target in reads(lab) {
        let response = lab.front().get(&target);
        assert_eq!(response.status(), 200, "{target} after the fault: {}", response.excerpt());
    }
}

#[track_caller]
fn unavailable(_: &str, response: &Response) {
    let answer = status(response, 503, "ServiceUnavailable");
    assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()));
}

#[test]
fn internal_errors_are_unavailability() {
    let body =
        json!({"message": "pq: connection refused", "detail": "dial tcp 10.1.2.3:5432 http://internal/x"});
    for code in [500, 501, 502, 503, 504] {
        check(&faults::status(code, &body), |target, response| {
            unavailable(target, response);
            assert!(!response.text().contains("10.1.2.3"), "{}", response.excerpt());
        });
    }
}

#[test]
fn a_reset_connection_is_unavailability() {
    check(&json!({"kind": "reset"}), unavailable);
}

#[test]
fn a_truncated_answer_is_unavailability() {
    check(&json!({"kind": "truncate"}), unavailable);
}

#[test]
fn garbage_is_unavailability() {
    check(&json!({"kind": "garbage"}), unavailable);
    for body in [
        "",
        "null",
        "[]",
        "[1]",
        "{}",
        "42",
        "\"text\"",
        "{\"workspaces\":5,\"count\":\"x\"}",
        "<html>login</html>",
        "\u{0}\u{1}",
        "{\"id\":\"\\ud800\"}",
    ] {
        check(&json!({"kind": "garbage", "body": body}), |target, response| {
            // An empty document of the right type may be read as an empty list, and as nothing else.
            let empty = ["[]", "null", "{}"].contains(&body) && response.status() == 200;
            if empty && (target.ends_with("templates") || target.contains("/log")) {
                return;
            }
            unavailable(target, response);
        });
    }
}

#[test]
fn deeply_nested_and_large_garbage_is_unavailability() {
    for body in
        ["[".repeat(100_000), format!("{{\"workspaces\":{}", "{\"a\":".repeat(50_000)), "x".repeat(2_000_000)]
    {
        let Some(lab) = Lab::exclusive_standin() else { return };
        let reloads = vm_reloads(&lab);
        let faults = Faults::new(&lab);
        faults.coder("/api/v2", &json!({"kind": "garbage", "body": body}));
        for target in reads(&lab) {
            unavailable(&target, &lab.front().get(&target));
        }
        drop(faults);
        recovered(&lab);
        assert_eq!(vm_reloads(&lab), reloads);
    }
}

#[test]
fn no_answer_is_unavailability_within_the_deadline() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let reloads = vm_reloads(&lab);
    let faults = Faults::new(&lab);
    faults.coder("/api/v2", &json!({"kind": "hang"}));
    let start = Instant::now();
    // All at once: each may take the whole deadline of 30 s.
    let threads: Vec<_> = reads(&lab)
        .into_iter()
        .map(|target| {
            let front = lab.front();
            std::thread::spawn(move || (front.get(&target), target))
        })
        .collect();
    for thread in threads {
        let (response, target) = thread.join().unwrap();
        unavailable(&target, &response);
    }
    assert!(start.elapsed() < HELD, "held for {:?}", start.elapsed());
    drop(faults);
    recovered(&lab);
    assert_eq!(vm_reloads(&lab), reloads);
}

#[test]
fn a_slow_coder_is_waited_for() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let faults = Faults::new(&lab);
    faults.coder("/api/v2", &json!({"kind": "delay", "delay": 3000}));
    let response = lab.front().get(&lab.path("coderworkspaces"));
    assert_eq!(response.status(), 200, "{}", response.excerpt());
}

#[test]
fn a_client_that_leaves_does_no_harm() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let reloads = vm_reloads(&lab);
    let faults = Faults::new(&lab);
    faults.coder("/api/v2", &json!({"kind": "delay", "delay": 1500}));
    for target in reads(&lab).iter().cycle().take(30) {
        let mut client = e2e::Http1::connect(&lab.front()).unwrap();
        client.send(&Request::get(target)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(3));
    drop(faults);
    recovered(&lab);
    assert_eq!(vm_reloads(&lab), reloads);
}

#[test]
fn our_own_bad_credentials_are_unavailability_without_an_invitation() {
    let body = json!({"message": "You are signed out or your session has expired. Please sign in again."});
    check(&faults::status(401, &body), |target, response| {
        unavailable(target, response);
        assert_eq!(response.header("retry-after"), None);
        assert!(response.json()["details"].get("retryAfterSeconds").is_none());
    });
}

#[test]
fn forbidden_by_coder_is_forbidden() {
    let body = json!({"message": "Forbidden.", "detail": "see http://internal.example/policy"});
    check(&faults::status(403, &body), |_, response| {
        status(response, 403, "Forbidden");
        assert!(!response.text().contains("internal.example"), "{}", response.excerpt());
    });
}

#[test]
fn absent_in_coder_is_not_found() {
    let body = json!({"message": "Resource not found or you do not have access to this resource"});
    check(&faults::status(404, &body), |target, response| {
        if target.contains("coder.") && target.contains(WS0) || target.contains("codertemplates/") {
            status(response, 404, "NotFound");
        } else {
            assert_ne!(response.status(), 200, "{target}: a list that cannot be read is not an empty list");
        }
    });
}

#[test]
fn an_unknown_user_is_not_found() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let faults = Faults::new(&lab);
    let body = json!({"message": "Invalid user.", "validations": []});
    faults.coder("/api/v2/users/", &faults::status(400, &body));
    status(&lab.front().get(&lab.path(&format!("coderworkspaces/{WS0}"))), 404, "NotFound");
    status(&lab.front().get(&lab.path(&format!("coderworkspaces/{WS0}/log"))), 404, "NotFound");
}

#[test]
fn too_many_requests_says_when_to_come_back() {
    let mut fault = faults::status(429, &json!({"message": "You've been rate limited."}));
    fault["headers"]["retry-after"] = json!("7");
    check(&fault, |_, response| {
        let answer = status(response, 429, "TooManyRequests");
        assert!(
            response.header("retry-after").is_some_and(|value| value.parse::<u32>().is_ok_and(|n| n > 0))
        );
        assert!(answer["details"]["retryAfterSeconds"].as_u64().is_some_and(|n| n > 0), "{answer}");
    });
}

#[test]
fn other_refusals_are_bad_requests_with_coders_words() {
    let body = json!({"message": "I am a teapot.", "detail": "Short and stout."});
    for code in [402, 418, 451] {
        check(&faults::status(code, &body), |_, response| {
            let answer = status(response, 400, "BadRequest");
            let message = answer["message"].as_str().unwrap();
            assert!(message.contains("I am a teapot") && message.contains("Short and stout"), "{message}");
        });
    }
}

#[test]
fn redirects_are_not_followed() {
    let mut fault = faults::status(302, &json!({}));
    fault["headers"]["location"] = json!("http://elsewhere.example/login");
    check(&fault, |_, response| {
        assert!([400, 503].contains(&response.status()), "{} {}", response.status(), response.excerpt());
        assert_eq!(response.header("location"), None);
    });
}

#[test]
fn a_failing_namespace_is_named_by_the_list_of_all() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let faults = Faults::new(&lab);
    faults.coder("/api/v2", &json!({"kind": "reset"}));
    let answer =
        status(&lab.front().get(&format!("{GROUP_VERSION}/coderworkspaces")), 503, "ServiceUnavailable");
    assert!(answer["message"].as_str().unwrap().contains(&lab.namespace), "{answer}");
    // Other namespaces do not need Coder.
    let other = lab.front().get(&format!("{GROUP_VERSION}/namespaces/default/coderworkspaces"));
    assert_eq!(other.status(), 200, "{}", other.excerpt());
    // Neither does discovery.
    for target in ["/apis", GROUP_VERSION, "/openapi/v3"] {
        assert_eq!(lab.front().get(target).status(), 200, "{target}");
    }
}

#[test]
fn when_only_details_fail_the_read_says_so() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let reloads = vm_reloads(&lab);
    let targets = [lab.path("coderworkspaces/coder.carol.sized"), lab.path("codertemplates/coder.params")];
    let whole = targets.clone().map(|target| lab.front().get(&target).json());
    let faults = Faults::new(&lab);
    faults.coder("/api/v2/workspacebuilds/", &json!({"kind": "garbage"}));
    faults.coder("/api/v2/templateversions/", &json!({"kind": "reset"}));
    faults.coder("/api/v2/files/", &json!({"kind": "truncate"}));
    for (target, whole) in targets.iter().zip(whole) {
        // Parameters and files are what a PUT would send back: an object without them must not look complete. Those of a
        // build or a version never change, so they may come from a cache.
        for _ in 0..8 {
            let response = lab.front().get(target);
            if response.status() != 200 || response.json() != whole {
                unavailable(target, &response);
            }
        }
    }
    assert_eq!(lab.front().get(&lab.path("coderworkspaces")).status(), 200, "lists need no details");
    drop(faults);
    recovered(&lab);
    assert_eq!(vm_reloads(&lab), reloads);
}

#[test]
fn without_a_decision_of_the_cluster_nothing_is_served() {
    let Some(lab) = Lab::exclusive_standin().filter(Lab::kube_misbehaves) else { return };
    let reloads = vm_reloads(&lab);
    let faults = Faults::new(&lab);
    let review = |allowed: Value| json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": {"allowed": allowed}});
    for (number, fault) in [
        json!({"kind": "reset"}),
        json!({"kind": "truncate"}),
        json!({"kind": "garbage"}),
        json!({"kind": "garbage", "body": "{}"}),
        json!({"kind": "garbage", "body": "true"}),
        json!({"kind": "garbage", "body": review(json!("true")).to_string()}),
        json!({"kind": "garbage", "body": review(Value::Null).to_string()}),
        faults::status(500, &json!({"kind": "Status", "message": "boom"})),
        faults::status(500, &review(json!(true))),
        faults::status(302, &review(json!(true))),
        faults::status(404, &json!({})),
        faults::status(429, &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "TooManyRequests", "code": 429, "message": "slow down"})),
    ]
    .into_iter()
    .enumerate()
    {
        faults.kube("/apis/authorization.k8s.io", &fault);
        faults.kube("/apis/authentication.k8s.io", &fault);
        without_coder_call(&lab, &fault.to_string(), || { for target in reads(&lab) {
            // A name of its own each time, so that no earlier decision serves.
            let request = Request::get(&target).header("Impersonate-User", &format!("e2e-undecided-{number}-{}", target.len())).header("Impersonate-Group", "system:masters");
            let response = lab.front().send(&request);
            println!("{fault}: {} {}", response.status(), response.excerpt());
            assert!(response.status() >= 400, "{fault}: {}", response.excerpt());
            assert_eq!(response.json()["kind"], "Status", "{fault}: {}", response.excerpt());
        } });
        faults.clear();
    }
    recovered(&lab);
    assert_eq!(vm_reloads(&lab), reloads);
}

#[test]
fn a_failing_kubernetes_is_seen_through_discovery() {
    let Some(lab) = Lab::exclusive_standin().filter(Lab::kube_misbehaves) else { return };
    let reloads = vm_reloads(&lab);
    let faults = Faults::new(&lab);
    for fault in [
        faults::status(500, &json!({"kind": "Status"})),
        json!({"kind": "garbage"}),
        json!({"kind": "truncate"}),
        json!({"kind": "reset"}),
    ] {
        for target in ["/apis", "/openapi/v3"] {
            faults.kube(target, &fault);
            let response = lab.front().try_send(&Request::get(target));
            println!("{fault} on {target}: {:?}", response.as_ref().map(Response::excerpt));
            if let Ok(response) = response {
                let json: Result<Value, _> = serde_json::from_slice(&response.body);
                let merged = response.status() == 200
                    && json.is_ok_and(|list| list["groups"].as_array().is_some_and(|g| g.len() == 1));
                assert!(
                    !merged,
                    "a list of groups that holds ours alone hides all others: {}",
                    response.excerpt()
                );
            }
            faults.clear();
            assert_eq!(lab.front().get(target).status(), 200);
        }
    }
    assert_eq!(vm_reloads(&lab), reloads);
}
