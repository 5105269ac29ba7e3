//! How both kinds are written: their columns, as `kubectl get` prints them, and an object's cells.

use crate::api::v1alpha1::{API_VERSION, CoderTemplate, CoderWorkspace};
use crate::kube::duration::HumanDuration;
use crate::kube::meta::{Condition, ConditionStatus, ObjectMeta};
use crate::kube::object_writer::Object;
use crate::kube::table::{ColumnDefinition, Row};
use crate::time::{Millis, Timestamp};

const fn column(
    name: &'static str,
    column_type: &'static str,
    description: &'static str,
) -> ColumnDefinition {
    ColumnDefinition { name, column_type, format: "", description, priority: 0 }
}

const fn wide(name: &'static str, column_type: &'static str, description: &'static str) -> ColumnDefinition {
    ColumnDefinition { priority: 1, ..column(name, column_type, description) }
}

const NAME: ColumnDefinition = ColumnDefinition {
    format: "name",
    ..column("Name", "string", "Name of the object, made of the names that Coder knows it and its owner by.")
};
const AGE: ColumnDefinition = column("Age", "string", "How long ago it was made in Coder.");

const WORKSPACE_COLUMNS: &[ColumnDefinition] = &[
    NAME,
    column("Template", "string", "The template that it is made from."),
    column("Status", "string", "State of the latest build."),
    column(
        "Ready",
        "string",
        "Whether it is as asked: stopped, or running with all agents connected and healthy.",
    ),
    column("Outdated", "boolean", "Whether the template has another active version."),
    column("Last Used", "string", "How long ago it was last used, in steps of ten minutes."),
    AGE,
    wide("Owner", "string", "The user it belongs to."),
    wide("Organization", "string", "The organization it belongs to."),
    wide("Version", "string", "The template version of the latest build."),
    wide("Agents", "string", "How many of its agents are connected."),
    wide("Auto Shutdown", "string", "In how long it will stop by itself."),
    wide("Dormant", "boolean", "Whether it is dormant."),
    wide("ID", "string", "Coder's id."),
];

fn workspace_cells(row: &mut Row<'_>, object: &CoderWorkspace<'_>, now: Millis) {
    let status = &object.status;
    row.string(&object.metadata.name);
    row.string(&object.spec.template_name);
    row.string(&status.latest_build_status);
    row.string(holds(&status.conditions, "Ready"));
    row.boolean(status.outdated);
    // Rounded down, it may lie before the workspace was made.
    let made = object.metadata.creation_timestamp;
    ago(row, status.last_used_at.map(|used| made.map_or(used, |made| used.max(made))), now);
    ago(row, object.metadata.creation_timestamp, now);
    row.string(&status.owner_name);
    row.string(&status.organization_name);
    row.string(&status.latest_build.template_version_name);
    let connected = status.agents.iter().filter(|agent| agent.status == "connected").count();
    row.display(format_args!("{connected}/{}", status.agents.len()));
    match status.auto_shutdown {
        Some(at) => row.display(format_args!("{}", HumanDuration(at.millis().saturating_sub(now).max(0)))),
        None => row.null(),
    }
    row.boolean(object.spec.dormant);
    row.string(&status.id);
}

const TEMPLATE_COLUMNS: &[ColumnDefinition] = &[
    NAME,
    column("Display Name", "string", "Name for people."),
    column("Ready", "string", "Whether workspaces can be built."),
    column("Active Users", "integer", "How many users had a workspace of it in use of late."),
    column("Deprecated", "boolean", "Whether new workspaces are refused."),
    column("Updated", "string", "How long ago its settings changed."),
    AGE,
    wide("Organization", "string", "The organization it belongs to."),
    wide("Provisioner", "string", "What runs its files."),
    wide("Active Version", "string", "Coder's id of the version that new builds take."),
    wide("ID", "string", "Coder's id."),
];

fn template_cells(row: &mut Row<'_>, object: &CoderTemplate<'_>, now: Millis) {
    let status = &object.status;
    row.string(&object.metadata.name);
    row.string(&object.spec.display_name);
    row.string(holds(&status.conditions, "Ready"));
    match status.active_user_count {
        Some(count) => row.integer(count),
        None => row.null(),
    }
    row.boolean(status.deprecated);
    ago(row, Some(status.updated_at), now);
    ago(row, object.metadata.creation_timestamp, now);
    row.string(&status.organization_name);
    row.string(&object.spec.provisioner);
    row.string(&status.active_version_id);
    row.string(&status.id);
}

impl Object for CoderWorkspace<'_> {
    const API_VERSION: &'static str = API_VERSION;
    const KIND: &'static str = "CoderWorkspace";
    const COLUMNS: &'static [ColumnDefinition] = WORKSPACE_COLUMNS;

    fn metadata(&self) -> &ObjectMeta<'_> {
        &self.metadata
    }

    fn cells(&self, now: Millis, row: &mut Row<'_>) {
        workspace_cells(row, self, now);
    }
}

impl Object for CoderTemplate<'_> {
    const API_VERSION: &'static str = API_VERSION;
    const KIND: &'static str = "CoderTemplate";
    const COLUMNS: &'static [ColumnDefinition] = TEMPLATE_COLUMNS;

    fn metadata(&self) -> &ObjectMeta<'_> {
        &self.metadata
    }

    fn cells(&self, now: Millis, row: &mut Row<'_>) {
        template_cells(row, self, now);
    }
}

fn holds(conditions: &[Condition<'_>], condition_type: &str) -> &'static str {
    match conditions.iter().find(|condition| condition.condition_type == condition_type).map(|c| c.status) {
        Some(ConditionStatus::True) => "True",
        Some(ConditionStatus::False) => "False",
        Some(ConditionStatus::Unknown) | None => "Unknown",
    }
}

fn ago(row: &mut Row<'_>, moment: Option<Timestamp>, now: Millis) {
    match moment {
        Some(moment) => row.display(format_args!("{}", HumanDuration(now.saturating_sub(moment.millis())))),
        None => row.null(),
    }
}
