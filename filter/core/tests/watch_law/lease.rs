//! As much of a kube-apiserver as the bell needs.

use coder_kube_core::exchange::Call;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Lease {
    pub(crate) version: u64,
    pub(crate) annotations: BTreeMap<String, Value>,
    pub(crate) spec: BTreeMap<String, Value>,
}

impl Lease {
    pub(crate) fn json(&self) -> Value {
        json!({"metadata": {"resourceVersion": self.version.to_string(), "annotations": self.annotations}, "spec": self.spec})
    }

    pub(crate) fn patch(&mut self, body: &Value, version: u64) -> bool {
        if body["metadata"]["resourceVersion"].as_str().is_some_and(|given| given != self.version.to_string())
        {
            return false;
        }
        self.version = version;
        for (part, into) in
            [(&body["metadata"]["annotations"], &mut self.annotations), (&body["spec"], &mut self.spec)]
        {
            for (key, value) in part.as_object().into_iter().flatten() {
                if value.is_null() {
                    into.remove(key)
                } else {
                    into.insert(key.clone(), value.clone())
                };
            }
        }
        true
    }
}

pub(crate) fn review(call: &Call) -> Value {
    if call.path.ends_with("selfsubjectaccessreviews") {
        json!({"kind": "SelfSubjectAccessReview", "status": {"allowed": true}})
    } else {
        json!({"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "u"}}})
    }
}
