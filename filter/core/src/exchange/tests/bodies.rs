//! Bodies of requests as the host hands them in: in parts, late, too long, or never whole.

use super::*;
use crate::exchange::Exchange;

const PATH: &str = "/apis/aggregation.coder.com/v1alpha1/namespaces/coder/coderworkspaces";

/// An exchange of a create whose caller is allowed, and that now waits for its body.
fn waiting(world: &World) -> Exchange {
    let request =
        request("POST", PATH, &[("authorization", "Bearer t"), ("content-type", "application/json")]);
    let Verdict::Serve(mut exchange) = world.verdict(request) else { panic!("it was forwarded") };
    let mut steps = vec![exchange.advance()];
    while let Some(step) = steps.pop() {
        match step {
            Step::Reply(reply) | Step::Carry(_, reply) => panic!("answered before its body: {reply:?}"),
            Step::Wait => {}
            Step::Call(calls) => {
                for (id, call) in calls {
                    assert_eq!(call.cluster, "kube");
                    steps.push(exchange.resume(id, allow(&call, true), world.now));
                }
            }
        }
    }
    exchange
}

fn world(limits: &str) -> World {
    World::with(
        r#"{"namespace":"coder","cluster":"coder","authority":"coder","dashboardURL":"https://coder.example.com"}"#,
        limits,
        |_, _| BROKEN,
    )
}

#[track_caller]
fn reply(step: Step) -> Reply {
    match step {
        Step::Reply(reply) => reply,
        step => panic!("{step:?}"),
    }
}

#[test]
fn what_has_changed_nothing_ends_with_its_client() {
    let world = world("{}");
    let mut exchange = waiting(&world);
    assert!(!exchange.outlives_client(), "reviews change nothing");
    assert!(matches!(exchange.body(b"{".to_vec(), false, NOW), Step::Wait));
    assert!(!exchange.outlives_client());
}

#[test]
fn a_body_that_is_too_long_is_refused_before_its_end() {
    let world = world(r#"{"bodyBytes":1024}"#);
    let mut exchange = waiting(&world);
    assert!(matches!(exchange.body(vec![b' '; 1024], false, NOW), Step::Wait));
    refused(
        &early(&mut exchange, |exchange| exchange.body(vec![b' '; 1], false, NOW)),
        413,
        "RequestEntityTooLarge",
        "1024 bytes",
    );
}

/// An answer that is known before the request's end: it is not sent before that, and not held for longer than a second.
#[track_caller]
fn early(exchange: &mut Exchange, last: impl FnOnce(&mut Exchange) -> Step) -> Reply {
    assert!(matches!(last(exchange), Step::Wait), "answered before the request's end");
    assert_eq!(exchange.wakes_at(), Some(NOW + 1_000));
    assert!(matches!(exchange.wake(NOW + 999), Step::Wait));
    reply(exchange.wake(NOW + 1_000))
}

/// Over HTTP/2 an answer before the request's end is followed by RST_STREAM, and there are clients that lose the answer then.
#[test]
fn no_answer_comes_before_the_end_of_its_request() {
    // Refused without a question to anybody.
    let refused_at_once = |world: &World| {
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
        let Verdict::Serve(exchange) = world.verdict(request("POST", PATH, &twice)) else {
            panic!("it was forwarded")
        };
        exchange
    };
    let is_refused = |reply: &Reply| assert_eq!(reply.status, 401, "{reply:?}");
    let world = self::world(r#"{"heldBodyBytes":1048576}"#);
    is_refused(&early(&mut refused_at_once(&world), Exchange::advance));
    let mut exchange = refused_at_once(&world);
    assert!(matches!(exchange.advance(), Step::Wait));
    assert!(matches!(exchange.body(vec![b' '; 4_000_000], false, NOW + 10), Step::Wait));
    is_refused(&reply(exchange.body(Vec::new(), true, NOW + 20)));
    // What is read on takes none of the memory that others need.
    let mut exchange = refused_at_once(&world);
    assert!(matches!(exchange.advance(), Step::Wait));
    assert!(matches!(exchange.body(vec![b' '; 1_000_000], false, NOW), Step::Wait));
    let mut other = waiting(&world);
    assert!(matches!(other.body(vec![b' '; 1_000_000], false, NOW), Step::Wait));
}

#[test]
fn memory_is_given_back_when_the_client_leaves() {
    let world = world(r#"{"heldBodyBytes":1048576}"#);
    let mut first = waiting(&world);
    assert!(matches!(first.body(vec![b' '; 1_000_000], false, NOW), Step::Wait));
    let mut second = waiting(&world);
    let second = early(&mut second, |second| second.body(vec![b' '; 100_000], false, NOW));
    refused(&second, 429, "TooManyRequests", "memory");
    drop(first);
    let mut third = waiting(&world);
    assert!(matches!(third.body(vec![b' '; 1_000_000], false, NOW), Step::Wait));
}

#[test]
fn a_body_that_never_ends_is_waited_for_until_the_deadline() {
    let world = world("{}");
    let mut exchange = waiting(&world);
    assert_eq!(exchange.wakes_at(), Some(NOW + 30_000));
    assert!(matches!(exchange.body(b"{".to_vec(), false, NOW + 29_000), Step::Wait));
    assert!(matches!(exchange.wake(NOW + 29_999), Step::Wait));
    refused(&reply(exchange.wake(NOW + 30_000)), 504, "Timeout", "did not arrive in time");
    assert_eq!(exchange.wakes_at(), None);
}

#[test]
fn counters_know_verbs_and_resources_and_nothing_a_client_wrote() {
    let world = World::new(|_, _| BROKEN);
    let check = |method: &str, path: &str, verb: &str, resource: &str| {
        let labels = world.send(request(method, path, &[("authorization", "Bearer t")])).labels;
        assert_eq!((labels.verb, labels.resource), (verb, resource), "{method} {path}");
    };
    check("GET", PATH, "list", "coderworkspaces");
    check("GET", &format!("{PATH}/coder.alice.ws0/log"), "get", "coderworkspaces/log");
    check("DELETE", &format!("{API}/namespaces/coder/codertemplates/coder.t"), "delete", "codertemplates");
    check("GET", &format!("{API}/namespaces/coder/secrets/x"), "get", "other");
    check("GET", &format!("{PATH}/coder.alice.ws0/anything"), "get", "other");
    check("GET", "/apis", "get", "discovery");
    check("GET", API, "get", "discovery");
    check("GET", "/openapi/v3", "get", "openapi");
    check("BREW", "/openapi/v3", "other", "openapi");
    check("BREW", &format!("{PATH}/coder.alice.ws0"), "other", "other");
}

#[test]
fn the_log_knows_how_long_coder_took() {
    let world = World::new(|_, _| BROKEN);
    let request = request("GET", PATH, &[("authorization", "Bearer t")]);
    let Verdict::Serve(mut exchange) = world.verdict(request) else { panic!("it was forwarded") };
    let mut now = NOW;
    let mut steps = vec![exchange.body(Vec::new(), true, now)];
    let reply = loop {
        match steps.pop().unwrap() {
            Step::Reply(reply) | Step::Carry(_, reply) => break reply,
            Step::Wait => {}
            Step::Call(calls) => {
                for (id, call) in calls {
                    now += if call.cluster == "coder" { 70 } else { 5 };
                    let outcome = if call.cluster == "coder" { BROKEN } else { allow(&call, true) };
                    steps.insert(0, exchange.resume(id, outcome, now));
                }
            }
        }
    };
    let fact =
        |name: &str| reply.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    assert_eq!((fact("kube.coder_calls"), fact("kube.coder_milliseconds")), (Some("1"), Some("70")));
}
