//! What label and field selectors can name, and which of it Coder can filter by itself.
//!
//! Push-down only ever asks Coder for more than is wanted; every object is matched again here.

use crate::api::v1alpha1::{CoderTemplate, CoderWorkspace, LABEL_ORGANIZATION, LABEL_OWNER, LABEL_TEMPLATE};
use crate::coder::query::WorkspaceQuery;
use crate::kube::selectors::{FieldSelector, LabelSelector};
use crate::names::WorkspaceName;

/// Fields that workspaces can be selected by.
pub const WORKSPACE_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "spec.organization",
    "spec.templateName",
    "spec.running",
    "status.ownerName",
    "status.latestBuildStatus",
];

/// Those of them that may have other values later; all others stay for as long as the object has its name. Templates are renamed in Coder.
pub const CHANGING_FIELDS: &[&str] = &["spec.templateName", "spec.running", "status.latestBuildStatus"];

/// The same of labels.
pub const CHANGING_LABELS: &[&str] = &[LABEL_TEMPLATE];

/// Fields that templates can be selected by.
pub const TEMPLATE_FIELDS: &[&str] = &["metadata.name", "metadata.namespace", "spec.organization"];

/// A workspace's value of one of [`WORKSPACE_FIELDS`].
pub fn workspace_field<'o>(object: &'o CoderWorkspace<'_>, field: &str) -> Option<&'o str> {
    Some(match field {
        "metadata.name" => &object.metadata.name,
        "metadata.namespace" => &object.metadata.namespace,
        "spec.organization" => &object.spec.organization,
        "spec.templateName" => &object.spec.template_name,
        "spec.running" if object.spec.running => "true",
        "spec.running" => "false",
        "status.ownerName" => &object.status.owner_name,
        "status.latestBuildStatus" => &object.status.latest_build_status,
        _ => return None,
    })
}

/// A template's value of one of [`TEMPLATE_FIELDS`].
pub fn template_field<'o>(object: &'o CoderTemplate<'_>, field: &str) -> Option<&'o str> {
    Some(match field {
        "metadata.name" => &object.metadata.name,
        "metadata.namespace" => &object.metadata.namespace,
        "spec.organization" => &object.spec.organization,
        _ => return None,
    })
}

/// Whether a workspace is selected.
pub fn workspace_matches(
    object: &CoderWorkspace<'_>,
    labels: &LabelSelector,
    fields: &FieldSelector,
) -> bool {
    labels.matches(&|key| object.metadata.labels.get(key))
        && fields.matches(&|field| workspace_field(object, field))
}

/// Whether a template is selected.
pub fn template_matches(object: &CoderTemplate<'_>, labels: &LabelSelector, fields: &FieldSelector) -> bool {
    labels.matches(&|key| object.metadata.labels.get(key))
        && fields.matches(&|field| template_field(object, field))
}

/// What to ask Coder for; `None` when no workspace can be selected, because the name that is asked for is none.
pub fn push_down(labels: &LabelSelector, fields: &FieldSelector) -> Option<WorkspaceQuery> {
    let mut query = WorkspaceQuery::default();
    if let Some(name) = fields.exact("metadata.name") {
        let name = WorkspaceName::parse(name).ok()?;
        query.organization(&name.organization);
        query.owner(&name.user);
        query.name(&name.workspace);
    }
    for organization in labels.exact(LABEL_ORGANIZATION).into_iter().chain(fields.exact("spec.organization"))
    {
        query.organization(organization);
    }
    for owner in labels.exact(LABEL_OWNER).into_iter().chain(fields.exact("status.ownerName")) {
        query.owner(owner);
    }
    for template in labels.exact(LABEL_TEMPLATE).into_iter().chain(fields.exact("spec.templateName")) {
        query.template(template);
    }
    if let Some(status) = fields.exact("status.latestBuildStatus") {
        query.status(status);
    }
    Some(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(labels: &str, fields: &str, expect: Option<&str>) {
        let labels = LabelSelector::parse(labels).unwrap();
        let fields = FieldSelector::parse(fields).unwrap();
        fields.check_supported(WORKSPACE_FIELDS).unwrap();
        assert_eq!(push_down(&labels, &fields).map(|q| q.to_string()).as_deref(), expect);
    }

    #[test]
    fn pushed_down() {
        check("", "", Some(""));
        check("coder.com/owner=alice", "", Some("owner:alice"));
        check("coder.com/owner in (alice)", "", Some("owner:alice"));
        check(
            "coder.com/template=dev,coder.com/organization=coder",
            "",
            Some("organization:coder template:dev"),
        );
        check(
            "",
            "spec.templateName=dev,status.latestBuildStatus=running",
            Some("template:dev status:running"),
        );
        check("", "metadata.name=coder.alice.ws0", Some("owner:alice organization:coder name:ws0"));
        check("", "metadata.name=ws0", None);
    }

    #[test]
    fn left_to_us() {
        check("coder.com/owner!=alice", "", Some(""));
        check("coder.com/owner in (alice,bob)", "", Some(""));
        check("coder.com/owner", "", Some(""));
        check("", "status.ownerName!=alice", Some(""));
        check("", "spec.running=true,metadata.namespace=x", Some(""));
        check("", "status.latestBuildStatus=started", Some(""));
        check("coder.com/owner=me", "", Some(""));
    }
}
