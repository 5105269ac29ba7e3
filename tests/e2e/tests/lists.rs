//! LIST: order, pages, selectors, versions, and namespaces that have no Coder.

use e2e::{
    Lab, Request, Response,
    check::{names, status},
    seed::{BAD, RUNNING, TEMPLATES, coder_workspaces, workspace_name},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn list(lab: &Lab, query: &str) -> Response {
    lab.front().get(&format!("{}?{query}", lab.path("coderworkspaces")))
}

#[track_caller]
fn ok(response: &Response) -> Value {
    assert_eq!(response.status(), 200, "{}", response.excerpt());
    response.json()
}

#[test]
fn a_list_holds_everything_that_coder_has_in_order() {
    let Some(lab) = Lab::shared() else { return };
    let everywhere = format!("{}/coderworkspaces", e2e::GROUP_VERSION);
    for target in [lab.path("coderworkspaces"), everywhere, lab.path("coderworkspaces/")] {
        let list = ok(&lab.front().get(&target));
        assert_eq!(
            (&list["kind"], &list["apiVersion"]),
            (&json!("CoderWorkspaceList"), &json!("aggregation.coder.com/v1alpha1"))
        );
        let mut expect: Vec<String> = coder_workspaces(&lab).iter().map(workspace_name).collect();
        expect.sort();
        assert_eq!(names(&list), expect);
        for name in RUNNING.iter().chain([&BAD]) {
            assert!(expect.contains(&(*name).to_owned()), "{name} is seeded");
        }
    }
}

#[test]
fn templates_are_listed_deprecated_ones_too() {
    let Some(lab) = Lab::shared() else { return };
    let list = ok(&lab.front().get(&lab.path("codertemplates")));
    assert_eq!(list["kind"], "CoderTemplateList");
    let shown = names(&list);
    assert!(shown.is_sorted());
    assert!(TEMPLATES.iter().all(|name| shown.contains(&(*name).to_owned())), "{shown:?}");
    let deprecated = e2e::seed::coder_get(&lab, "/templates?q=deprecated:true");
    for template in deprecated.as_array().unwrap() {
        let name = format!("coder.{}", template["name"].as_str().unwrap());
        assert!(shown.contains(&name), "{name}");
    }
}

#[test]
fn a_list_is_never_older_than_its_items() {
    let Some(lab) = Lab::shared() else { return };
    for resource in ["coderworkspaces", "codertemplates"] {
        let list = ok(&lab.front().get(&lab.path(resource)));
        let version =
            |value: &Value| value["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
        let whole = version(&list);
        assert!(list["items"].as_array().unwrap().iter().all(|item| version(item) <= whole));
        let distinct: BTreeSet<u64> = list["items"].as_array().unwrap().iter().map(version).collect();
        assert_eq!(
            distinct.len(),
            list["items"].as_array().unwrap().len(),
            "different objects, different versions"
        );
        assert!(
            version(&ok(&lab.front().get(&lab.path(resource)))) >= whole,
            "versions of lists do not go back"
        );
    }
}

#[test]
fn pages_make_the_whole() {
    let Some(lab) = Lab::shared() else { return };
    let whole = names(&ok(&list(&lab, "")));
    for limit in [1, 2, 3, whole.len() - 1, whole.len(), whole.len() + 1] {
        let (mut seen, mut token, mut versions) = (Vec::new(), String::new(), BTreeSet::new());
        loop {
            let page = ok(&list(&lab, &format!("limit={limit}&continue={token}")));
            let metadata = &page["metadata"];
            seen.extend(names(&page));
            versions.insert(metadata["resourceVersion"].as_str().unwrap().to_owned());
            token = metadata["continue"].as_str().unwrap_or_default().to_owned();
            let left = whole.len() - seen.len();
            assert_eq!(metadata["remainingItemCount"].as_u64().unwrap_or_default() as usize, left);
            if token.is_empty() {
                break;
            }
            assert_eq!(names(&page).len(), limit);
        }
        assert_eq!(seen, whole, "limit={limit}");
        assert_eq!(versions.len(), 1, "every page carries the first one's version");
    }
}

#[test]
fn a_page_with_a_selector_does_not_count_what_remains() {
    let Some(lab) = Lab::shared() else { return };
    let page = ok(&list(&lab, "limit=1&labelSelector=coder.com/owner%3Dalice"));
    assert_eq!(names(&page).len(), 1);
    assert!(page["metadata"]["continue"].is_string());
    assert!(page["metadata"].get("remainingItemCount").is_none());
    let next = page["metadata"]["continue"].as_str().unwrap();
    let rest = ok(&list(&lab, &format!("limit=500&labelSelector=coder.com/owner%3Dalice&continue={next}")));
    assert!(names(&rest).iter().all(|name| name.starts_with("coder.alice.")));
}

#[test]
fn options_that_make_no_sense_are_refused_as_kubernetes_does() {
    let Some(lab) = Lab::shared() else { return };
    let token = ok(&list(&lab, "limit=1"))["metadata"]["continue"].as_str().unwrap().to_owned();
    for (query, code, reason) in [
        ("limit=abc".to_owned(), 400, "BadRequest"),
        ("limit=-1".to_owned(), 400, "BadRequest"),
        ("continue=garbage".to_owned(), 410, "Expired"),
        ("continue=%01%02".to_owned(), 410, "Expired"),
        (format!("continue={token}!"), 410, "Expired"),
        (format!("continue={token}&resourceVersion=5"), 400, "BadRequest"),
        ("resourceVersion=abc".to_owned(), 400, "BadRequest"),
        ("resourceVersionMatch=Exact".to_owned(), 422, "Invalid"),
        ("resourceVersion=0&resourceVersionMatch=Nope".to_owned(), 422, "Invalid"),
        ("sendInitialEvents=true".to_owned(), 422, "Invalid"),
        ("fieldSelector=spec.nope%3D1".to_owned(), 400, "BadRequest"),
        ("fieldSelector=%3D%3D%3D".to_owned(), 400, "BadRequest"),
        ("labelSelector=a+in".to_owned(), 400, "BadRequest"),
        ("labelSelector=%21%21".to_owned(), 400, "BadRequest"),
    ] {
        println!("{query}");
        status(&list(&lab, &query), code, reason);
    }
}

#[test]
fn a_version_from_the_future_is_not_waited_for_for_ever() {
    let Some(lab) = Lab::shared() else { return };
    let answer = status(&list(&lab, "resourceVersion=9000000000000000000"), 504, "Timeout");
    assert_eq!(answer["details"]["causes"][0]["reason"], "ResourceVersionTooLarge", "{answer}");
}

#[test]
fn an_unknown_field_is_named() {
    let Some(lab) = Lab::shared() else { return };
    let answer = status(&list(&lab, "fieldSelector=spec.nope%3D1"), 400, "BadRequest");
    assert!(answer["message"].as_str().unwrap().contains("field label not supported: spec.nope"), "{answer}");
}

/// Names of a list selected by us must be those that a filter over the whole list gives.
#[track_caller]
fn check(lab: &Lab, whole: &Value, query: &str, expect: impl Fn(&Value) -> bool) {
    let items = whole["items"].as_array().unwrap();
    let expected: Vec<_> =
        items.iter().filter(|item| expect(item)).map(|i| i["metadata"]["name"].clone()).collect();
    let selected = ok(&list(lab, query));
    assert_eq!(names(&selected), expected, "{query}");
    assert!(selected["items"].is_array(), "an empty list is [], not null");
}

#[test]
fn label_selectors_select() {
    let Some(lab) = Lab::shared() else { return };
    let whole = ok(&list(&lab, ""));
    let owner =
        |item: &Value| item["metadata"]["labels"]["coder.com/owner"].as_str().unwrap_or_default().to_owned();
    let template = |item: &Value| {
        item["metadata"]["labels"]["coder.com/template"].as_str().unwrap_or_default().to_owned()
    };
    check(&lab, &whole, "labelSelector=coder.com/owner%3Dalice", |i| owner(i) == "alice");
    check(&lab, &whole, "labelSelector=coder.com%2Fowner%3D%3Dbob", |i| owner(i) == "bob");
    check(&lab, &whole, "labelSelector=coder.com/owner!%3Dbob", |i| owner(i) != "bob");
    check(&lab, &whole, "labelSelector=coder.com/owner+in+(alice,bob),coder.com/template%3Ddev", |i| {
        ["alice", "bob"].contains(&owner(i).as_str()) && template(i) == "dev"
    });
    check(&lab, &whole, "labelSelector=coder.com/template+notin+(dev)", |i| template(i) != "dev");
    check(&lab, &whole, "labelSelector=coder.com/owner", |_| true);
    check(&lab, &whole, "labelSelector=!coder.com/owner", |_| false);
    check(&lab, &whole, "labelSelector=some%3Dthing", |_| false);
    check(&lab, &whole, "labelSelector=coder.com/organization%3Dcoder", |_| true);
    check(&lab, &whole, "labelSelector=", |_| true);
}

#[test]
fn names_that_coder_would_read_otherwise_select_nothing() {
    let Some(lab) = Lab::shared() else { return };
    let whole = ok(&list(&lab, ""));
    for value in ["me", "default", "Alice", "nobody", "ali", "a_b.c"] {
        for label in ["owner", "organization", "template"] {
            check(&lab, &whole, &format!("labelSelector=coder.com/{label}%3D{value}"), |_| false);
        }
    }
    for (field, value) in [
        ("status.ownerName", "me"),
        ("status.ownerName", "alice%20status:stopped"),
        ("spec.organization", "default"),
        ("spec.organization", "nosuch"),
        ("spec.templateName", "%22"),
        ("metadata.name", "coder.alice.ws"),
        ("metadata.name", "coder.alice.WS0"),
        ("metadata.name", "garbage"),
        ("metadata.namespace", "elsewhere"),
        ("status.latestBuildStatus", "nonsense"),
    ] {
        check(&lab, &whole, &format!("fieldSelector={field}%3D{value}"), |_| false);
    }
}

#[test]
fn field_selectors_select() {
    let Some(lab) = Lab::shared() else { return };
    let whole = ok(&list(&lab, ""));
    let status = |item: &Value| item["status"]["latestBuildStatus"].as_str().unwrap_or_default().to_owned();
    check(&lab, &whole, "fieldSelector=metadata.name%3Dcoder.alice.ws0", |i| {
        i["metadata"]["name"] == "coder.alice.ws0"
    });
    check(&lab, &whole, "fieldSelector=metadata.name!%3Dcoder.alice.ws0", |i| {
        i["metadata"]["name"] != "coder.alice.ws0"
    });
    check(&lab, &whole, &format!("fieldSelector=metadata.namespace%3D{}", lab.namespace), |_| true);
    check(&lab, &whole, "fieldSelector=status.latestBuildStatus%3Dfailed", |i| status(i) == "failed");
    check(&lab, &whole, "fieldSelector=status.latestBuildStatus!%3Drunning", |i| status(i) != "running");
    check(&lab, &whole, "fieldSelector=spec.running%3Dtrue", |i| i["spec"]["running"] == true);
    check(&lab, &whole, "fieldSelector=spec.running%3Dfalse", |i| i["spec"]["running"] == false);
    check(&lab, &whole, "fieldSelector=spec.templateName%3Ddev,status.ownerName%3Dbob", |i| {
        i["spec"]["templateName"] == "dev" && i["status"]["ownerName"] == "bob"
    });
    check(&lab, &whole, "fieldSelector=spec.organization%3Dcoder&labelSelector=coder.com/owner%3Dbob", |i| {
        i["status"]["ownerName"] == "bob"
    });
}

#[test]
fn a_namespace_without_coder_is_empty() {
    let Some(lab) = Lab::shared() else { return };
    for namespace in ["default", "no-such-namespace"] {
        for resource in ["coderworkspaces", "codertemplates"] {
            let base = format!("{}/namespaces/{namespace}/{resource}", e2e::GROUP_VERSION);
            let list = ok(&lab.front().get(&base));
            assert_eq!(list["items"], json!([]));
            assert!(list["metadata"]["resourceVersion"].as_str().is_some_and(|v| !v.is_empty() && v != "0"));
            status(&lab.front().get(&format!("{base}/coder.alice.ws0")), 404, "NotFound");
        }
    }
}

#[test]
fn versions_that_informers_send_are_understood() {
    let Some(lab) = Lab::shared() else { return };
    let whole = ok(&list(&lab, ""));
    let version = whole["metadata"]["resourceVersion"].as_str().unwrap();
    for query in [
        "resourceVersion=0".to_owned(),
        "resourceVersion=0&limit=500".to_owned(),
        "resourceVersion=&limit=500".to_owned(),
        "resourceVersion=0&resourceVersionMatch=NotOlderThan".to_owned(),
        format!("resourceVersion={version}"),
        "limit=0".to_owned(),
        "timeoutSeconds=290&allowWatchBookmarks=true&limit=500".to_owned(),
        "unknown=option&pretty=false".to_owned(),
    ] {
        // Any state will do for version 0: what watchers were last told may be a little behind.
        let start = Instant::now();
        while query.starts_with("resourceVersion=0")
            && names(&ok(&list(&lab, &query))) != names(&ok(&list(&lab, "")))
            && start.elapsed() < Duration::from_secs(60)
        {
            std::thread::sleep(Duration::from_millis(500));
        }
        assert_eq!(names(&ok(&list(&lab, &query))), names(&ok(&list(&lab, ""))), "{query}");
    }
}

#[test]
fn what_coder_can_filter_is_pushed_down() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let control = e2e::Endpoint::from_url(lab.standin_url.as_deref().unwrap());
    for (query, expect) in [
        ("labelSelector=coder.com/owner%3Dalice", "owner:alice"),
        ("fieldSelector=spec.templateName%3Ddev", "template:dev"),
        ("fieldSelector=status.ownerName%3Dbob", "owner:bob"),
        ("fieldSelector=metadata.name%3Dcoder.bob.ws1", "bob"),
    ] {
        control.send(&Request::new("DELETE", "/standin/requests"));
        ok(&list(&lab, query));
        let seen = control.get("/standin/requests").text().replace("%3A", ":").replace("%3a", ":");
        assert!(seen.contains(expect), "{query}: {seen}");
    }
}
