//! Istio's objects: accepted by the CustomResourceDefinitions that Istio publishes, and by Envoy when they are delivered as Istio delivers them. That they
//! are what `envoy/` says is for `xtask/tests/istio.rs`.

use crate::checkout::{Checkout, bootstrap, find, root};
use e2e::{Endpoint, Lab, envoy::eventually};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

const FILTERS: [&str; 2] = ["aggregated/envoyfilter.yaml", "front/envoyfilter.yaml"];
const OVERLAYS: [&str; 2] = ["istio/aggregated", "istio/front"];
const CRDS: &str = "tests/e2e/crds/istio-1.30.3.yaml";
/// Envoy compiles the module, and waits for the first answer about its secrets.
const PATIENCE: Duration = Duration::from_secs(90);

/// Istio's kinds in the lab's cluster, until this value goes.
struct Kinds<'lab>(&'lab Lab);

impl<'lab> Kinds<'lab> {
    fn install(lab: &'lab Lab) -> Kinds<'lab> {
        let file = root().join(CRDS).display().to_string();
        let kinds = Kinds(lab);
        lab.kubectl_direct().run_args(&["apply", "--server-side", "-f", &file]).ok();
        lab.kubectl_direct()
            .run_args(&["wait", "--for=condition=Established", "--timeout=60s", "-f", &file])
            .ok();
        kinds
    }
}

impl Drop for Kinds<'_> {
    fn drop(&mut self) {
        let file = root().join(CRDS).display().to_string();
        self.0.kubectl_direct().run_args(&["delete", "--ignore-not-found", "--wait=false", "-f", &file]);
    }
}

#[test]
fn istio_knows_every_field() {
    // Alone: other tests compare the kinds that there are.
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.is_real("what kube-apiserver says of them") {
        return;
    }
    let _kinds = Kinds::install(&lab);
    for file in [FILTERS[0], FILTERS[1], "wasmplugin.yaml"] {
        let object: Value = parsed(file);
        // Its namespace is there where the bell is.
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [object]}).to_string();
        let judged = lab.kubectl_direct().input(list);
        let judged = judged.run("apply --server-side --dry-run=server --validate=strict -f -");
        assert!(judged.ok().contains("serverside-applied (server dry run)"), "{file}");
        assert_eq!(judged.stderr, "", "{file}: warnings");
    }
}

/// Listeners and clusters reach Istio's proxies later than their bootstrap, which has what the pod's own file adds.
#[test]
fn envoy_accepts_what_istio_delivers() {
    let Some(lab) = Lab::shared() else { return };
    for overlay in OVERLAYS {
        let checkout = Checkout::new();
        let objects = checkout.render(&lab, overlay);
        let patches = find(&objects, "EnvoyFilter")["spec"]["configPatches"].as_array().unwrap().clone();
        // Istio's agent does not ask for patches of its bootstrap.
        let delivered = |patch: &Value| patch["applyTo"] == "LISTENER" || patch["applyTo"] == "CLUSTER";
        assert!(patches.iter().all(delivered), "{overlay}");
        let pod = &find(&objects, "Deployment")["spec"]["template"]["spec"];
        let own = bootstrap(pod, &objects).expect("the pod names a file");
        let of = |what: &str| -> Vec<Value> {
            let found = patches.iter().filter(|patch| patch["applyTo"] == what);
            found.map(|patch| patch["patch"]["value"].clone()).collect()
        };
        let (listeners, clusters) = (of("LISTENER"), of("CLUSTER"));
        let names = |values: &[Value]| -> Vec<String> {
            values.iter().map(|value| value["name"].as_str().unwrap().to_owned()).collect()
        };
        let expect: (Vec<String>, Vec<String>) = (names(&listeners), names(&clusters));
        let fixed = own["static_resources"]["clusters"].as_array().cloned().unwrap_or_default();
        assert_eq!(fixed.is_empty(), overlay == "istio/front");
        let early: Vec<String> = names(&fixed);
        let envoy = Envoy::start(&checkout, &own, listeners, clusters);
        let stat = |name: &str| envoy.stat(name);
        let told =
            || (stat("cluster_manager.cds.update_success"), stat("listener_manager.lds.update_success"));
        eventually(&format!("{overlay}: both delivered"), PATIENCE, || {
            assert_eq!(envoy.rejected(), (0, 0), "{overlay}: {}", envoy.log());
            (told() == (1, 1)).then_some(())
        });
        for name in expect.0 {
            let up = || envoy.get("/listeners").lines().any(|line| line.starts_with(&format!("{name}::")));
            eventually(&format!("{overlay}: listener {name}"), PATIENCE, || up().then_some(()));
        }
        let istio = "agent".to_owned();
        for name in expect.1.into_iter().chain(early).chain([istio]) {
            assert!(envoy.get("/clusters").contains(&format!("{name}::")), "{overlay}: {name}");
        }
    }
}

/// What no lab runs.
#[test]
fn envoy_accepts_the_configuration_of_a_sidecar() {
    let Some(_lab) = Lab::shared() else { return };
    let checkout = Checkout::new();
    files(&checkout.0);
    let file = checkout.0.join("sidecar.json");
    fs::write(&file, placed(&checkout.configuration("sidecar.yaml").to_string(), &checkout.0)).unwrap();
    let mut envoy = Command::new(program());
    let output = envoy.args(["--mode", "validate", "--config-path"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// One more Envoy, whose bootstrap is like Istio's. It ends with this value.
struct Envoy {
    child: Child,
    admin: Endpoint,
    log: std::path::PathBuf,
}

impl Envoy {
    /// With the pod's own file as Istio's agent hands it over.
    fn start(checkout: &Checkout, own: &Value, listeners: Vec<Value>, clusters: Vec<Value>) -> Envoy {
        let folder = &checkout.0;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let discovered = |kind: &str, resources: Vec<Value>| {
            let resources = resources.into_iter().map(|mut resource| {
                resource["@type"] = format!("type.googleapis.com/envoy.config.{kind}").into();
                resource
            });
            json!({"version_info": "1", "resources": resources.collect::<Vec<_>>()})
        };
        let source = |name: &str| {
            let path = folder.join(name).display().to_string();
            json!({"resource_api_version": "V3", "path_config_source": {"path": path}})
        };
        let bootstrap = json!({
            "node": {"id": "router~127.0.0.1~gateway~local", "cluster": "gateway"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}},
            "bootstrap_extensions": [{"name": "envoy.bootstrap.internal_listener", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"}}],
            "dynamic_resources": {"cds_config": source("cds.json"), "lds_config": source("lds.json")},
            "layered_runtime": {"layers": [
                {"name": "global config", "static_layer": {}}, {"name": "admin", "admin_layer": {}}]},
            "stats_config": {"use_all_default_tags": false, "stats_tags": [
                {"tag_name": "response_code", "regex": "_rq(_(\\d{3}))$"}]},
            "static_resources": {"clusters": [{"name": "agent", "type": "STATIC", "connect_timeout": "0.25s",
                "load_assignment": {"cluster_name": "agent", "endpoints": [{"lb_endpoints": [{"endpoint": {
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]}}]},
        });
        files(folder);
        for (name, value) in [
            ("bootstrap.json", bootstrap),
            ("cds.json", discovered("cluster.v3.Cluster", clusters)),
            ("lds.json", discovered("listener.v3.Listener", listeners)),
        ] {
            fs::write(folder.join(name), placed(&value.to_string(), folder)).unwrap();
        }
        let log = folder.join("envoy.log");
        let mut envoy = Command::new(program());
        envoy.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]);
        envoy.arg("--config-path").arg(folder.join("bootstrap.json")).arg("--log-path").arg(&log);
        envoy.arg("--config-yaml").arg(placed(&own.to_string(), folder));
        let child = envoy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let envoy = Envoy { child, admin: Endpoint::from_url(&format!("http://127.0.0.1:{port}")), log };
        let open = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
        eventually("Envoy's admin interface", PATIENCE, open);
        envoy
    }

    fn get(&self, path: &str) -> String {
        self.admin.get(path).text()
    }

    fn stat(&self, name: &str) -> u64 {
        let found = self.get(&format!("/stats?filter=^{name}$"));
        found.trim().rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// How often clusters and listeners were refused.
    fn rejected(&self) -> (u64, u64) {
        (self.stat("cluster_manager.cds.update_rejected"), self.stat("listener_manager.lds.update_rejected"))
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Nothing better can be done about a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a pod of the gateway mounts.
fn files(folder: &Path) {
    let certificates = folder.join("deploy/kustomize/components/certificate-files");
    for (file, from) in [
        ("tls/tls.crt", "tls.crt"),
        ("tls/tls.key", "tls.key"),
        ("front-proxy/tls.crt", "tls.crt"),
        ("front-proxy/tls.key", "tls.key"),
        ("client-ca/ca.crt", "ca.crt"),
        ("kube-ca/ca.crt", "ca.crt"),
    ] {
        let file = folder.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(certificates.join(from), file).unwrap();
    }
    for (name, secret) in
        [("tls", "serving-certificate"), ("kube-token", "kube-token"), ("coder-token", "coder-token")]
    {
        let secret = fs::read_to_string(root().join(format!("envoy/{secret}.yaml"))).unwrap();
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("token"), "none").unwrap();
        fs::write(folder.join(name).join("secret.yaml"), placed(&secret, folder)).unwrap();
    }
    fs::create_dir_all(folder.join("module")).unwrap();
    let module = root().join("dist/coder_kube_filter.wasm");
    fs::copy(&module, folder.join("module/plugin.wasm")).expect("`cargo xtask build` has made the module");
}

/// A pod's places as a folder's, and any free port for its ports.
fn placed(text: &str, folder: &Path) -> String {
    let here = folder.display().to_string();
    let text = text.replace("/etc/coder-kube-filter", &here).replace("/run/coder-kube-filter", &here);
    let text = text.replace("/etc/ssl/certs/ca-certificates.crt", &format!("{here}/kube-ca/ca.crt"));
    let text = text.replace("/dev/stdout", &format!("{here}/access.log")).replace("0.0.0.0", "127.0.0.1");
    ["6443", "8443", "8444", "8081"].iter().fold(text, |text, port| {
        text.replace(
            &format!("\"address\":\"127.0.0.1\",\"port_value\":{port}"),
            "\"address\":\"127.0.0.1\",\"port_value\":0",
        )
    })
}

fn program() -> String {
    std::env::var("ENVOY_BIN").expect("ENVOY_BIN is not set")
}

fn parsed(file: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(root().join("deploy/istio").join(file)).unwrap()).unwrap()
}
