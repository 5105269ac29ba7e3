//! Tells the stand-in to misbehave, and to behave again at the end of the test, whatever its outcome.

use crate::{Endpoint, Lab, Request};
use serde_json::{Value, json};

/// Milliseconds between the bookmarks of a watch, as kube-apiserver has it.
const USUAL_BOOKMARKS: u64 = 60_000;

/// The stand-in's fault list; cleared when this value is dropped.
#[derive(Debug)]
pub struct Faults {
    control: Endpoint,
}

impl Faults {
    /// Clears the list of a stand-in.
    ///
    /// # Panics
    /// When the lab is not the stand-in's.
    pub fn new(lab: &Lab) -> Faults {
        let url = lab.standin_url.as_deref().expect("STANDIN_URL");
        let faults = Faults { control: Endpoint::from_url(url) };
        faults.clear();
        faults
    }

    /// Adds one fault for requests to Coder below `path` (`*` for all), until it is cleared.
    /// `fault` holds `kind` and what that kind needs.
    ///
    /// # Panics
    /// When the stand-in refuses it.
    pub fn coder(&self, path: &str, fault: &Value) {
        self.add("coder", path, fault);
    }

    /// Adds one fault for requests to kube-apiserver below `path`.
    ///
    /// # Panics
    /// When the stand-in refuses it.
    pub fn kube(&self, path: &str, fault: &Value) {
        self.add("kube", path, fault);
    }

    /// How often watches of the stand-in's kube-apiserver are sent bookmarks, those that are open too; until the end of the test.
    ///
    /// # Panics
    /// When the stand-in refuses it.
    pub fn bookmarks(&self, milliseconds: u64) {
        self.watches(&json!({"bookmarks": milliseconds}));
    }

    /// Cuts all open watches of the stand-in's kube-apiserver: `end` ends them properly, `reset` does not.
    ///
    /// # Panics
    /// When the stand-in refuses it.
    pub fn cut_watches(&self, how: &str) {
        self.watches(&json!({"cut": how}));
    }

    fn watches(&self, change: &Value) {
        let response = self.control.send(&Request::new("PATCH", "/standin/watches").json(change));
        assert!(response.status() < 300, "{change}: {} {}", response.status(), response.excerpt());
    }

    /// Ends all misbehaviour.
    ///
    /// # Panics
    /// When the stand-in cannot be reached.
    pub fn clear(&self) {
        let response = self.control.send(&Request::new("DELETE", "/standin/faults"));
        assert!(response.status() < 300, "clearing faults: {} {}", response.status(), response.excerpt());
    }

    fn add(&self, side: &str, path: &str, fault: &Value) {
        let mut entry = json!({"side": side, "method": "*", "path": path, "count": 1000});
        for (key, value) in fault.as_object().expect("a fault is an object") {
            entry[key] = value.clone();
        }
        let response = self.control.send(&Request::post("/standin/faults", &json!([entry])));
        assert!(response.status() < 300, "{entry}: {} {}", response.status(), response.excerpt());
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // The test may already be failing; a second panic here would hide its reason.
        drop(self.control.try_send(&Request::new("DELETE", "/standin/faults")));
        let usual = json!({"bookmarks": USUAL_BOOKMARKS});
        drop(self.control.try_send(&Request::new("PATCH", "/standin/watches").json(&usual)));
    }
}

/// A fault that answers with a status and a body in Coder's form.
pub fn status(code: u16, body: &Value) -> Value {
    json!({"kind": "status", "status": code, "body": body.to_string(), "headers": {"content-type": "application/json"}})
}
