//! A place for one test's own objects: a fresh Coder user, a Kubernetes caller of its own, templates with unique names.
//! All of it is removed from Coder, past our API, when the test ends, whatever its outcome.

use crate::{Endpoint, Kubectl, Lab, Request, Response, api::Api, calls::Calls, seed};
use echo_archive::Archive;
use serde_json::{Value, json};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Longer than any build or import takes; what hangs is cancelled before.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub struct Scratch<'lab> {
    lab: &'lab Lab,
    /// Unique in every run: the Coder user's name and the Kubernetes caller's.
    pub user: String,
    user_id: String,
    templates: Mutex<Vec<String>>,
}

impl<'lab> Scratch<'lab> {
    /// Creates the user.
    ///
    /// # Panics
    /// When Coder refuses.
    pub fn new(lab: &'lab Lab) -> Scratch<'lab> {
        let user = unique();
        let organization = seed::coder_get(lab, &format!("/organizations/{}", seed::ORGANIZATION));
        let body = json!({
            "username": user,
            "email": format!("{user}@example.com"),
            "password": "Scr4tch-p4ssword!",
            "login_type": "password",
            "organization_ids": [organization["id"]],
        });
        let created = made(lab.coder().send(&Request::post("/api/v2/users", &body)));
        Scratch { lab, user, user_id: text(&created["id"]), templates: Mutex::default() }
    }

    /// The caller's headers: who may do everything in Kubernetes, under a name that no other test has.
    pub fn front(&self) -> Endpoint {
        self.acting(self.lab.front())
    }

    /// An endpoint of the admin's, acting as this test's caller.
    pub fn acting(&self, endpoint: Endpoint) -> Endpoint {
        endpoint.acting_as(&self.user, &["system:masters"])
    }

    /// kubectl as this test's caller.
    pub fn kubectl(&self) -> Kubectl {
        self.lab.kubectl().option(&format!("--as={}", self.user)).option("--as-group=system:masters")
    }

    /// Workspaces as this test's caller.
    pub fn workspaces(&self) -> Api {
        Api::new(self.lab, self.front(), "coderworkspaces")
    }

    /// Templates as this test's caller.
    pub fn templates(&self) -> Api {
        Api::new(self.lab, self.front(), "codertemplates")
    }

    /// Calls to Coder made for this test's caller from now on; `None` with real parts.
    pub fn calls(&self) -> Option<Calls> {
        Calls::of(self.lab, &self.user)
    }

    /// The Kubernetes name of a workspace of this test's user.
    pub fn name(&self, workspace: &str) -> String {
        format!("{}.{}.{workspace}", seed::ORGANIZATION, self.user)
    }

    /// The Kubernetes name of a template that this test will make; removed at the end.
    pub fn template_name(&self, what: &str) -> String {
        let name = format!("{}-{what}", self.user);
        assert!(name.len() <= 32, "too long for Coder: {name}");
        self.made_templates().push(name.clone());
        format!("{}.{name}", seed::ORGANIZATION)
    }

    /// Makes a template past our API and waits for its import; returns the template's name within Coder.
    ///
    /// # Panics
    /// When Coder refuses, or the import fails.
    pub fn coder_template(&self, what: &str, archive: &Archive) -> String {
        let name = self.template_name(what);
        let short = name.split_once('.').expect("an organization").1.to_owned();
        let version = self.coder_version(archive, &json!({}));
        let body = json!({"name": short, "template_version_id": version});
        let path = format!("/api/v2/organizations/{}/templates", seed::ORGANIZATION);
        made(self.lab.coder().send(&Request::post(&path, &body)));
        short
    }

    /// Makes a template version past our API and waits for its import; returns its id.
    ///
    /// # Panics
    /// As [`Scratch::coder_template`].
    pub fn coder_version(&self, archive: &Archive, more: &Value) -> String {
        version(self.lab, archive, more)
    }

    /// Makes a workspace past our API and waits for its build; returns it as Coder shows it.
    ///
    /// # Panics
    /// When Coder refuses.
    pub fn coder_workspace(&self, name: &str, template: &str, more: &Value) -> Value {
        let template =
            seed::coder_get(self.lab, &format!("/organizations/{}/templates/{template}", seed::ORGANIZATION));
        let mut body = json!({"name": name, "template_id": template["id"]});
        crate::api::merge(&mut body, more);
        let path = format!("/api/v2/users/{}/workspaces", self.user);
        let workspace = made(self.lab.coder().send(&Request::post(&path, &body)));
        settle(self.lab, &text(&workspace["id"]), false)
    }

    /// Makes a build past our API, and waits for its end; returns the workspace as Coder shows it, null when it is gone.
    ///
    /// # Panics
    /// When Coder refuses.
    pub fn coder_build(&self, workspace: &Value, transition: &str) -> Value {
        let id = text(&workspace["id"]);
        let path = format!("/api/v2/workspaces/{id}/builds");
        made(self.lab.coder().send(&Request::post(&path, &json!({"transition": transition}))));
        settle(self.lab, &id, false)
    }

    /// What Coder holds of this user's, deleted ones excluded.
    pub fn held(&self) -> Vec<Value> {
        let page = seed::coder_get(self.lab, &format!("/workspaces?q=owner:{}", self.user));
        page["workspaces"].as_array().cloned().unwrap_or_default()
    }

    fn made_templates(&self) -> MutexGuard<'_, Vec<String>> {
        self.templates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clean(&self) -> Result<(), String> {
        for workspace in self.held() {
            remove_workspace(self.lab, &workspace)?;
        }
        for name in self.made_templates().iter() {
            let path = format!("/api/v2/organizations/{}/templates/{name}", seed::ORGANIZATION);
            let found = self.lab.coder().get(&path);
            if found.status() != 200 {
                continue;
            }
            let id = text(&found.json()["id"]);
            let users = seed::coder_get(self.lab, &format!("/workspaces?q=template:{name}"));
            for workspace in users["workspaces"].as_array().into_iter().flatten() {
                remove_workspace(self.lab, workspace)?;
            }
            let gone = self.lab.coder().send(&Request::new("DELETE", &format!("/api/v2/templates/{id}")));
            if gone.status() >= 300 {
                return Err(format!("template {name}: {}", gone.excerpt()));
            }
        }
        let gone = self.lab.coder().send(&Request::new("DELETE", &format!("/api/v2/users/{}", self.user_id)));
        if gone.status() >= 300 {
            return Err(format!("user {}: {}", self.user, gone.excerpt()));
        }
        Ok(())
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // A fault that a failing test has left behind must not spoil the cleaning.
        if let (true, Some(url)) = (thread::panicking(), &self.lab.standin_url) {
            drop(Endpoint::from_url(url).try_send(&Request::new("DELETE", "/standin/faults")));
        }
        let failing = thread::panicking();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.clean()));
        match outcome {
            Ok(Ok(())) => {}
            // The test may already be failing; a second panic here would hide its reason.
            outcome if failing => println!("cleaning up: {outcome:?}"),
            Ok(Err(why)) => panic!("cleaning up: {why}"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Uploads an archive, makes a version of it (of no template, unless `more` says which) and waits for its import.
fn version(lab: &Lab, archive: &Archive, more: &Value) -> String {
    let upload = Request::new("POST", "/api/v2/files").body("application/x-tar", archive.build());
    let file = made(lab.coder().send(&upload));
    let mut body =
        json!({"storage_method": "file", "file_id": file["hash"], "provisioner": "echo", "tags": {}});
    crate::api::merge(&mut body, more);
    let path = format!("/api/v2/organizations/{}/templateversions", seed::ORGANIZATION);
    let version = text(&made(lab.coder().send(&Request::post(&path, &body)))["id"]);
    let start = Instant::now();
    loop {
        let now = seed::coder_get(lab, &format!("/templateversions/{version}"));
        match now["job"]["status"].as_str() {
            Some("succeeded") => return version,
            Some("pending" | "running") if start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(50));
            }
            _ => panic!("the import of {version}: {now}"),
        }
    }
}

/// Waits until no build of a workspace is under way; cancels one that does not end, where that is wanted.
fn settle(lab: &Lab, id: &str, cancel: bool) -> Value {
    let (start, mut cancelled) = (Instant::now(), false);
    loop {
        let response = lab.coder().get(&format!("/api/v2/workspaces/{id}"));
        if response.status() == 410 {
            return Value::Null;
        }
        let workspace = response.json();
        let build = &workspace["latest_build"];
        if !["pending", "running", "canceling"].contains(&build["job"]["status"].as_str().unwrap_or_default())
        {
            return workspace;
        }
        assert!(start.elapsed() < PATIENCE, "a build does not end: {build}");
        if cancel && !cancelled && start.elapsed() > Duration::from_secs(3) {
            let path = format!("/api/v2/workspacebuilds/{}/cancel", text(&build["id"]));
            lab.coder().send(&Request::new("PATCH", &path).json(&json!({})));
            cancelled = true;
        }
        thread::sleep(Duration::from_millis(80));
    }
}

/// Deletes a workspace; where its template does not allow that, by way of a version that does.
fn remove_workspace(lab: &Lab, workspace: &Value) -> Result<(), String> {
    let id = text(&workspace["id"]);
    for way in [json!({}), Value::Null] {
        if settle(lab, &id, true).is_null() {
            return Ok(());
        }
        let mut body = json!({"transition": "delete"});
        if way.is_null() {
            let template = json!({"template_id": workspace["template_id"]});
            body["template_version_id"] = json!(version(lab, &Archive::plain(), &template));
        }
        lab.coder().send(&Request::post(&format!("/api/v2/workspaces/{id}/builds"), &body));
    }
    let mut left = settle(lab, &id, true);
    // The build has succeeded a moment before the workspace is gone.
    for _ in 0..50 {
        if left.is_null() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
        left = settle(lab, &id, true);
    }
    Err(format!("workspace {}: {}", left["name"], left["latest_build"]["job"]))
}

/// The body of an answer of Coder's that says something was made.
#[track_caller]
fn made(response: Response) -> Value {
    assert!([200, 201].contains(&response.status()), "{} {}", response.status(), response.excerpt());
    response.json()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// A name that no other test of this or another run has, short enough to be the beginning of others.
pub fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() % 1_000_000;
    format!("e2e{seconds}p{}n{count}", std::process::id())
}
