//! The files by which people deploy: kustomize renders every overlay, kube-apiserver accepts every object, Envoy what Istio hands it, and the demo's
//! script runs as far as no node is needed. With the stand-in, which knows no Deployments, only what can be said by looking.

mod checkout;
mod demo;
mod istio;
mod kubelet;
mod pages;

use checkout::{Checkout, OVERLAYS, find};
use e2e::{Lab, scratch::unique};
use serde_json::{Value, json};

/// What server-side dry-run has to say about objects that are sent to it.
#[track_caller]
fn accepted(lab: &Lab, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let kubectl = lab.kubectl_direct().input(list.to_string());
    // Under a name of its own: what the lab has applied in its way must not be taken over.
    let output = kubectl.run(
        "apply --server-side --force-conflicts --field-manager=e2e --dry-run=server --validate=strict -f -",
    );
    assert_eq!((output.lines().len(), &*output.stderr), (objects.len(), ""));
}

#[test]
fn kube_apiserver_accepts_every_overlay() {
    let Some(lab) = Lab::shared() else { return };
    let checkout = Checkout::new();
    for overlay in OVERLAYS {
        let mut objects = checkout.render(&lab, overlay);
        assert!(objects.len() > 10, "{overlay}");
        // cert-manager's own kinds are known where it is installed; Istio's have a test of their own.
        let foreign = ["cert-manager.io/", "networking.istio.io/"];
        objects.retain(|object| {
            !foreign.iter().any(|group| object["apiVersion"].as_str().unwrap().starts_with(group))
        });
        // Where the lab stands behind an APIService, it has a Service of its own under that name, which leads elsewhere.
        for service in objects.iter_mut().filter(|object| object["kind"] == "Service") {
            service["metadata"]["name"] = unique().into();
        }
        if lab.is_real("what kube-apiserver says of them") {
            // Made before, as the pages say: a dry run leaves nothing behind in which the others could be. It stays, for it may be there already.
            let namespace = find(&objects, "Namespace")["metadata"]["name"].as_str().unwrap();
            lab.kubectl_direct().run(&format!("create namespace {namespace}"));
            accepted(&lab, &objects);
        }
    }
}

/// Not only judged but kept: in a namespace of its own, under the strictest pod security standard, and with a module as large as one may be.
#[test]
fn everything_can_be_applied() {
    let Some(lab) = Lab::writing() else { return };
    if !lab.is_real("what kube-apiserver says of them") {
        return;
    }
    let (name, kubectl) = (unique(), lab.kubectl_direct());
    let mut objects = Checkout::new().render(&lab, "kustomize/overlays/high-availability");
    objects.retain(|object| {
        object["metadata"]["namespace"] == "coder-kube-filter" || object["kind"] == "Namespace"
    });
    for object in &mut objects {
        let metadata = &mut object["metadata"];
        let field = if metadata["namespace"].is_string() { "namespace" } else { "name" };
        metadata[field] = name.clone().into();
    }
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": name},
        "spec": find(&objects, "Deployment")["spec"]["template"]["spec"],
    });
    objects.push(pod);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let output = kubectl.clone().input(list).run("apply --server-side --validate=strict -f -");
    assert_eq!((output.lines().len(), &*output.stderr), (objects.len(), ""));
    let kept = kubectl
        .run(&format!("-n {name} get deployments,poddisruptionbudgets,horizontalpodautoscalers -o name"));
    assert_eq!(kept.lines().len(), 3);
    let deleted = format!(
        "-n {name} delete pod,deploy,pdb,hpa,netpol,service,cm,secret,lease,role,rolebinding,sa --all"
    );
    kubectl.run(&format!("{deleted} --wait=false")).ok();
    kubectl.run(&format!("delete namespace {name} --wait=false")).ok();
}

#[test]
fn overlays_are_what_they_say() {
    let Some(lab) = Lab::shared() else { return };
    let checkout = Checkout::new();
    for overlay in OVERLAYS {
        let objects = checkout.render(&lab, overlay);
        let cluster_wide = objects.iter().any(|object| {
            object["kind"] == "ClusterRoleBinding" && object["metadata"]["name"] == "coder-kube-filter"
        });
        assert!(!may(&objects, "secrets"), "{overlay}: Secrets of every namespace can be read");
        assert!(may(&objects, "subjectaccessreviews") == cluster_wide, "{overlay}");
        let service = objects.iter().find(|object| object["kind"] == "APIService");
        let name = overlay.rsplit('/').next().unwrap();
        let behind = !["gateway", "sidecar", "front"].contains(&name);
        assert_eq!((cluster_wide, service.is_some()), (behind, behind), "{overlay}");
        if let Some(service) = service {
            let annotated = service["metadata"]["annotations"]["cert-manager.io/inject-ca-from"].is_string();
            assert_eq!(service["spec"]["caBundle"].is_string(), !annotated, "{overlay}");
            assert!(service["spec"]["insecureSkipTLSVerify"].is_null(), "{overlay}");
        }
        let replicas = &find(&objects, "Deployment")["spec"]["replicas"];
        let scaled = objects.iter().any(|object| object["kind"] == "HorizontalPodAutoscaler");
        assert_eq!(scaled, ["cert-manager", "gateway", "high-availability"].contains(&name), "{overlay}");
        assert!(replicas.is_null() || !scaled, "{overlay}: an apply would undo what the autoscaler does");
        assert!(
            objects.iter().all(|object| object["kind"] != "Secret" || name != "cert-manager"),
            "{overlay}"
        );
    }
}

/// Every file that Envoy's configuration names is in the pod, and every port that it listens on is the container's.
#[test]
fn pods_have_what_envoy_reads() {
    let Some(lab) = Lab::shared() else { return };
    let checkout = Checkout::new();
    for overlay in OVERLAYS {
        let objects = checkout.render(&lab, overlay);
        let pod = &find(&objects, "Deployment")["spec"]["template"]["spec"];
        let container = checkout::envoy(pod);
        let mut arguments = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let file = arguments.find(|argument| *argument == "--config-path").and_then(|_| arguments.next());
        let configuration = match file {
            Some(file) => {
                assert!(checkout::mounted(pod, file, &objects), "{overlay}: {file}");
                checkout.configuration(file.rsplit('/').next().unwrap())
            }
            // Istio delivers it.
            None => find(&objects, "EnvoyFilter").clone(),
        };
        let paths = checkout::paths(&configuration);
        assert!(paths.len() > 3, "{overlay}: {paths:?}");
        for path in paths {
            assert!(checkout::mounted(pod, &path, &objects), "{overlay}: nothing brings {path}");
        }
    }
}

/// Whether a ClusterRole that is bound in the whole cluster names this resource, or all.
fn may(objects: &[Value], resource: &str) -> bool {
    let bindings = objects.iter().filter(|object| object["kind"] == "ClusterRoleBinding");
    let mut rules = bindings.flat_map(|binding| {
        let bound = |role: &&Value| {
            role["kind"] == "ClusterRole" && role["metadata"]["name"] == binding["roleRef"]["name"]
        };
        let role = objects.iter().find(bound).expect("a binding names a ClusterRole that is there");
        role["rules"].as_array().unwrap()
    });
    rules.any(|rule| {
        rule["resources"].as_array().unwrap().iter().any(|named| named == resource || named == "*")
    })
}
