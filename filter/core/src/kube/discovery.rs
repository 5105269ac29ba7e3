//! Discovery documents of one group, and their merge into kube-apiserver's answer to `/apis`.
//!
//! Nothing is listed that the caller has not described; entries of other groups pass through byte for byte.

use std::borrow::Cow;

use serde::Serialize;

use super::negotiation::DiscoveryForm;
use super::object_writer::serialize;
use super::status::Status;
use crate::json::{self, Raw, object};

/// A kind within its group and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroupVersionKind {
    /// API group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
}

/// A group with its only version.
#[derive(Clone, Copy, Debug)]
pub struct GroupDescription {
    /// API group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Its resources.
    pub resources: &'static [ResourceDescription],
}

/// A namespaced resource as discovery tells of it.
#[derive(Clone, Copy, Debug)]
pub struct ResourceDescription {
    /// Plural name.
    pub name: &'static str,
    /// Singular name.
    pub singular: &'static str,
    /// Kind, of the group and version that the resource is listed in.
    pub kind: &'static str,
    /// Short names.
    pub short_names: &'static [&'static str],
    /// Categories.
    pub categories: &'static [&'static str],
    /// Verbs that work.
    pub verbs: &'static [&'static str],
    /// Subresources.
    pub subresources: &'static [SubresourceDescription],
}

/// A subresource as discovery tells of it.
#[derive(Clone, Copy, Debug)]
pub struct SubresourceDescription {
    /// Name behind the slash.
    pub name: &'static str,
    /// What it answers with.
    pub response_kind: GroupVersionKind,
    /// Verbs that work.
    pub verbs: &'static [&'static str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion {
    group_version: String,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    name: &'static str,
    versions: [GroupVersion; 1],
    preferred_version: GroupVersion,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: Cow<'static, str>,
    singular_name: &'static str,
    namespaced: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'static [&'static str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceList {
    kind: &'static str,
    api_version: &'static str,
    group_version: String,
    resources: Vec<Resource>,
}

#[derive(Serialize)]
struct AggregatedGroup {
    metadata: AggregatedMeta,
    versions: [AggregatedVersion; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedMeta {
    name: &'static str,
    creation_timestamp: (),
}

#[derive(Serialize)]
struct AggregatedVersion {
    version: &'static str,
    resources: Vec<AggregatedResource>,
    freshness: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: &'static str,
    response_kind: GroupVersionKind,
    scope: &'static str,
    singular_resource: &'static str,
    verbs: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'static [&'static str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<AggregatedSubresource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedSubresource {
    subresource: &'static str,
    response_kind: GroupVersionKind,
    verbs: &'static [&'static str],
}

impl GroupDescription {
    /// `APIGroup`, the answer to `/apis/{group}`.
    ///
    /// # Errors
    /// 500 when it cannot be serialised; so with the other documents.
    pub fn api_group(&self) -> Result<Vec<u8>, Status> {
        to_json(&Group { kind: Some("APIGroup"), api_version: Some("v1"), ..self.group_entry() })
    }

    /// `APIResourceList`, the answer to `/apis/{group}/{version}`.
    ///
    /// # Errors
    /// As [`Self::api_group`].
    pub fn api_resource_list(&self) -> Result<Vec<u8>, Status> {
        let mut resources = Vec::new();
        for resource in self.resources {
            let entry = Resource {
                name: Cow::Borrowed(resource.name),
                singular_name: resource.singular,
                namespaced: true,
                group: "",
                version: "",
                kind: resource.kind,
                verbs: resource.verbs,
                short_names: resource.short_names,
                categories: resource.categories,
            };
            resources.push(entry);
            for sub in resource.subresources {
                let kind = sub.response_kind;
                let own = (kind.group, kind.version) == (self.group, self.version);
                resources.push(Resource {
                    name: Cow::Owned(format!("{}/{}", resource.name, sub.name)),
                    singular_name: "",
                    namespaced: true,
                    group: if own { "" } else { kind.group },
                    version: if own { "" } else { kind.version },
                    kind: kind.kind,
                    verbs: sub.verbs,
                    short_names: &[],
                    categories: &[],
                });
            }
        }
        let group_version = self.group_version().group_version;
        to_json(&ResourceList { kind: "APIResourceList", api_version: "v1", group_version, resources })
    }

    /// Merges this group into kube-apiserver's answer to `/apis` in the same form. An entry of the same group is
    /// replaced where it stands; otherwise this one goes last, which is the lowest priority.
    ///
    /// # Errors
    /// 503 when the upstream's answer is no such document.
    pub fn merge(&self, form: DiscoveryForm, upstream: &[u8]) -> Result<Vec<u8>, Status> {
        let entry = match form {
            DiscoveryForm::Unaggregated => to_json(&self.group_entry())?,
            DiscoveryForm::V2 | DiscoveryForm::V2beta1 => to_json(&self.aggregated_entry())?,
        };
        merge(self.group, form, upstream, &entry).ok_or_else(|| {
            Status::service_unavailable("the answer of kube-apiserver to /apis could not be read")
        })
    }

    /// The whole answer to `/apis` of a server that has only this group.
    ///
    /// # Errors
    /// As [`Self::api_group`].
    pub fn standalone(&self, form: DiscoveryForm) -> Result<Vec<u8>, Status> {
        let empty: &[u8] = match form {
            DiscoveryForm::Unaggregated => br#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#,
            DiscoveryForm::V2 => {
                br#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[]}"#
            }
            DiscoveryForm::V2beta1 => {
                br#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2beta1","metadata":{},"items":[]}"#
            }
        };
        self.merge(form, empty)
    }

    fn group_version(&self) -> GroupVersion {
        GroupVersion { group_version: format!("{}/{}", self.group, self.version), version: self.version }
    }

    fn group_entry(&self) -> Group {
        Group {
            kind: None,
            api_version: None,
            name: self.group,
            versions: [self.group_version()],
            preferred_version: self.group_version(),
        }
    }

    fn aggregated_entry(&self) -> AggregatedGroup {
        let resource = |resource: &ResourceDescription| AggregatedResource {
            resource: resource.name,
            response_kind: GroupVersionKind { group: self.group, version: self.version, kind: resource.kind },
            scope: "Namespaced",
            singular_resource: resource.singular,
            verbs: resource.verbs,
            short_names: resource.short_names,
            categories: resource.categories,
            subresources: resource.subresources.iter().map(subresource).collect(),
        };
        let resources = self.resources.iter().map(resource).collect();
        AggregatedGroup {
            metadata: AggregatedMeta { name: self.group, creation_timestamp: () },
            versions: [AggregatedVersion { version: self.version, resources, freshness: "Current" }],
        }
    }
}

fn subresource(sub: &SubresourceDescription) -> AggregatedSubresource {
    AggregatedSubresource { subresource: sub.name, response_kind: sub.response_kind, verbs: sub.verbs }
}

fn to_json<T: Serialize>(document: &T) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    serialize(&mut out, document)?;
    Ok(out)
}

/// Either list of groups; `groups` is the one of `APIGroupList`, `items` that of `APIGroupDiscoveryList`.
#[derive(Default)]
struct GroupList<'a> {
    kind: Cow<'a, str>,
    api_version: Cow<'a, str>,
    metadata: Raw<'a>,
    groups: Vec<Raw<'a>>,
    items: Vec<Raw<'a>>,
}

object!(GroupList<'a> { kind, api_version as "apiVersion" } { metadata, groups, items });

/// The name of an entry, which stands in `metadata` in one of the forms.
#[derive(Default)]
struct Named<'a> {
    name: Cow<'a, str>,
    metadata: NamedMeta<'a>,
}

object!(Named<'a> {} { name, metadata });

#[derive(Default)]
struct NamedMeta<'a> {
    name: Cow<'a, str>,
}

object!(NamedMeta<'a> {} { name });

fn merge(group: &str, form: DiscoveryForm, upstream: &[u8], entry: &[u8]) -> Option<Vec<u8>> {
    let list: GroupList<'_> = json::read(upstream).ok()?;
    let (kind, api_version, name, entries) = match form {
        DiscoveryForm::Unaggregated => ("APIGroupList", "v1", "groups", &list.groups),
        DiscoveryForm::V2 => ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2", "items", &list.items),
        DiscoveryForm::V2beta1 => {
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2beta1", "items", &list.items)
        }
    };
    if list.kind != kind || list.api_version != api_version {
        return None;
    }
    let mut out = Vec::with_capacity(upstream.len().saturating_add(entry.len()).saturating_add(64));
    for part in ["{\"kind\":\"", kind, "\",\"apiVersion\":\"", api_version, "\""] {
        out.extend_from_slice(part.as_bytes());
    }
    if !list.metadata.0.is_empty() {
        out.extend_from_slice(b",\"metadata\":");
        out.extend_from_slice(list.metadata.0.as_bytes());
    }
    for part in [",\"", name, "\":["] {
        out.extend_from_slice(part.as_bytes());
    }
    let mut found = false;
    for existing in entries {
        let named: Named<'_> = json::read(existing.0.as_bytes()).ok()?;
        let ours = named.name == group || named.metadata.name == group;
        if ours && found {
            continue;
        }
        found |= ours;
        out.extend_from_slice(if ours { entry } else { existing.0.as_bytes() });
        out.push(b',');
    }
    if found {
        out.pop();
    } else {
        out.extend_from_slice(entry);
    }
    out.extend_from_slice(b"]}");
    Some(out)
}

#[cfg(test)]
mod tests;
