//! The demo in a kind cluster, as far as a machine without Docker can: every step that applies something, judged by kube-apiserver.

use crate::checkout::Checkout;
use e2e::Lab;
use std::process::Command;

#[test]
fn the_script_applies_what_the_server_accepts() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("what kube-apiserver says of them")
        || !lab.front_only("the lab's own Service is in the way")
    {
        return;
    }
    let checkout = Checkout::new();
    let mut script = Command::new("kind-cluster/demo.sh");
    script.arg("apply").env("DRY_RUN", "server");
    script.env("KUBECONFIG", &lab.kubeconfig_direct).env("KUBECTL", &lab.kubectl_path);
    let said = checkout.run(script);
    for object in [
        "deployment.apps/coder ",
        "deployment.apps/postgres ",
        "deployment.apps/coder-kube-filter ",
        "apiservice.apiregistration.k8s.io/v1alpha1.aggregation.coder.com ",
    ] {
        assert!(said.contains(&format!("{object}serverside-applied (server dry run)")), "{object}: {said}");
    }
}

#[test]
fn the_demo_runs_its_own_copy_of_the_configuration() {
    let Some(lab) = Lab::shared() else { return };
    let checkout = Checkout::new();
    let made = checkout.0.join("kind-cluster/made/aggregated.yaml");
    std::fs::create_dir_all(made.parent().unwrap()).unwrap();
    std::fs::write(&made, "a copy\n").unwrap();
    let folder = checkout.0.join("kind-cluster");
    let objects = crate::checkout::objects(
        lab.kubectl_direct().run_args(&["kustomize", &folder.to_string_lossy()]).ok(),
    );
    assert_eq!(crate::find(&objects, "Deployment")["spec"]["replicas"], 2);
    let map = objects.iter().find(|object| object["data"]["aggregated.yaml"].is_string()).unwrap();
    assert_eq!(map["data"]["aggregated.yaml"], "a copy\n");
    // The others of the same ConfigMap stay.
    assert!(map["data"]["front.yaml"].is_string());
}

/// The objects of the demo are ours to judge.
#[test]
fn the_example_is_what_we_accept() {
    let Some(lab) = Lab::writing() else { return };
    let template =
        std::fs::read_to_string(crate::checkout::root().join("kind-cluster/template.yaml")).unwrap();
    let output =
        lab.kubectl().input(template).run("apply --server-side --dry-run=server --validate=strict -f -");
    assert_eq!(
        output.ok().trim(),
        "codertemplate.aggregation.coder.com/coder.example serverside-applied (server dry run)"
    );
}
