//! A copy of what is deployed, with what people add: a module and a serving certificate. And what can be read in what kustomize makes of it.

use e2e::{Lab, scratch::unique};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Below `deploy`.
pub(crate) const OVERLAYS: [&str; 8] = [
    "kustomize/overlays/aggregated",
    "kustomize/overlays/cert-manager",
    "kustomize/overlays/gateway",
    "kustomize/overlays/high-availability",
    "kustomize/overlays/image",
    "kustomize/overlays/sidecar",
    "istio/aggregated",
    "istio/front",
];
/// Larger than `cargo xtask build` lets the module be, in bytes; a ConfigMap holds 1 MiB.
const LARGEST_MODULE: usize = 1_000_000;
const ETC: &str = "/etc/coder-kube-filter/";

/// See the module. The copy goes with this value.
pub(crate) struct Checkout(pub(crate) PathBuf);

impl Checkout {
    /// Copies the repository's files, and adds what is not kept in it.
    pub(crate) fn new() -> Checkout {
        let folder = std::env::temp_dir().join(format!("coder-kube-manifests-{}", unique()));
        for part in ["deploy", "envoy", "kind-cluster"] {
            copy(&root().join(part), &folder.join(part));
        }
        let checkout = Checkout(folder);
        // Bytes that no compression and no text would let through.
        let module: Vec<u8> = (0..LARGEST_MODULE).map(|n| (n % 251) as u8 | 0x80).collect();
        fs::write(checkout.0.join("deploy/kustomize/module/coder_kube_filter.wasm"), module).unwrap();
        checkout.run(Command::new("deploy/certificate.sh"));
        let mut own = Command::new("deploy/certificate.sh");
        own.args(["deploy/kustomize/overlays/sidecar/made", "1", "localhost"]);
        checkout.run(own);
        checkout
    }

    /// Runs a program of the copy in it; returns what it said.
    pub(crate) fn run(&self, mut command: Command) -> String {
        let program = self.0.join(command.get_program());
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let variables: Vec<_> =
            command.get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect();
        command = Command::new(program);
        let output = command.args(arguments).envs(variables).current_dir(&self.0).output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        said
    }

    /// The objects of an overlay.
    pub(crate) fn render(&self, lab: &Lab, overlay: &str) -> Vec<Value> {
        let folder = self.0.join("deploy").join(overlay);
        let output = lab.kubectl_direct().run_args(&["kustomize", &folder.to_string_lossy()]);
        assert_eq!(output.stderr, "", "{overlay}: warnings");
        objects(output.ok())
    }

    /// A configuration of Envoy's.
    pub(crate) fn configuration(&self, name: &str) -> Value {
        serde_saphyr::from_str(&fs::read_to_string(self.0.join("envoy").join(name)).unwrap()).unwrap()
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // Left behind, it would only be in the way.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The documents of a text.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---\n").filter(|document| document.contains("kind:"));
    documents.map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// The one object of a kind.
pub(crate) fn find<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(found.next().is_none(), "there are several {kind}s");
    first
}

/// Envoy, wherever it stands in a pod.
pub(crate) fn envoy(pod: &Value) -> &Value {
    let lists = [&pod["containers"], &pod["initContainers"]].into_iter().filter_map(Value::as_array);
    let envoy = |container: &&Value| container["name"] == "envoy" || container["name"] == "istio-proxy";
    lists.flatten().find(envoy).expect("a pod has an Envoy")
}

/// What a proxy of Istio's merges into its bootstrap.
pub(crate) fn bootstrap(pod: &Value, objects: &[Value]) -> Option<Value> {
    let mut variables = envoy(pod)["env"].as_array().into_iter().flatten();
    let file =
        variables.find(|variable| variable["name"] == "ISTIO_BOOTSTRAP_OVERRIDE")?["value"].as_str()?;
    assert!(mounted(pod, file, objects), "nothing brings {file}");
    let key = file.rsplit('/').next()?;
    let volume = pod["volumes"].as_array()?.iter().find(|volume| volume["name"] == "bootstrap")?;
    let map = objects.iter().find(|object| {
        object["kind"] == "ConfigMap" && object["metadata"]["name"] == volume["configMap"]["name"]
    })?;
    Some(serde_saphyr::from_str(map["data"][key].as_str()?).unwrap())
}

/// The files below `/etc/coder-kube-filter` that a configuration names.
pub(crate) fn paths(configuration: &Value) -> BTreeSet<String> {
    match configuration {
        Value::String(text)
            if text.starts_with(ETC) && text.rsplit('/').next().is_some_and(|name| name.contains('.')) =>
        {
            BTreeSet::from([text.clone()])
        }
        Value::Object(fields) => fields.values().flat_map(paths).collect(),
        Value::Array(values) => values.iter().flat_map(paths).collect(),
        _ => BTreeSet::new(),
    }
}

/// Whether a volume brings this file. What comes from elsewhere (a Secret that people make, the cluster's own ConfigMaps) is believed.
pub(crate) fn mounted(pod: &Value, path: &str, objects: &[Value]) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mounts = list(&envoy(pod)["volumeMounts"]);
    let volumes = list(&pod["volumes"]);
    mounts.iter().any(|mount| {
        let Some(file) =
            path.strip_prefix(mount["mountPath"].as_str().unwrap()).and_then(|rest| rest.strip_prefix('/'))
        else {
            return false;
        };
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
        let volume = volume.unwrap_or_else(|| panic!("{} is mounted and not there", mount["name"]));
        let sources = match volume["projected"]["sources"].as_array() {
            Some(sources) => sources.clone(),
            None => vec![volume.clone()],
        };
        sources.iter().any(|source| brings(source, file, objects))
    })
}

/// Whether one source of a volume brings this file.
fn brings(source: &Value, file: &str, objects: &[Value]) -> bool {
    let from = if source["configMap"].is_object() { &source["configMap"] } else { &source["secret"] };
    let name = if from["name"].is_string() { &from["name"] } else { &from["secretName"] };
    let ours =
        objects.iter().find(|object| object["kind"] == "ConfigMap" && &object["metadata"]["name"] == name);
    let held =
        |key: &str| ours.is_none_or(|map| map["data"][key].is_string() || map["binaryData"][key].is_string());
    // An image is believed to have what `cargo xtask dist` puts into it.
    if source["serviceAccountToken"]["path"] == file || (source["image"].is_object() && file == "plugin.wasm")
    {
        return true;
    }
    match from["items"].as_array() {
        Some(items) => items.iter().any(|item| item["path"] == file && held(item["key"].as_str().unwrap())),
        None => from.is_object() && held(file),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The checkout that these tests are of.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
