//! The official Python client, as the admin by token and by certificate: `tests/e2e/python/clients.py` says what it does.

use e2e::{Lab, Scratch};
use std::{path::Path, process::Command};

#[test]
fn it_creates_changes_watches_and_deletes() {
    let Some(lab) = Lab::writing() else { return };
    let Some(python) = &lab.python else {
        let required = std::env::var("E2E_REQUIRED").is_ok_and(|value| value == "1");
        assert!(!required, "PYTHON_KUBERNETES is not set");
        return e2e::skip("PYTHON_KUBERNETES names no Python that has the package kubernetes");
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/clients.py");
    for context in ["admin", "cert"] {
        let scratch = Scratch::new(&lab);
        let output = Command::new(python)
            // Nothing is written into the checkout.
            .arg("-B")
            .arg(&script)
            .env("KUBECONFIG", &lab.kubeconfig)
            .env("CONTEXT", context)
            .env("NS", &lab.namespace)
            .env("OWNER", &scratch.user)
            .output()
            .unwrap_or_else(|e| panic!("{}: {e}", python.display()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{context}: {said}{}", String::from_utf8_lossy(&output.stdout));
    }
}
