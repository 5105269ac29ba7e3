//! What `lab up` puts into Coder, by name, and a reader of Coder itself to compare with.

use crate::{Lab, Request};
use serde_json::Value;
use std::{collections::BTreeMap, io::Read};

/// The only organization.
pub const ORGANIZATION: &str = "coder";

/// Alice's workspace on template `plain`, without agents.
pub const WS0: &str = "coder.alice.ws0";

/// Alice's workspace on template `dev`, with the agent `example`.
pub const WS1: &str = "coder.alice.ws1";

/// Workspaces that run, of both users.
pub const RUNNING: [&str; 6] = [
    "coder.alice.ws0",
    "coder.alice.ws1",
    "coder.alice.ws2",
    "coder.bob.ws0",
    "coder.bob.ws1",
    "coder.bob.ws2",
];

/// The workspace whose build fails with `failed!`.
pub const BAD: &str = "coder.bob.bad";

/// Templates that are not deprecated.
pub const TEMPLATES: [&str; 4] = ["coder.broken", "coder.dev", "coder.params", "coder.plain"];

/// A GET of Coder's REST API itself, below `/api/v2`.
///
/// # Panics
/// When it does not answer 200 with JSON.
#[track_caller]
pub fn coder_get(lab: &Lab, path: &str) -> Value {
    let response = lab.coder().send(&Request::get(&format!("/api/v2{path}")));
    assert_eq!(response.status(), 200, "{path}: {}", response.excerpt());
    response.json()
}

/// A change past our API, below `/api/v2` of Coder.
///
/// # Panics
/// When Coder refuses it.
#[track_caller]
pub fn coder_change(lab: &Lab, method: &str, path: &str, body: &Value) {
    let response = lab.coder().send(&Request::new(method, &format!("/api/v2{path}")).json(body));
    assert!(response.status() < 300, "{method} {path}: {}", response.excerpt());
}

/// One workspace as Coder shows it.
///
/// # Panics
/// As [`coder_get`].
#[track_caller]
pub fn coder_workspace(lab: &Lab, name: &str) -> Value {
    let mut parts = name.split('.').skip(1);
    let (user, workspace) = (parts.next().expect("a user"), parts.next().expect("a workspace"));
    coder_get(lab, &format!("/users/{user}/workspace/{workspace}"))
}

/// The files of a template version as Coder keeps them, by path.
///
/// # Panics
/// As [`coder_get`], and when the archive cannot be read.
#[track_caller]
pub fn version_files(lab: &Lab, version: &Value) -> BTreeMap<String, Vec<u8>> {
    let version = coder_get(lab, &format!("/templateversions/{}", version.as_str().expect("an id")));
    let file = version["job"]["file_id"].as_str().expect("a file");
    let archive = lab.coder().get(&format!("/api/v2/files/{file}"));
    assert_eq!(archive.status(), 200, "{}", archive.excerpt());
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(&*archive.body).entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        if entry.header().entry_type().is_file() {
            let path = entry.path().expect("a path").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("its content");
            files.insert(path, content);
        }
    }
    files
}

/// All workspaces as Coder lists them.
///
/// # Panics
/// As [`coder_get`].
#[track_caller]
pub fn coder_workspaces(lab: &Lab) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let page = coder_get(lab, &format!("/workspaces?limit=500&offset={}", all.len()));
        let items = page["workspaces"].as_array().cloned().unwrap_or_default();
        all.extend(items);
        if all.len() as u64 >= page["count"].as_u64().unwrap_or_default() {
            return all;
        }
    }
}

/// The Kubernetes name of a workspace that Coder shows.
///
/// # Panics
/// When it has no names.
pub fn workspace_name(workspace: &Value) -> String {
    let part = |key: &str| workspace[key].as_str().expect("a name").to_lowercase();
    format!("{}.{}.{}", part("organization_name"), part("owner_name"), part("name"))
}
