//! What the controllers meet: an Envoy whose Coder can be cut off, things in the cluster that they look after, and one more of them.

use e2e::{Balancer, Lab, Replica, balancer::Led, envoy::eventually, scratch::unique};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Controllers look around every half minute, and wait longer for what has failed before.
const SETTLED: Duration = Duration::from_secs(120);

/// An Envoy of the test's own behind kube-apiserver.
pub(crate) struct World<'lab> {
    // In the order in which they go: kube-apiserver is led away first.
    _led: Led<'lab>,
    _service: Balancer,
    _replica: Replica,
    /// The wire to Coder.
    pub(crate) coder: Balancer,
}

impl<'lab> World<'lab> {
    /// With Coder mapped to that namespace.
    pub(crate) fn new(lab: &'lab Lab, namespace: &str) -> World<'lab> {
        let address = lab.coder_url.trim_start_matches("http://");
        let coder = Balancer::before(&[address.to_owned()]);
        let port = address.rsplit(':').next().expect("a port");
        let (old, new) = (format!("port_value: {port} "), format!("port_value: {} ", coder.port()));
        let plane = format!("\"namespace\": \"{namespace}\",");
        let replica = Replica::start(lab, &[(&old, &new), ("\"namespace\": \"coder\",", &plane)]);
        let service = Balancer::before(&[replica.address()]);
        let led = Led::to(lab, &service, namespace);
        World { _led: led, _service: service, _replica: replica, coder }
    }
}

/// A ConfigMap in the mapped namespace with that owner; returns its path.
pub(crate) fn config_map(lab: &Lab, kind: &str, owner: &str, uid: &str) -> String {
    let version = if kind == "ConfigMap" { "v1" } else { "aggregation.coder.com/v1alpha1" };
    let reference = json!({"apiVersion": version, "kind": kind, "name": owner, "uid": uid});
    let name = unique();
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": lab.namespace, "ownerReferences": [reference]}});
    lab.kubectl_direct().input(manifest.to_string()).run("create -f -").ok();
    format!("/api/v1/namespaces/{}/configmaps/{name}", lab.namespace)
}

/// Waits until the garbage collector has been there.
#[track_caller]
pub(crate) fn collected(lab: &Lab, path: &str, why: &str) {
    gone(lab, path, why);
}

/// Waits until something of the cluster's is not there any more.
#[track_caller]
pub(crate) fn gone(lab: &Lab, path: &str, why: &str) {
    let direct = lab.direct();
    eventually(&format!("{path} goes: {why}"), SETTLED, || (direct.get(path).status() == 404).then_some(()));
}

/// Waits until a namespace's quota says how many ConfigMaps there are.
#[track_caller]
pub(crate) fn quota_used(lab: &Lab, namespace: &str, expect: &str, why: &str) {
    let path = format!("/api/v1/namespaces/{namespace}/resourcequotas/all");
    eventually(&format!("{expect} ConfigMaps are counted: {why}"), SETTLED, || {
        let quota: Value = lab.direct().get(&path).json();
        (quota["status"]["used"]["count/configmaps"] == expect).then_some(())
    });
}

/// A kube-controller-manager that has just been started, in place of the lab's own, which sleeps meanwhile.
pub(crate) struct Fresh {
    child: Child,
    log: PathBuf,
    asleep: String,
}

impl Fresh {
    /// Starts it as the lab has started its own.
    pub(crate) fn start(lab: &Lab) -> Fresh {
        let pids = std::env::var("LAB_PIDS").expect("LAB_PIDS");
        let pid = pids.split(' ').find_map(|pid| pid.strip_prefix("kube-controller-manager:"));
        let pid = pid.expect("a kube-controller-manager in LAB_PIDS").to_owned();
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("a command line");
        let mut words = line.trim_end_matches('\0').split('\0');
        let log = std::env::temp_dir().join(format!("{}.log", unique()));
        let out = fs::File::create(&log).expect("a log");
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words.filter(|word| !word.starts_with("--secure-port="))).arg("--secure-port=0");
        command.env("KUBECONFIG", &lab.kubeconfig_direct).stdin(Stdio::null());
        command.stdout(out.try_clone().expect("a log")).stderr(out);
        signal("STOP", &pid);
        let child = command.spawn().expect("kube-controller-manager can be started");
        Fresh { child, log, asleep: pid }
    }

    /// Where it writes.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // Nothing better can be done about a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
        signal("CONT", &self.asleep);
        if !std::thread::panicking() {
            drop(fs::remove_file(&self.log));
        }
    }
}

fn signal(name: &str, pid: &str) {
    drop(Command::new("kill").args([&format!("-{name}"), pid]).status());
}
