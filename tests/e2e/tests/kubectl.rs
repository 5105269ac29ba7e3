//! What a person types: kubectl over both kinds, as the admin by token and by certificate.

use e2e::{
    Kubectl, Lab,
    check::names,
    seed::{BAD, RUNNING, TEMPLATES, WS0, WS1},
};
use serde_json::Value;

/// The admin, both ways.
fn admins(lab: &Lab) -> [Kubectl; 2] {
    [lab.kubectl(), lab.kubectl().context("cert")]
}

fn column(lines: &[&str], number: usize) -> Vec<String> {
    let field = |line: &&str| line.split_whitespace().nth(number).unwrap_or_default().to_owned();
    lines.iter().map(field).collect()
}

#[test]
fn get_prints_useful_columns() {
    let Some(lab) = Lab::shared() else { return };
    for kubectl in admins(&lab) {
        let output = kubectl.run("get cws -A");
        let lines = output.lines();
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>().join(" "),
            "NAMESPACE NAME TEMPLATE STATUS READY OUTDATED LAST USED AGE"
        );
        let shown = column(&lines[1..], 1);
        assert!(
            shown.is_sorted() && RUNNING.iter().chain([&BAD]).all(|name| shown.contains(&(*name).to_owned())),
            "{shown:?}"
        );
        assert!(column(&lines[1..], 0).iter().all(|namespace| *namespace == lab.namespace));
        let row = lines.iter().find(|line| line.contains(WS0)).unwrap();
        let fields: Vec<_> = row.split_whitespace().collect();
        assert_eq!(fields[2..6], ["plain", "running", "True", "false"], "{row}");
    }
}

#[test]
fn get_wide_prints_more() {
    let Some(lab) = Lab::shared() else { return };
    for resource in ["cws", "ctpl"] {
        let narrow = lab.kubectl().run(&format!("get {resource}"));
        let wide = lab.kubectl().run(&format!("get {resource} -o wide"));
        assert!(wide.lines()[0].len() > narrow.lines()[0].len());
        assert_eq!(wide.lines().len(), narrow.lines().len());
    }
    let output = lab.kubectl().run("get cws -A -o wide");
    for header in ["OWNER", "ORGANIZATION", "AGENTS"] {
        assert!(output.lines()[0].contains(header), "{}", output.lines()[0]);
    }
}

#[test]
fn every_name_of_the_resource_works() {
    let Some(lab) = Lab::shared() else { return };
    let expect = lab.kubectl().run("get coderworkspaces -o name").ok().to_owned();
    assert!(expect.contains(&format!("coderworkspace.aggregation.coder.com/{WS0}\n")), "{expect}");
    for name in [
        "cws",
        "coderworkspace",
        "coderworkspaces.aggregation.coder.com",
        "coderworkspaces.v1alpha1.aggregation.coder.com",
    ] {
        assert_eq!(lab.kubectl().run(&format!("get {name} -o name")).ok(), expect, "{name}");
    }
    let templates = lab.kubectl().run("get ctpl -o name");
    for name in TEMPLATES {
        assert!(
            templates.lines().contains(&format!("codertemplate.aggregation.coder.com/{name}").as_str()),
            "{name}"
        );
    }
    let both = lab.kubectl().run("get coder -o name");
    assert!(
        both.ok().contains(&expect) && both.ok().contains(&templates.stdout),
        "the category coder holds both"
    );
}

#[test]
fn get_by_name_prints_what_was_asked() {
    let Some(lab) = Lab::shared() else { return };
    for kubectl in admins(&lab) {
        assert_eq!(column(&kubectl.run(&format!("get cws {WS1} {WS0} --no-headers")).lines(), 0), [WS1, WS0]);
        assert_eq!(kubectl.run(&format!("get cws/{WS0} ctpl/coder.plain -o name")).lines().len(), 2);
        assert_eq!(kubectl.run(&format!("get cws {WS0} -o json")).json()["metadata"]["name"], WS0);
        assert!(kubectl.run(&format!("get cws {WS0} -o yaml")).ok().contains("\n  name: coder.alice.ws0\n"));
        assert_eq!(kubectl.run(&format!("get cws {WS0} -o jsonpath={{.status.ownerName}}")).ok(), "alice");
        assert_eq!(
            kubectl.run(&format!("get cws {WS0} -o custom-columns=T:.spec.templateName")).lines(),
            ["T", "plain"]
        );
    }
}

#[test]
fn an_empty_namespace_says_so() {
    let Some(lab) = Lab::shared() else { return };
    let output = lab.kubectl().run("get cws -n default");
    assert_eq!((output.ok(), output.stderr.trim()), ("", "No resources found in default namespace."));
}

#[test]
fn selectors_and_chunks_and_sorting_work() {
    let Some(lab) = Lab::shared() else { return };
    let get = |arguments: &str| names(&lab.kubectl().run(&format!("get cws -o json {arguments}")).json());
    let alice = get("-A -l coder.com/owner=alice");
    assert!(!alice.is_empty() && alice.iter().all(|name| name.starts_with("coder.alice.")), "{alice:?}");
    assert_eq!(get("--field-selector status.ownerName=alice"), alice);
    assert!(get("--field-selector status.latestBuildStatus=failed").contains(&BAD.to_owned()));
    assert_eq!(get("--field-selector metadata.name=coder.alice.ws0"), [WS0]);
    assert_eq!(get("-A --chunk-size=2"), get("-A"));
    let plain = lab.kubectl().run("get cws -A --no-headers --chunk-size=2");
    assert_eq!(column(&plain.lines(), 1), get("-A"));
    let sorted = lab.kubectl().run("get cws -A --no-headers --sort-by=.metadata.uid");
    assert_eq!(sorted.lines().len(), get("-A").len());
    let sorted = lab.kubectl().run("get cws --no-headers --sort-by=.spec.templateName");
    assert!(column(&sorted.lines(), 1).is_sorted(), "{}", sorted.stdout);
    let labels = lab.kubectl().run("get cws --no-headers -L coder.com/owner");
    assert!(labels.lines().iter().any(|line| line.trim_end().ends_with("alice")));
    assert!(lab.kubectl().run("get cws --show-labels").ok().contains("coder.com/template=dev"));
}

#[test]
fn describe_reads_well() {
    let Some(lab) = Lab::shared() else { return };
    for kubectl in admins(&lab) {
        let workspace = kubectl.run(&format!("describe cws {WS1}"));
        for word in
            [WS1, "coder.com/owner=alice", "Template Name:", "Conditions:", "Latest Build:", "example"]
        {
            assert!(workspace.ok().contains(word), "{word} is missing: {}", workspace.stdout);
        }
        let template = kubectl.run("describe ctpl coder.params");
        assert!(template.ok().contains("main.tf"), "{}", template.stdout);
    }
}

#[test]
fn raw_requests_work() {
    let Some(lab) = Lab::shared() else { return };
    for kubectl in admins(&lab) {
        let list: Value = kubectl.run(&format!("get --raw {}?limit=1", lab.path("coderworkspaces"))).json();
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        let all = kubectl.run(&format!("get --raw {}/coderworkspaces", e2e::GROUP_VERSION)).json();
        assert_eq!(all["kind"], "CoderWorkspaceList");
    }
}

#[test]
fn logs_are_one_raw_request_away() {
    let Some(lab) = Lab::shared() else { return };
    let output =
        lab.kubectl().run(&format!("get --raw {}?build=1", lab.path(&format!("coderworkspaces/{WS0}/log"))));
    assert!(!output.ok().is_empty());
}

#[test]
fn can_i_says_what_the_cluster_says() {
    let Some(lab) = Lab::shared() else { return };
    for arguments in [
        "list coderworkspaces",
        "get codertemplates",
        "get cws/coder.alice.ws0",
        "get coderworkspaces --subresource=log",
    ] {
        let asked = format!("auth can-i {arguments} -n {}", lab.namespace);
        for kubectl in admins(&lab) {
            assert_eq!(kubectl.run(&asked).ok().trim(), "yes", "{arguments}");
        }
        let alice = lab.kubectl().context("alice").run(&asked);
        assert_eq!((alice.code, alice.stdout.trim()), (1, "no"), "{arguments}");
        let other = lab.kubectl().run(&format!("{asked} --as=somebody"));
        assert_eq!((other.code, other.stdout.trim()), (1, "no"), "{arguments}");
    }
}

#[test]
fn a_user_without_rights_is_told_so() {
    let Some(lab) = Lab::shared() else { return };
    let said = lab.kubectl().context("alice").run("get cws");
    let expect = format!(
        "Error from server (Forbidden): coderworkspaces.aggregation.coder.com is forbidden: User \"alice\" cannot list resource \"coderworkspaces\" in API group \"aggregation.coder.com\" in the namespace \"{}\"",
        lab.namespace
    );
    assert_eq!(said.fails(), expect);
}

#[test]
fn a_strategic_patch_is_refused_with_what_to_send_instead() {
    let Some(lab) = Lab::shared() else { return };
    let said = lab.kubectl().run(&format!("patch cws {WS0} -p {{}}"));
    let expect = ["unknown format", "application/merge-patch+json"];
    assert!(expect.iter().any(|word| said.fails().contains(word)), "{}", said.stderr);
}
