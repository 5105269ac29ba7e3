//! The resources this API server has.

/// A resource that is stored.
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) short: &'static [&'static str],
    pub(crate) namespaced: bool,
}

impl Kind {
    /// `v1`, `coordination.k8s.io/v1`.
    pub(crate) fn api_version(&self) -> String {
        api_version(self.group, self.version)
    }
}

/// What all stored resources can do.
pub(crate) const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

/// Every stored resource.
pub(crate) const KINDS: [Kind; 7] = [
    Kind {
        group: "",
        version: "v1",
        resource: "configmaps",
        singular: "configmap",
        kind: "ConfigMap",
        short: &["cm"],
        namespaced: true,
    },
    Kind {
        group: "",
        version: "v1",
        resource: "events",
        singular: "event",
        kind: "Event",
        short: &["ev"],
        namespaced: true,
    },
    Kind {
        group: "",
        version: "v1",
        resource: "namespaces",
        singular: "namespace",
        kind: "Namespace",
        short: &["ns"],
        namespaced: false,
    },
    Kind {
        group: "",
        version: "v1",
        resource: "pods",
        singular: "pod",
        kind: "Pod",
        short: &["po"],
        namespaced: true,
    },
    Kind {
        group: "",
        version: "v1",
        resource: "secrets",
        singular: "secret",
        kind: "Secret",
        short: &[],
        namespaced: true,
    },
    // What a CustomResourceDefinition would bring: the objects by which Coders are discovered.
    Kind {
        group: "coder.com",
        version: "v1alpha1",
        resource: "codercontrolplanes",
        singular: "codercontrolplane",
        kind: "CoderControlPlane",
        short: &[],
        namespaced: true,
    },
    Kind {
        group: "coordination.k8s.io",
        version: "v1",
        resource: "leases",
        singular: "lease",
        kind: "Lease",
        short: &[],
        namespaced: true,
    },
];

/// The reviews: group, resource, kind, whether they live in a namespace.
pub(crate) const REVIEWS: [(&str, &str, &str, bool); 5] = [
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", false),
    ("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", true),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", false),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", false),
];

/// The named groups, in the order discovery shows them.
pub(crate) const GROUPS: [&str; 3] = ["authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io"];

/// A group and version as objects name them.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}
