//! `CoderControlPlane` of `coder.com/v1alpha1`, with the fields that are used: <https://github.com/coder/coder-k8s>.

use crate::json::object;
use crate::kube::percent;
use std::borrow::Cow;

/// Where all of them are listed.
pub(super) const PATH: &str = "/apis/coder.com/v1alpha1/codercontrolplanes";

/// Where one of them is.
pub(super) fn path(namespace: &str, name: &str) -> String {
    let name = percent::encode_segment(name);
    ["/apis/coder.com/v1alpha1/namespaces/", namespace, "/codercontrolplanes/", &name].concat()
}

/// The Secret's key where the object names none.
const KEY: &str = "token";

#[derive(Default)]
pub(super) struct List<'a> {
    pub(super) items: Vec<Object<'a>>,
}

object!(List<'a> { items } {});

#[derive(Default)]
pub(super) struct Object<'a> {
    pub(super) metadata: Metadata<'a>,
    spec: Spec,
    pub(super) status: State<'a>,
}

object!(Object<'a> { metadata } { spec, status });

#[derive(Default)]
pub(super) struct Metadata<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) namespace: Cow<'a, str>,
    pub(super) uid: Cow<'a, str>,
}

object!(Metadata<'a> { name, namespace } { uid });

#[derive(Default)]
struct Spec {
    operator_access: OperatorAccess,
}

object!(Spec {} { operator_access as "operatorAccess" });

#[derive(Default)]
struct OperatorAccess {
    disabled: bool,
}

object!(OperatorAccess {} { disabled });

#[derive(Default)]
pub(super) struct State<'a> {
    pub(super) url: Cow<'a, str>,
    operator_access_ready: bool,
    operator_token_secret_ref: Option<SecretRef<'a>>,
}

object!(
    State<'a>
    {}
    {
        url, operator_access_ready as "operatorAccessReady",
        operator_token_secret_ref as "operatorTokenSecretRef"
    }
);

#[derive(Default)]
struct SecretRef<'a> {
    name: Cow<'a, str>,
    key: Cow<'a, str>,
}

object!(SecretRef<'a> { name } { key });

impl Object<'_> {
    /// Whether it may be served at all.
    pub(super) fn is_enabled(&self) -> bool {
        !self.spec.operator_access.disabled && !self.metadata.name.contains('.')
    }

    /// Whether it says all that is needed to serve it.
    pub(super) fn is_eligible(&self) -> bool {
        self.is_enabled() && self.status.operator_access_ready && self.is_callable()
    }

    /// Whether it says where its Coder is and what it is called with.
    pub(super) fn is_callable(&self) -> bool {
        !self.status.url.trim().is_empty() && self.secret().is_some()
    }

    /// The Secret that holds the token, and the key in it.
    pub(super) fn secret(&self) -> Option<(&str, &str)> {
        let SecretRef { name, key } = self.status.operator_token_secret_ref.as_ref()?;
        let (name, key) = (name.trim(), key.trim());
        (!name.is_empty()).then_some((name, if key.is_empty() { KEY } else { key }))
    }
}
