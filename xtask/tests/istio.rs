//! `deploy/istio` says what `envoy/*.yaml` say: the EnvoyFilters, what the bootstraps add, and the WasmPlugin are made from those files, so that they cannot
//! drift apart.
//!
//! `UPDATE=1 cargo test -p xtask --test istio` writes them anew. Whether Envoy accepts what comes out, and Kubernetes the objects, is for
//! `tests/e2e/tests/manifests.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Each gateway's folder, the configuration that it comes from, and what the first lines of its files say.
const GATEWAYS: [(&str, &str, &str); 2] = [
    ("front", "front.yaml", "The gateway in front of kube-apiserver"),
    ("aggregated", "aggregated.yaml", "The gateway behind an APIService"),
];
/// What Istio's own bootstrap has, and must not have twice.
const ISTIO_HAS: [&str; 1] = ["envoy.bootstrap.internal_listener"];
const MADE: &str = "made from it by a test (CONTRIBUTING.md): change that file, not this one.";

#[test]
fn envoy_filters_are_those_of_the_configurations() {
    for (mode, from, heading) in GATEWAYS {
        let filter = envoy_filter(mode, &configuration(from));
        let heading = format!("# {heading}: listeners and clusters of envoy/{from},\n# {MADE}\n");
        is(&format!("{mode}/envoyfilter.yaml"), &heading, &filter);
    }
}

#[test]
fn bootstraps_are_those_of_the_configurations() {
    for (mode, from, heading) in GATEWAYS {
        let heading = format!("# {heading}: what Istio's bootstrap lacks of envoy/{from},\n# {MADE}\n");
        is(&format!("{mode}/bootstrap.yaml"), &heading, &bootstrap(&configuration(from)));
    }
}

#[test]
fn the_wasm_plugin_has_the_configuration_of_the_filter() {
    let (_, plugin) = filter(&configuration("front.yaml"));
    let configuration: Value =
        serde_json::from_str(plugin["configuration"]["value"].as_str().unwrap()).unwrap();
    let object = json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": { "name": "coder-kube-filter", "namespace": "coder-kube-filter" },
        "spec": {
            "selector": selector("front"),
            "url": "oci://ghcr.io/example/coder-kube-filter:0.1.0",
            "imagePullPolicy": "IfNotPresent",
            "pluginName": plugin["root_id"],
            "phase": "AUTHN",
            "failStrategy": "FAIL_RELOAD",
            "pluginConfig": configuration,
        },
    });
    let heading = "# What docs/deploy/istio.md says about WasmPlugin: it cannot serve changes, and it needs more than this file. CHANGE the url.\n";
    is(
        "wasmplugin.yaml",
        &format!("{heading}# The configuration is that of envoy/front.yaml, {MADE}\n"),
        &object,
    );
}

/// Nothing that Istio's CRD does not know, and nothing that only a bootstrap may hold, is lost on the way.
#[test]
fn nothing_is_lost() {
    for (_, from, _) in GATEWAYS {
        let configuration = configuration(from);
        let known =
            ["node", "admin", "stats_config", "layered_runtime", "static_resources", "bootstrap_extensions"];
        for key in configuration.as_object().unwrap().keys() {
            assert!(known.contains(&key.as_str()), "{from}: {key} would be left out");
        }
        for extension in list(&configuration["bootstrap_extensions"]) {
            let name = extension["name"].as_str().unwrap();
            assert!(ISTIO_HAS.contains(&name), "{from}: {name} is not in Istio's bootstrap");
        }
        let patches = patches(&configuration);
        let clusters = list(&configuration["static_resources"]["clusters"]).len();
        let listeners = list(&configuration["static_resources"]["listeners"]).len();
        let count = |of: &str| patches.iter().filter(|patch| patch["applyTo"] == of).count();
        let fixed = list(&bootstrap(&configuration)["static_resources"]["clusters"]).len();
        assert_eq!((count("CLUSTER") + fixed, count("LISTENER")), (clusters, listeners), "{from}");
        assert_eq!(filter(&configuration).1["allow_on_headers_stop_iteration"], true, "{from}");
    }
}

/// What Istio's proxy must be built with stands in the page's table.
#[test]
fn every_extension_is_in_the_table() {
    let page = fs::read_to_string(root().join("docs/deploy/istio.md")).unwrap();
    for (_, from, _) in GATEWAYS {
        let extensions = extensions(&configuration(from));
        assert!(extensions.len() > 8, "{from}: {extensions:?}");
        for extension in extensions {
            let shown =
                page.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{extension}`")));
            assert!(shown, "{from} uses {extension}, docs/deploy/istio.md does not say whether Istio has it");
        }
    }
}

/// The names of extensions, which are Envoy's own.
fn extensions(value: &Value) -> BTreeSet<String> {
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(values) => values.iter().collect(),
        _ => Vec::new(),
    };
    let own = value["name"].as_str().filter(|name| name.starts_with("envoy.")).map(ToOwned::to_owned);
    own.into_iter().chain(below.into_iter().flat_map(extensions)).collect()
}

fn envoy_filter(mode: &str, configuration: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": { "name": format!("coder-kube-filter-{mode}"), "namespace": "coder-kube-filter" },
        "spec": {
            "workloadSelector": { "labels": selector(mode)["matchLabels"] },
            "configPatches": patches(configuration),
        },
    })
}

/// The gateway's pods.
fn selector(mode: &str) -> Value {
    json!({ "matchLabels": { "istio": format!("coder-kube-filter-{mode}") } })
}

/// Clusters, then the listeners that lead to them. Patches of the bootstrap have no effect since Istio 1.21.
fn patches(configuration: &Value) -> Vec<Value> {
    let gateway = json!({ "context": "GATEWAY" });
    let add = |what: &str, value: &Value| json!({ "applyTo": what, "match": gateway, "patch": { "operation": "ADD", "value": value } });
    let clusters = clusters(configuration).1.into_iter().map(|cluster| add("CLUSTER", cluster));
    let listeners = list(&configuration["static_resources"]["listeners"]).iter();
    clusters.chain(listeners.map(|listener| add("LISTENER", listener))).collect()
}

/// What Envoy merges into Istio's bootstrap: fields replace, lists are appended.
fn bootstrap(configuration: &Value) -> Value {
    let mut bootstrap = json!({
        "stats_config": configuration["stats_config"],
        "layered_runtime": configuration["layered_runtime"],
    });
    let fixed = clusters(configuration).0;
    if !fixed.is_empty() {
        bootstrap["static_resources"] = json!({ "clusters": fixed });
    }
    bootstrap
}

/// From where secrets are asked over REST must be there before any listener asks; all others may come later.
fn clusters(configuration: &Value) -> (Vec<&Value>, Vec<&Value>) {
    let resources = &configuration["static_resources"];
    let asked = clusters_of_subscriptions(resources);
    list(&resources["clusters"]).iter().partition(|cluster| asked.contains(&cluster["name"]))
}

/// The clusters that a subscription over REST names.
fn clusters_of_subscriptions(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match name.as_str() {
                "api_config_source" => list(&value["cluster_names"]).to_vec(),
                _ => clusters_of_subscriptions(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(clusters_of_subscriptions).collect(),
        _ => Vec::new(),
    }
}

/// The name of the wasm filter in the first listener that has it, and its plugin configuration.
fn filter(configuration: &Value) -> (String, Value) {
    let listeners = list(&configuration["static_resources"]["listeners"]).iter();
    let filters = listeners
        .flat_map(|listener| list(&listener["filter_chains"]))
        .flat_map(|chain| list(&chain["filters"]))
        .flat_map(|filter| list(&filter["typed_config"]["http_filters"]));
    let found = filters.into_iter().find(|filter| filter["typed_config"]["config"]["vm_config"].is_object());
    let found = found.expect("a configuration has the filter");
    (found["name"].as_str().unwrap().to_owned(), found["typed_config"]["config"].clone())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn configuration(name: &str) -> Value {
    let text = fs::read_to_string(root().join("envoy").join(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Compares a file with what it should be, or writes it.
fn is(file: &str, heading: &str, object: &Value) {
    let path = root().join("deploy/istio").join(file);
    let expect = format!("{heading}{}", serde_saphyr::to_string(object).unwrap());
    let back: Value = serde_saphyr::from_str(&expect).unwrap();
    assert_eq!(&back, object, "{file} is not read as it is written");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &expect).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expect,
        "deploy/istio/{file} is stale; the first lines of this test say how to refresh it"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
