//! A role over workspaces and its binding to a user who is only ever impersonated. Both go with this value.
//!
//! The stand-in has no roles to give.

use crate::{Endpoint, Lab, scratch::unique};
use serde_json::json;

/// See the module.
#[derive(Debug)]
pub struct Role<'lab> {
    lab: &'lab Lab,
    /// Of the role, the binding and the user.
    pub name: String,
}

impl<'lab> Role<'lab> {
    /// `verbs` on workspaces, of all names when `names` is empty.
    ///
    /// # Panics
    /// When the cluster refuses.
    pub fn new(lab: &'lab Lab, name: &str, verbs: &[&str], names: &[&str]) -> Role<'lab> {
        let role = Role { lab, name: format!("{}-{name}", unique()) };
        let metadata = json!({"name": role.name, "namespace": lab.namespace});
        let rule = json!({"apiGroups": [crate::GROUP], "resources": ["coderworkspaces"], "verbs": verbs, "resourceNames": names});
        let group = "rbac.authorization.k8s.io";
        let version = format!("{group}/v1");
        for object in [
            json!({"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": [rule]}),
            json!({"apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": role.name},
                "subjects": [{"apiGroup": group, "kind": "User", "name": role.name}]}),
        ] {
            lab.kubectl_direct().input(object.to_string()).run("create -f -").ok();
        }
        role
    }

    /// An endpoint of the admin's, acting as the role's user.
    pub fn acting(&self, endpoint: Endpoint) -> Endpoint {
        endpoint.acting_as(&self.name, &[])
    }

    /// Takes the right away.
    ///
    /// # Panics
    /// When the cluster refuses.
    pub fn withdraw(&self) {
        self.lab
            .kubectl_direct()
            .run(&format!("delete rolebinding {} -n {}", self.name, self.lab.namespace))
            .ok();
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        for kind in ["rolebinding", "role"] {
            let delete = format!("delete {kind} {} -n {} --ignore-not-found", self.name, self.lab.namespace);
            drop(self.lab.kubectl_direct().run(&delete));
        }
    }
}
