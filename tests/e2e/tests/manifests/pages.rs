//! The overlays that pages give people to copy: each is rendered as it stands there, and the second Coder's token is its own.

use crate::checkout::{Checkout, mounted, objects, root};
use crate::find;
use e2e::Lab;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Renders the overlay of a page, beside which its reader has put these files.
fn render(lab: &Lab, checkout: &Checkout, page: &str, own: &[(&str, &str)]) -> Vec<Value> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let mut blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let overlay = blocks.find(|block| block.contains("kind: Kustomization\n")).expect("the page has one");
    let folder = checkout.0.join(Path::new(page).parent().unwrap());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("kustomization.yaml"), overlay.replace("sha256:…", &format!("sha256:{:064}", 0)))
        .unwrap();
    for (name, content) in own {
        assert!(overlay.contains(name), "{page}: nobody asks for {name}");
        fs::write(folder.join(name), content).unwrap();
    }
    let output = lab.kubectl_direct().run_args(&["kustomize", &folder.to_string_lossy()]);
    assert_eq!(output.stderr, "", "{page}: warnings");
    objects(output.ok())
}

#[test]
fn a_second_coder_is_sent_its_own_token() {
    let Some(lab) = Lab::shared() else { return };
    let checkout = Checkout::new();
    let first = fs::read_to_string(checkout.0.join("envoy/coder-token.yaml")).unwrap();
    let own = first.replace("/coder-token/token", "/research-token/token");
    assert_ne!(own, first);
    let files = [("aggregated.yaml", "mine: true\n"), ("research-token.yaml", own.as_str())];
    let all = render(&lab, &checkout, "docs/control-planes.md", &files);
    let pod = &find(&all, "Deployment")["spec"]["template"]["spec"];
    for file in
        ["coder-token/token", "coder-token/secret.yaml", "research-token/token", "research-token/secret.yaml"]
    {
        assert!(mounted(pod, &format!("/etc/coder-kube-filter/{file}"), &all), "nothing brings {file}");
    }
    let volumes = pod["volumes"].as_array().unwrap();
    let research = volumes.iter().find(|volume| volume["name"] == "research-token").unwrap();
    let [secret, config] = research["projected"]["sources"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(secret["secret"]["name"], "research-token");
    let map = all.iter().find(|object| object["metadata"]["name"] == config["configMap"]["name"]).unwrap();
    let key = config["configMap"]["items"][0]["key"].as_str().unwrap();
    assert_eq!(map["data"][key], own.as_str());
    assert_eq!(map["data"]["coder-token.yaml"], first.as_str(), "the first one's stays");
}

#[test]
fn overlays_of_ones_own_are_rendered() {
    let Some(lab) = Lab::shared() else { return };
    let files = [
        ("docs/deploy/kubernetes.md", "aggregated.yaml", "aggregated.yaml"),
        ("docs/deploy/gateway.md", "sidecar.yaml", "front.yaml"),
    ];
    for (page, file, key) in files {
        let all = render(&lab, &Checkout::new(), page, &[(file, "mine: true\n")]);
        let map = all.iter().find(|object| object["data"]["aggregated.yaml"].is_string()).unwrap();
        assert_eq!(map["data"][key], "mine: true\n", "{page}");
        let policy = find(&all, "NetworkPolicy");
        let ports = policy["spec"]["egress"].as_array().unwrap().iter().map(|rule| &rule["ports"][0]["port"]);
        assert_eq!(ports.clone().any(|port| *port == 3000), page.contains("kubernetes"), "{page}");
    }
}

/// The example of a sidecar can stand in a cluster beside everything else.
#[test]
fn the_sidecar_touches_nobody_elses_objects() {
    let Some(lab) = Lab::shared() else { return };
    let checkout = Checkout::new();
    let names = |overlay: &str| {
        let all = checkout.render(&lab, overlay);
        let name = |object: &Value| {
            ["/kind", "/metadata/namespace", "/metadata/name"].map(|field| object.pointer(field).cloned())
        };
        all.iter().map(name).collect::<Vec<_>>()
    };
    let others = names("kustomize/overlays/high-availability");
    let own = names("kustomize/overlays/sidecar");
    let shared: Vec<_> = own.iter().filter(|name| others.contains(name)).collect();
    assert!(shared.is_empty(), "{shared:?}");
}
