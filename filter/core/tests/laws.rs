//! Laws that hold for every input, checked through the public API: selectors and what of them is asked of Coder, negotiation, pages, versions.
//!
//! Each law has its own, slower reading of the rules (the oracle) and shares no code with what it checks.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may fail loudly"
)]

#[allow(unreachable_pub, reason = "there it is a library")]
#[path = "../../fuzz/src/driver.rs"]
mod driver;

use coder_kube_core::exchange::{Answer, Outcome, Reply};
use coder_kube_core::kube::negotiation::{Encoding, Form, IncludeObject, MetaVersion, negotiate};
use coder_kube_core::kube::query::Query;
use coder_kube_core::kube::selectors::{FieldSelector, LabelSelector};
use coder_kube_core::time;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const API: &str = "/apis/aggregation.coder.com/v1alpha1";

// --- A Coder that holds still ---

/// A workspace as far as selectors and versions see it.
#[derive(Clone, Debug)]
struct Workspace {
    organization: &'static str,
    owner: &'static str,
    name: String,
    template: &'static str,
    status: &'static str,
    transition: &'static str,
    /// Milliseconds since the Unix epoch.
    built: i64,
}

impl Workspace {
    fn full_name(&self) -> String {
        format!("{}.{}.{}", self.organization, self.owner, self.name).to_lowercase()
    }

    fn json(&self) -> Value {
        let built = time::format(self.built);
        json!({
            "id": self.full_name(), "created_at": "2026-01-01T00:00:00Z", "owner_id": "u", "owner_name": self.owner,
            "organization_name": self.organization, "template_id": "t", "template_name": self.template, "name": self.name,
            "latest_build": {
                "id": "b", "created_at": built, "template_version_id": "v", "build_number": 1, "transition": self.transition,
                "job": {"id": "j", "created_at": built, "status": "succeeded"}, "status": self.status,
            },
        })
    }

    /// What labels and fields say, as the API's contract has it.
    fn value(&self, namespace: &str, key: &str) -> Option<String> {
        Some(match key {
            "coder.com/organization" => self.organization.to_lowercase(),
            "coder.com/owner" => self.owner.to_lowercase(),
            "coder.com/template" => self.template.to_lowercase(),
            "metadata.name" => self.full_name(),
            "metadata.namespace" => namespace.to_owned(),
            "spec.organization" => self.organization.to_owned(),
            "spec.templateName" => self.template.to_owned(),
            "spec.running" => (self.transition == "start").to_string(),
            "status.ownerName" => self.owner.to_owned(),
            "status.latestBuildStatus" => self.status.to_owned(),
            _ => return None,
        })
    }

    /// Coder's search: every term must hold, without regard to case; `name` is a substring, `owner:me` is whose token it is.
    fn is_found(&self, search: &str) -> bool {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        search.split_whitespace().all(|term| match term.split_once(':').expect("key:value") {
            ("owner", "me") | ("organization", "default") => false,
            ("owner", value) => same(self.owner, value),
            ("organization", value) => same(self.organization, value),
            ("template", value) => same(self.template, value),
            ("name", value) => self.name.to_lowercase().contains(&value.to_lowercase()),
            ("status", value) => same(self.status, value),
            (key, _) => panic!("Coder knows no {key}"),
        })
    }
}

/// The workspaces behind the namespaces `coder` and `other`, in Coder's own order.
type Planes = [Vec<Workspace>; 2];

const NAMESPACES: [&str; 2] = ["coder", "other"];

fn workspaces() -> impl Strategy<Value = Vec<Workspace>> {
    let owners = select(&["alice", "Bob", "me"][..]);
    let rest = (
        select(&["coder", "Acme", "default"][..]),
        select(&["dev", "Plain"][..]),
        select(&["running", "stopped", "failed"][..]),
        select(&["start", "stop"][..]),
        // Coder's clock may be a little ahead.
        prop_oneof![0..driver::NOW, -100_000_000_000_000..driver::NOW + 4_000],
    );
    btree_map((owners, "[a-c](-?[a-c0-9]){0,2}"), rest, 0..9)
        .prop_map(|all| {
            all.into_iter()
                .map(|((owner, name), (organization, template, status, transition, built))| Workspace {
                    organization,
                    owner,
                    name,
                    template,
                    status,
                    transition,
                    built,
                })
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn planes() -> impl Strategy<Value = Planes> {
    [workspaces(), workspaces()]
}

fn ok(body: &Value) -> Outcome {
    Ok(Answer { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() })
}

/// Coder's answer to one of our calls.
fn coder(all: &[Workspace], path: &str) -> Outcome {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query = Query::parse(query).unwrap();
    let number = |name| query.get(name).map(|text| text.parse::<usize>().unwrap());
    if path == "/api/v2/workspaces" {
        let found: Vec<_> = all.iter().filter(|ws| ws.is_found(query.get("q").unwrap_or(""))).collect();
        let page =
            found.iter().skip(number("offset").unwrap_or(0)).take(number("limit").unwrap_or(usize::MAX));
        return ok(
            &json!({"workspaces": page.map(|ws| ws.json()).collect::<Vec<_>>(), "count": found.len()}),
        );
    }
    if path.ends_with("/parameters") {
        return ok(&json!([{"name": "cpu", "value": "2"}]));
    }
    let mut segments = path.strip_prefix("/api/v2/users/").unwrap().split("/workspace/");
    let (owner, name) = (segments.next().unwrap(), segments.next().unwrap());
    ok(&all.iter().find(|ws| ws.owner.eq_ignore_ascii_case(owner) && ws.name == name).unwrap().json())
}

/// Asks the filter, which asks Coder for `page_size` workspaces at once.
fn get(planes: &Planes, page_size: u32, target: &str) -> (Reply, Value) {
    get_at(driver::NOW, planes, page_size, target)
}

fn get_at(now: i64, planes: &Planes, page_size: u32, target: &str) -> (Reply, Value) {
    let request = driver::request("GET", target, &[("authorization", "Bearer t")]);
    let reply = driver::run(&driver::filter(page_size), now, request, false, |call| {
        driver::allow(call)
            .unwrap_or_else(|| coder(&planes[usize::from(call.cluster != "coder-coder")], &call.path))
    });
    let reply = reply.expect("it is ours");
    let body = serde_json::from_slice(&reply.body).unwrap();
    (reply, body)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Namespace and name of each item.
fn places(list: &Value) -> Vec<(String, String)> {
    let text = |item: &Value, field| item["metadata"][field].as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    items.iter().map(|item| (text(item, "namespace"), text(item, "name"))).collect()
}

/// Where everything is that fits, in the order of lists.
fn expected(planes: &Planes, fits: impl Fn(&str, &Workspace) -> bool) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (namespace, workspaces) in NAMESPACES.into_iter().zip(planes) {
        let fit = workspaces.iter().filter(|ws| fits(namespace, ws));
        all.extend(fit.map(|ws| (namespace.to_owned(), ws.full_name())));
    }
    all.sort();
    all
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_else(|| panic!("{object}")).parse().unwrap()
}

// --- Selectors ---

/// A term of a selector: how it is written, and whether a value satisfies it.
#[derive(Clone, Debug)]
struct Term {
    key: &'static str,
    operator: &'static str,
    values: Vec<String>,
}

impl Term {
    fn text(&self) -> String {
        let (key, values) = (self.key, self.values.join(","));
        match self.operator {
            "exists" => key.to_owned(),
            "!" => format!("!{key}"),
            "in" | "notin" => format!("{key} {} ({values})", self.operator),
            operator => format!("{key}{operator}{values}"),
        }
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let number = |text: &str| text.parse::<i64>().ok();
        let compared = |by: fn(i64, i64) -> bool| {
            value.and_then(number).is_some_and(|n| by(n, number(&self.values[0]).unwrap()))
        };
        let listed = value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value));
        match self.operator {
            "=" | "==" | "in" => listed,
            "!=" | "notin" => !listed,
            "exists" => value.is_some(),
            "!" => value.is_none(),
            ">" => compared(|a, b| a > b),
            "<" => compared(|a, b| a < b),
            other => panic!("{other}"),
        }
    }
}

fn label_term(keys: &'static [&'static str], values: &'static [&'static str]) -> impl Strategy<Value = Term> {
    let value = select(values).prop_map(str::to_owned);
    let one = (select(&["=", "==", "!="][..]), vec(value.clone(), 1));
    let several = (select(&["in", "notin"][..]), vec(value, 1..4));
    let none = (select(&["exists", "!"][..]), Just(Vec::new()));
    let number = (select(&[">", "<"][..]), vec((-2..12_i64).prop_map(|n| n.max(0).to_string()), 1));
    (select(keys), prop_oneof![one, several, none, number]).prop_map(|(key, (operator, values))| Term {
        key,
        operator,
        values,
    })
}

fn field_term() -> impl Strategy<Value = Term> {
    let fields = &[
        "metadata.name",
        "metadata.namespace",
        "spec.organization",
        "spec.templateName",
        "spec.running",
        "status.ownerName",
        "status.latestBuildStatus",
    ][..];
    let values = &[
        "",
        "alice",
        "Bob",
        "bob",
        "me",
        "coder",
        "Acme",
        "acme",
        "default",
        "dev",
        "Plain",
        "true",
        "false",
        "running",
        "started",
        "Stopped",
        "coder.alice.a",
        "acme.bob.b",
        "default.me.c",
        "Coder.alice.a",
        "a",
        "other",
    ][..];
    (select(fields), select(&["=", "==", "!="][..]), select(values)).prop_map(|(key, operator, value)| Term {
        key,
        operator,
        values: vec![value.to_owned()],
    })
}

fn joined(terms: &[Term]) -> String {
    terms.iter().map(Term::text).collect::<Vec<_>>().join(",")
}

const LABELS: &[&str] =
    &["coder.com/owner", "coder.com/organization", "coder.com/template", "coder.com/none"];
const LABEL_VALUES: &[&str] = &["", "alice", "bob", "Bob", "me", "coder", "acme", "default", "dev", "plain"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn label_selectors_mean_what_they_say(
        terms in vec(label_term(&["a", "x/b", "in", "notin"], &["", "1", "2", "10", "z"]), 0..4),
        labels in btree_map(select(&["a", "x/b", "in", "notin"][..]), select(&["", "1", "2", "10", "z"][..]), 0..4),
    ) {
        let selector = LabelSelector::parse(&joined(&terms)).unwrap();
        let lookup = |key: &str| labels.get(key).copied();
        let oracle = terms.iter().all(|term| term.holds(lookup(term.key)));
        prop_assert_eq!(selector.matches(&lookup), oracle, "{} on {:?}", joined(&terms), labels);
    }

    #[test]
    fn field_selectors_mean_what_they_say(
        terms in vec(field_term(), 0..4),
        fields in btree_map(select(&["metadata.name", "spec.organization"][..]), select(&["", "a", "coder"][..]), 0..3),
    ) {
        let selector = FieldSelector::parse(&joined(&terms)).unwrap();
        let lookup = |key: &str| fields.get(key).copied();
        // An absent field is empty.
        let oracle = terms.iter().all(|term| term.holds(Some(lookup(term.key).unwrap_or(""))));
        prop_assert_eq!(selector.matches(&lookup), oracle, "{} on {:?}", joined(&terms), fields);
    }

    /// Whatever of a selector is asked of Coder, the list is what the whole selector selects.
    #[test]
    fn lists_are_what_is_selected(
        planes in planes(),
        page_size in 1..4_u32,
        labels in vec(label_term(LABELS, LABEL_VALUES), 0..3),
        fields in vec(field_term(), 0..3),
    ) {
        let query = format!("labelSelector={}&fieldSelector={}", encoded(&joined(&labels)), encoded(&joined(&fields)));
        let (_, list) = get(&planes, page_size, &format!("{API}/coderworkspaces?{query}"));
        let expect = expected(&planes, |namespace, ws| {
            labels.iter().all(|term| term.holds(ws.value(namespace, term.key).as_deref()))
                && fields.iter().all(|term| term.holds(ws.value(namespace, term.key).as_deref()))
        });
        prop_assert_eq!(places(&list), expect, "{} {}", joined(&labels), joined(&fields));
    }
}

// --- Pages and versions ---

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the sizes of the client's pages and of Coder's: each object once, in order, under one version.
    #[test]
    fn pages_are_the_list(planes in planes(), page_size in 1..5_u32, limits in vec(1..6_usize, 1..5), all in any::<bool>()) {
        let path = if all { format!("{API}/coderworkspaces") } else { format!("{API}/namespaces/coder/coderworkspaces") };
        let expect = expected(&planes, |namespace, _| all || namespace == "coder");
        let (_, whole) = get(&planes, page_size, &path);
        prop_assert_eq!(places(&whole), &expect[..]);

        let (mut seen, mut items, mut token, mut versions) = (Vec::new(), Vec::new(), String::new(), Vec::new());
        for (limit, now) in limits.iter().cycle().zip(driver::NOW..) {
            let (reply, page) = get_at(now, &planes, page_size, &format!("{path}?limit={limit}{token}"));
            prop_assert_eq!(reply.status, 200, "{}", page);
            let shown = places(&page);
            prop_assert!(shown.len() <= *limit);
            seen.extend(shown);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            versions.push(version(&page));
            let left = expect.len() - seen.len();
            prop_assert_eq!(page["metadata"]["remainingItemCount"].as_u64().unwrap_or(0), left as u64);
            match page["metadata"]["continue"].as_str() {
                Some(next) => token = format!("&continue={next}"),
                None => break,
            }
            prop_assert!(left > 0, "a token that leads to nothing");
        }
        prop_assert_eq!(seen, expect);
        prop_assert_eq!(&items, whole["items"].as_array().unwrap());
        prop_assert!(versions.iter().all(|version| *version == versions[0]));
    }

    /// Positive, below 2⁶³, a list's not below its items', and a get's the one that the list has shown.
    #[test]
    fn versions_are_in_order(planes in planes()) {
        let (_, list) = get(&planes, 100, &format!("{API}/namespaces/coder/coderworkspaces"));
        let newest = version(&list);
        prop_assert!((1..1 << 63).contains(&newest));
        for item in list["items"].as_array().unwrap() {
            prop_assert!((1..=newest).contains(&version(item)), "{} above {}", item, newest);
            let path = format!("{API}/namespaces/coder/coderworkspaces/{}", item["metadata"]["name"].as_str().unwrap());
            prop_assert_eq!(version(&get(&planes, 100, &path).1), version(item));
        }
    }

    /// What Coder changes changes the version, and nothing else does.
    #[test]
    fn a_change_moves_the_version(workspaces in workspaces(), status in select(&["running", "stopped", "failed"][..])) {
        prop_assume!(!workspaces.is_empty());
        let read = |planes: &Planes| get(planes, 100, &format!("{API}/coderworkspaces")).1["items"].clone();
        let before = [workspaces, Vec::new()];
        let mut after = before.clone();
        after[0][0].status = status;
        let (old, new) = (read(&before), read(&after));
        for (old, new) in old.as_array().unwrap().iter().zip(new.as_array().unwrap()) {
            prop_assert_eq!(version(old) == version(new), old == new);
        }
    }
}

// --- Negotiation ---

/// A media type, its parameters, what is served for them, if anything, and whether it is a wildcard.
type Clause = (&'static str, &'static str, Option<(Form, Encoding)>, bool);

/// Clauses of `Accept`.
const CLAUSES: &[Clause] = &[
    ("application/json", "", Some((Form::Object, Encoding::Json)), false),
    ("Application/JSON", "stream=watch", Some((Form::Object, Encoding::Json)), false),
    ("application/yaml", "", Some((Form::Object, Encoding::Yaml)), false),
    ("application/*", "", Some((Form::Object, Encoding::Json)), true),
    ("*/*", "", Some((Form::Object, Encoding::Json)), true),
    ("application/json", "as=Table;g=meta.k8s.io;v=v1", Some((TABLE, Encoding::Json)), false),
    ("application/yaml", "v=v1;as=Table;g=meta.k8s.io", Some((TABLE, Encoding::Yaml)), false),
    (
        "application/json",
        "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        Some((PARTIAL, Encoding::Json)),
        false,
    ),
    ("application/json", "as=Table;g=meta.k8s.io;v=v2", None, false),
    ("application/json", "as=Table", None, false),
    ("application/json", "stream=other", None, false),
    ("application/vnd.kubernetes.protobuf", "as=Table;g=meta.k8s.io;v=v1", None, false),
    ("application/cbor", "", None, false),
    ("text/html", "", None, false),
];
const TABLE: Form = Form::Table(MetaVersion::V1, IncludeObject::Metadata);
const PARTIAL: Form = Form::PartialObjectMetadata(MetaVersion::V1);

/// A quality in thousandths as it may be written.
fn quality(thousandths: u32, style: bool) -> String {
    match thousandths {
        1000 if style => "1".to_owned(),
        1000 => "1.000".to_owned(),
        some if style => format!("0.{some:03}").trim_end_matches('0').to_owned(),
        some => format!("0.{some:03}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The best clause that can be served: highest quality, then what is named before wildcards, then the first.
    #[test]
    fn the_best_clause_is_served(
        clauses in vec((select(CLAUSES), option::of(prop_oneof![Just(0_u32), Just(500), 0..=1000_u32]), any::<[bool; 3]>()), 1..6),
    ) {
        let mut written = Vec::new();
        for ((media_type, parameters, ..), q, [style, first, space]) in &clauses {
            let q = q.map(|q| format!("q={}", quality(q, *style)));
            let parameters = Some((*parameters).to_owned()).filter(|text| !text.is_empty());
            let parts = if *first { [q, parameters] } else { [parameters, q] };
            let separator = if *space { " ; " } else { ";" };
            written.push([Some((*media_type).to_owned())].into_iter().chain(parts).flatten().collect::<Vec<_>>().join(separator));
        }
        let accept = written.join(if clauses[0].2[2] { " , " } else { "," });
        let mut best: Option<((u32, bool), (Form, Encoding))> = None;
        for ((.., served, wildcard), q, _) in &clauses {
            let rank = (q.unwrap_or(1000), !wildcard);
            if let Some(served) = served.filter(|_| rank.0 > 0)
                && best.is_none_or(|(other, _)| rank > other)
            {
                best = Some((rank, served));
            }
        }
        let got = negotiate(Some(&accept), None, &Query::default());
        let got = got.map(|accepted| (accepted.form, accepted.encoding)).map_err(|status| status.code);
        prop_assert_eq!(got, best.map(|(_, served)| served).ok_or(406), "{}", accept);
    }
}
