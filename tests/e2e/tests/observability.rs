//! What operators see of requests: Envoy's access log and its stats, with the filter's part in them.

use e2e::{
    Endpoint, Lab, Mode, Request,
    api::{PATIENCE, manifest},
    envoy::eventually,
    replica::Replica,
    scratch::Scratch,
    seed::WS0,
};
use serde_json::{Value, json};

/// Lines of an access log that say this caller.
fn lines(log: &str, user: &str) -> Vec<Value> {
    let parsed = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|line| line["user"] == user).collect()
}

/// A number that the log holds as text.
#[track_caller]
fn number(line: &Value, field: &str) -> u64 {
    line[field].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{field} in {line}"))
}

#[test]
fn the_access_log_says_who_did_what_and_what_coder_took() {
    let Some(lab) = Lab::shared() else { return };
    let scratch = Scratch::new(&lab);
    // A replica: its log is this test's alone. Envoy writes it out about every ten seconds.
    let replica = Replica::start(&lab, &[]);
    let front = scratch.acting(replica.front());
    let collection = lab.path("coderworkspaces");
    let one = format!("{collection}/{WS0}");
    assert_eq!(front.get(&one).status(), 200);
    assert_eq!(front.get(&format!("{collection}/coder.alice.nosuch")).status(), 404);
    assert_eq!(front.get(&collection).status(), 200);
    let wrong = manifest("CoderTemplate", &json!({}), &json!({}));
    assert_eq!(front.send(&Request::post(&format!("{collection}?dryRun=All"), &wrong)).status(), 400);
    let found = eventually("the log is written", PATIENCE, || {
        let found = lines(&replica.access_log(), &scratch.user);
        (found.len() >= 4).then_some(found)
    });
    let seen: Vec<_> = found
        .iter()
        .map(|line| [&line["method"], &line["verb"], &line["resource"], &line["decision"], &line["code"]])
        .collect();
    let workspaces = "coderworkspaces";
    let expect = [
        [json!("GET"), json!("get"), json!(workspaces), json!("allow"), json!(200)],
        [json!("GET"), json!("get"), json!(workspaces), json!("allow"), json!(404)],
        [json!("GET"), json!("list"), json!(workspaces), json!("allow"), json!(200)],
        [json!("POST"), json!("create"), json!(workspaces), json!("allow"), json!(400)],
    ];
    assert_eq!(seen, expect.each_ref().map(|row| row.each_ref()).map(|row| row));
    for line in &found {
        let (calls, coder) = (number(line, "coder_calls"), number(line, "coder_milliseconds"));
        let all = line["milliseconds"].as_u64().unwrap();
        assert_eq!(calls > 0, line["method"] == "GET", "{line}");
        assert!(calls > 0 || coder == 0, "{line}");
        // The filter's clock and Envoy's are read at different moments.
        assert!(coder <= all + 2, "{line}");
    }
}

/// Envoy's own counters of our answers, as Prometheus reads them.
fn counted(admin: &Endpoint, verb: &str, resource: &str, code: u16) -> u64 {
    let text = admin.get("/stats/prometheus").text();
    let start = "coder_kube_requests_total{";
    let labels = [format!("verb=\"{verb}\""), format!("resource=\"{resource}\""), format!("code=\"{code}\"")];
    let mut lines = text.lines().filter(|line| line.starts_with(start));
    let line = lines.find(|line| labels.iter().all(|label| line.contains(label.as_str())));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn answers_are_counted_by_verb_resource_and_code() {
    let Some(lab) = Lab::exclusive() else { return };
    let admin = Endpoint::from_url(&lab.envoy_admin);
    let collection = lab.path("coderworkspaces");
    let check = |request: &Request, verb: &str, resource: &str, code: u16| {
        let before = counted(&admin, verb, resource, code);
        assert_eq!(lab.front().send(request).status(), code);
        let more = counted(&admin, verb, resource, code) - before;
        // The cluster's own controllers ask now and then, too.
        let right = if lab.mode == Mode::Front { more == 1 } else { (1..4).contains(&more) };
        assert!(right, "{verb} {resource} {code}: {more}");
    };
    check(&Request::get(&collection), "list", "coderworkspaces", 200);
    check(&Request::get(&format!("{collection}/{WS0}")), "get", "coderworkspaces", 200);
    check(&Request::get(&format!("{collection}/nosuch")), "get", "coderworkspaces", 404);
    check(&Request::get(&format!("{collection}/{WS0}/log")), "get", "coderworkspaces/log", 200);
    check(&Request::get(&lab.path("codertemplates")), "list", "codertemplates", 200);
    let wrong = manifest("CoderTemplate", &json!({}), &json!({}));
    check(&Request::post(&collection, &wrong), "create", "coderworkspaces", 400);
    if lab.front_only("kube-apiserver merges the documents") {
        check(&Request::get("/apis"), "get", "discovery", 200);
        check(&Request::get("/openapi/v3"), "get", "openapi", 200);
    }
    check(&Request::get(&lab.path("e2e-unheard-of/x")), "get", "other", 404);
    let stats = admin.get("/stats").text();
    assert!(!stats.contains("unheard"), "what clients write is in no name");
    assert!(!stats.contains(WS0) && !stats.contains("nosuch"));
}
