//! The log subresource: text of builds and agents, cut by us.

use e2e::{
    Lab, Request, Response,
    check::status,
    seed::{BAD, WS0, WS1, coder_get, coder_workspace},
};

fn log(lab: &Lab, name: &str, query: &str) -> Response {
    lab.front().get(&lab.path(&format!("coderworkspaces/{name}/log?{query}")))
}

#[track_caller]
fn text(response: &Response) -> String {
    assert_eq!(response.status(), 200, "{}", response.excerpt());
    // Envoy takes the type away from an answer that has no body.
    let typed = response.content_type().starts_with("text/plain") || response.body.is_empty();
    assert!(typed, "{}", response.content_type());
    response.text()
}

#[test]
fn the_latest_builds_log_is_coders() {
    let Some(lab) = Lab::shared() else { return };
    for name in [WS0, BAD] {
        let build = coder_workspace(&lab, name)["latest_build"].clone();
        let lines = coder_get(&lab, &format!("/workspacebuilds/{}/logs", build["id"].as_str().unwrap()));
        let shown = text(&log(&lab, name, &format!("build={}", build["build_number"])));
        let mut rest = shown.as_str();
        for line in lines.as_array().unwrap() {
            let output = line["output"].as_str().unwrap().trim();
            let found =
                rest.find(output).unwrap_or_else(|| panic!("{output:?} is missing or out of order: {shown}"));
            rest = &rest[found + output.len()..];
        }
        assert_eq!(text(&log(&lab, name, "")), shown, "without a choice it is the latest build's");
    }
}

#[test]
fn an_agents_log_is_text_too() {
    let Some(lab) = Lab::shared() else { return };
    text(&log(&lab, WS1, "agent=example"));
}

#[test]
fn the_tail_is_cut_by_lines() {
    let Some(lab) = Lab::shared() else { return };
    let whole = text(&log(&lab, WS0, "build=1"));
    let lines: Vec<&str> = whole.lines().collect();
    assert!(lines.len() > 2, "{whole}");
    for count in [0, 1, 2, lines.len(), lines.len() + 1] {
        let tail = text(&log(&lab, WS0, &format!("build=1&tailLines={count}")));
        let expect = &lines[lines.len().saturating_sub(count)..];
        assert_eq!(tail.lines().collect::<Vec<_>>(), expect, "tailLines={count}");
    }
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let Some(lab) = Lab::shared() else { return };
    for query in
        ["tailLines=-1", "tailLines=x", "build=x", "build=-1", "build=0", "agent=a&build=1", "follow=true"]
    {
        let response = log(&lab, WS1, query);
        println!("{query}: {} {}", response.status(), response.excerpt());
        assert!([400, 404, 405, 422].contains(&response.status()), "{query}: {}", response.status());
        assert_eq!(response.json()["kind"], "Status", "{query}");
    }
    let follow = log(&lab, WS1, "follow=true").json();
    assert!(follow["message"].as_str().unwrap().contains("follow"), "{follow}");
    text(&log(&lab, WS1, "follow=false"));
}

#[test]
fn what_is_absent_is_not_found() {
    let Some(lab) = Lab::shared() else { return };
    status(&log(&lab, "coder.alice.nosuch", ""), 404, "NotFound");
    status(&log(&lab, "coder.alice.WS0", ""), 404, "NotFound");
    let agent = status(&log(&lab, WS1, "agent=nosuch"), 400, "BadRequest");
    assert!(
        agent["message"].as_str().unwrap().contains("nosuch"),
        "as kubelet does for a container: {agent}"
    );
    status(&lab.front().get(&lab.path("codertemplates/coder.plain/log")), 404, "NotFound");
}

#[test]
fn other_methods_are_not_allowed() {
    let Some(lab) = Lab::shared() else { return };
    let target = lab.path(&format!("coderworkspaces/{WS0}/log"));
    status(&lab.front().send(&Request::new("POST", &target)), 405, "MethodNotAllowed");
}

#[test]
fn it_needs_a_right_of_its_own() {
    let Some(lab) = Lab::shared() else { return };
    let response = lab.front_user().get(&lab.path(&format!("coderworkspaces/{WS0}/log")));
    let answer = status(&response, 403, "Forbidden");
    let expect = format!(
        "coderworkspaces.aggregation.coder.com \"{WS0}\" is forbidden: User \"alice\" cannot get resource \"coderworkspaces/log\" in API group \"aggregation.coder.com\" in the namespace \"{}\"",
        lab.namespace
    );
    assert_eq!(answer["message"], expect);
}
