//! What kubelet does with a pod, as far as Envoy notices: its volumes are made out of the objects that they name, the container's own command runs on them,
//! and its probe is asked. No isolation: paths are led into a folder, and addresses to the lab, as those who deploy change them.

use crate::{checkout, checkout::Checkout, find};
use base64::{Engine, prelude::BASE64_STANDARD};
use e2e::{Endpoint, Http1, Lab, Request, envoy::eventually};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(90);
const PLACES: [&str; 2] = ["/etc/coder-kube-filter", "/run/coder-kube-filter"];

/// Envoy in a pod that is ready. It ends with this value.
struct Pod {
    child: Child,
    /// Where each port of the configuration is.
    ports: BTreeMap<u16, u16>,
    ca: Vec<u8>,
}

impl Pod {
    fn run(lab: &Lab, checkout: &Checkout, objects: &[Value]) -> Pod {
        let pod = &find(objects, "Deployment")["spec"]["template"]["spec"];
        let container = checkout::envoy(pod);
        let root = checkout.0.join("pod");
        let mut ports = BTreeMap::new();
        for mount in container["volumeMounts"].as_array().unwrap() {
            let folder = inside(&root, mount["mountPath"].as_str().unwrap());
            fs::create_dir_all(&folder).unwrap();
            let mut volumes = pod["volumes"].as_array().unwrap().iter();
            let volume = volumes.find(|volume| volume["name"] == mount["name"]).unwrap();
            let account = pod["serviceAccountName"].as_str().unwrap();
            let mut made = Vec::new();
            for (name, content) in files(lab, volume, objects, account) {
                let content = match String::from_utf8(content) {
                    Ok(text) if name.ends_with(".yaml") => placed(lab, &text, &root, &mut ports).into_bytes(),
                    Ok(text) => text.into_bytes(),
                    // The one that is no text is the module: here the real one.
                    Err(_) => fs::read(checkout::root().join("dist/coder_kube_filter.wasm")).unwrap(),
                };
                made.push((name, content));
            }
            if !made.is_empty() {
                swap(&folder, &made);
            }
        }
        let arguments =
            container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
        let arguments = arguments.map(|argument| led(argument, &root)).collect::<Vec<_>>();
        let log = fs::File::create(checkout.0.join("pod.log")).unwrap();
        let mut envoy = Command::new(std::env::var("ENVOY_BIN").expect("ENVOY_BIN is not set"));
        envoy.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let secret = |object: &&Value| {
            object["kind"] == "Secret" && object["metadata"]["name"] == "coder-kube-filter-tls"
        };
        let ca = content(objects.iter().find(secret).unwrap())["ca.crt"].clone();
        let running = Pod { child: envoy.spawn().unwrap(), ports, ca };
        running.wait(container, &checkout.0.join("pod.log"));
        running
    }

    /// Until the container's own probe says so.
    fn wait(&self, container: &Value, log: &Path) {
        let probe = ["readinessProbe", "startupProbe"].into_iter().map(|probe| &container[probe]["httpGet"]);
        let probe = probe.into_iter().find(|probe| probe.is_object()).unwrap();
        let mut ports = container["ports"].as_array().unwrap().iter();
        let port =
            ports.find(|port| port["name"] == probe["port"]).unwrap()["containerPort"].as_u64().unwrap();
        let port = u16::try_from(port).unwrap();
        let endpoint = match probe["scheme"].as_str() {
            Some("HTTPS") => self.secure(port, "coder-kube-filter.coder-kube-filter.svc"),
            _ => Endpoint::from_url(&format!("http://127.0.0.1:{}", self.ports[&port])),
        };
        let path = text(&probe["path"]);
        let begun = Instant::now();
        while !endpoint.try_send(&Request::get(&path)).is_ok_and(|answer| answer.status() == 200) {
            let said = || fs::read_to_string(log).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "{path} on {port} is not 200: {}", said());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// A listener, by the port that the configuration gives it and the name in its certificate.
    fn secure(&self, port: u16, name: &str) -> Endpoint {
        let url = format!("https://127.0.0.1:{}", self.ports[&port]);
        Endpoint::from_url(&url).with_ca(&self.ca).with_server_name(name)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // Nothing better can be done about a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A list of what is there.
#[track_caller]
fn serves(endpoint: &Endpoint, path: &str) {
    let list = endpoint.get(path);
    assert_eq!(list.status(), 200, "{path}: {}", list.excerpt());
    assert!(!list.json()["items"].as_array().unwrap().is_empty(), "{path}");
}

#[test]
fn the_pod_behind_an_api_service_becomes_ready_and_serves() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.aggregated_only() {
        return;
    }
    let checkout = Checkout::new();
    let pod = Pod::run(&lab, &checkout, &checkout.render(&lab, "kustomize/overlays/aggregated"));
    let direct = pod.secure(8443, "coder-kube-filter.coder-kube-filter.svc");
    serves(&direct.with_token(&lab.admin_token), &lab.path("coderworkspaces"));
}

#[test]
fn the_sidecar_becomes_ready_and_serves() {
    let Some(lab) = Lab::shared() else { return };
    let checkout = Checkout::new();
    let pod = Pod::run(&lab, &checkout, &checkout.render(&lab, "kustomize/overlays/sidecar"));
    let kubernetes = pod.secure(6443, "localhost").with_token(&lab.admin_token);
    for path in [lab.path("coderworkspaces"), "/api/v1/namespaces".to_owned()] {
        serves(&kubernetes, &path);
    }
}

/// With the Secrets that the page of the gateway asks for, made as it says.
#[test]
fn the_gateway_becomes_ready_and_serves() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("the front-proxy certificate's CA") {
        return;
    }
    let checkout = Checkout::new();
    let mut objects = checkout.render(&lab, "kustomize/overlays/gateway");
    let certificates = checkout.0.join("deploy/kustomize/components/certificate-files");
    let variable =
        |name: &str| PathBuf::from(std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set")));
    let secret = |name: &str, files: &[(&str, PathBuf)]| {
        let data = files
            .iter()
            .map(|(key, path)| ((*key).to_owned(), BASE64_STANDARD.encode(fs::read(path).unwrap())));
        let data: BTreeMap<String, String> = data.collect();
        json!({"kind": "Secret", "metadata": {"name": name}, "data": data})
    };
    let tls = ["tls.crt", "tls.key", "ca.crt"].map(|file| (file, certificates.join(file)));
    let proxy = [("tls.crt", variable("FRONT_PROXY_CERT")), ("tls.key", variable("FRONT_PROXY_KEY"))];
    let published =
        "-n kube-system get configmap extension-apiserver-authentication -o jsonpath={.data.client-ca-file}";
    let clients = lab.kubectl_direct().run(published).ok().to_owned();
    objects.push(secret("coder-kube-filter-tls", &tls));
    objects.push(secret("coder-kube-filter-front-proxy", &proxy));
    let name = json!({"name": "coder-kube-filter-client-ca"});
    objects.push(json!({"kind": "ConfigMap", "metadata": name, "data": {"ca.crt": clients}}));
    let pod = Pod::run(&lab, &checkout, &objects);
    let front = pod.secure(6443, "coder-kube-filter.coder-kube-filter.svc");
    serves(&front.with_token(&lab.admin_token), &lab.path("coderworkspaces"));
}

/// Renewed as somebody does it who deploys: the script, the Secret, kubelet.
#[test]
fn a_new_serving_certificate_is_taken_and_connections_stay() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.aggregated_only() {
        return;
    }
    let checkout = Checkout::new();
    let objects = checkout.render(&lab, "kustomize/overlays/aggregated");
    let pod = Pod::run(&lab, &checkout, &objects);
    let name = "coder-kube-filter.coder-kube-filter.svc";
    let mut open = Http1::connect(&pod.secure(8443, name)).unwrap();
    let request = Request::get("/readyz");
    let mut asked = || {
        open.send(&request).unwrap();
        open.read_response("GET").unwrap().status()
    };
    assert_eq!(asked(), 200);

    checkout.run(Command::new("deploy/certificate.sh"));
    let renewed = content(find(&checkout.render(&lab, "kustomize/overlays/aggregated"), "Secret"));
    let (new, both) = (&renewed["ca.crt"], String::from_utf8(renewed["ca.crt"].clone()).unwrap());
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2, "the CA before is believed, too");
    let first = both.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap().as_bytes();
    let believing = |ca: &[u8]| {
        let endpoint = Endpoint::from_url(&format!("https://127.0.0.1:{}", pod.ports[&8443]));
        endpoint
            .with_ca(ca)
            .with_server_name(name)
            .try_send(&request)
            .is_ok_and(|answer| answer.status() == 200)
    };
    assert!(believing(new) && !believing(first), "still the certificate of the CA before");

    let folder = inside(&checkout.0.join("pod"), "/etc/coder-kube-filter/tls");
    let kept = fs::read(folder.join("secret.yaml")).unwrap();
    let file = |name: &str| (name.to_owned(), renewed[name].clone());
    swap(&folder, &[file("tls.crt"), file("tls.key"), ("secret.yaml".to_owned(), kept)]);
    eventually("the new certificate", PATIENCE, || believing(first).then_some(()));
    assert_eq!(asked(), 200, "the connection from before");
}

/// A volume's files all at once, as kubelet does it: a new folder, and the link to it renamed over the old one.
fn swap(folder: &Path, files: &[(String, Vec<u8>)]) {
    let generation = format!("..{}", e2e::scratch::unique());
    fs::create_dir(folder.join(&generation)).unwrap();
    for (name, content) in files {
        fs::write(folder.join(&generation).join(name), content).unwrap();
        if fs::symlink_metadata(folder.join(name)).is_err() {
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
    }
    symlink(&generation, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

/// The files of a volume.
fn files(lab: &Lab, volume: &Value, objects: &[Value], account: &str) -> Vec<(String, Vec<u8>)> {
    let whole = [volume.clone()];
    let sources = volume["projected"]["sources"].as_array().map_or(&whole[..], Vec::as_slice);
    let files = sources.iter().flat_map(|source| {
        if source["serviceAccountToken"].is_object() {
            let token = lab.kubectl_direct().run(&format!("-n coder-kube-filter create token {account}"));
            // Where there are no service accounts, nobody asks for the token.
            return vec![("token".to_owned(), token.stdout.trim().as_bytes().to_vec())];
        }
        let (kind, from) = match source["configMap"].is_object() {
            true => ("ConfigMap", &source["configMap"]),
            false => ("Secret", &source["secret"]),
        };
        let name = if from["name"].is_string() { &from["name"] } else { &from["secretName"] };
        let held = match name.as_str() {
            None => return Vec::new(), // an empty folder
            Some("kube-root-ca.crt") => BTreeMap::from([("ca.crt".to_owned(), authority(lab))]),
            Some("coder-token") => {
                BTreeMap::from([("token".to_owned(), lab.coder_token.clone().into_bytes())])
            }
            Some(_) => {
                let named = |object: &&Value| object["kind"] == kind && &object["metadata"]["name"] == name;
                content(objects.iter().find(named).unwrap_or_else(|| panic!("there is no {kind} {name}")))
            }
        };
        match from["items"].as_array() {
            None => held.into_iter().collect(),
            Some(items) => items
                .iter()
                .map(|item| (text(&item["path"]), held[item["key"].as_str().unwrap()].clone()))
                .collect(),
        }
    });
    files.collect()
}

/// What a ConfigMap or a Secret holds.
fn content(object: &Value) -> BTreeMap<String, Vec<u8>> {
    let fields = |name: &str| object[name].as_object().cloned().unwrap_or_default();
    let encoded = |value: &Value| BASE64_STANDARD.decode(text(value).replace(['\n', ' '], "")).unwrap();
    let secret = object["kind"] == "Secret";
    let plain = fields("data").into_iter();
    let plain = plain.map(|(key, value)| {
        let value = if secret { encoded(&value) } else { text(&value).into_bytes() };
        (key, value)
    });
    let binary = fields("binaryData").into_iter().map(|(key, value)| (key, encoded(&value)));
    plain.chain(binary).collect()
}

/// Who signed kube-apiserver's certificate.
fn authority(lab: &Lab) -> Vec<u8> {
    let config = lab.kubectl_direct().run("config view --raw --minify --flatten -o json").json();
    BASE64_STANDARD.decode(text(&config["clusters"][0]["cluster"]["certificate-authority-data"])).unwrap()
}

/// A configuration as somebody in the lab's place changes it.
fn placed(lab: &Lab, configuration: &str, root: &Path, ports: &mut BTreeMap<u16, u16>) -> String {
    let host =
        |url: &str| url.rsplit('/').next().and_then(|host| host.rsplit_once(':')).unwrap().1.to_owned();
    let config = lab.kubectl_direct().run("config view --minify -o json").json();
    let kube = host(&text(&config["clusters"][0]["cluster"]["server"]));
    let local = |port: &str| format!("address: 127.0.0.1, port_value: {port}");
    let mut text = led(configuration, root).replace("/dev/stdout", "/dev/null");
    text = text.replace("address: kubernetes.default.svc, port_value: 443", &local(&kube));
    text =
        text.replace("address: coder.coder.svc.cluster.local, port_value: 80", &local(&host(&lab.coder_url)));
    for port in [6443_u16, 8081, 8443, 8444] {
        for public in ["0.0.0.0", "127.0.0.1"] {
            let shipped = format!("address: {public}, port_value: {port} }}");
            if text.contains(&shipped) {
                // One pod: what several files call by one number is one port.
                let free = ports.entry(port).or_insert_with(|| {
                    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
                });
                text = text.replace(&shipped, &format!("{} }}", local(&free.to_string())));
            }
        }
    }
    text
}

/// A pod's paths, in a folder.
fn led(text: &str, root: &Path) -> String {
    PLACES
        .iter()
        .fold(text.to_owned(), |text, place| text.replace(place, &inside(root, place).display().to_string()))
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
