//! What a wished-for spec changes of a workspace, as the calls to Coder that it takes: settings first, then one build at most.
//!
//! Pure: says nothing of whether Coder will agree.

use super::workspace::runs;
use crate::api::v1alpha1::CoderWorkspaceManifest;
use crate::coder::requests::{NewBuild, Setting, Transition, Values};
use crate::coder::{Build, ProvisionerJob, Text, Workspace};
use crate::kube::status::Cause;
use crate::time::Timestamp;
use std::borrow::Cow;

/// A setting that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What it shall be.
    pub to: Setting,
    /// What it is, to be put back when what follows is refused.
    pub from: Setting,
}

impl Changed {
    /// Its path in the spec.
    pub fn field(&self) -> &'static str {
        match self.to {
            Setting::Ttl(_) => "spec.ttlMillis",
            Setting::Autostart(_) => "spec.autostartSchedule",
            Setting::AutomaticUpdates(_) => "spec.automaticUpdates",
            Setting::Dormant(_) => "spec.dormant",
        }
    }
}

/// See the module. Empty when nothing changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Settings, in the order in which they are made.
    pub settings: Vec<Changed>,
    /// The build that comes last.
    pub build: Option<NewBuild>,
}

impl Change {
    /// Whether the workspace is as it is wished for.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.build.is_none()
    }
}

/// Compares. `parameters` are those of the latest build. `pinned` says that a version that is named is meant, also when it is the one that the
/// workspace has: in the result of a patch it may just have been left alone.
///
/// # Errors
/// Every field that cannot be changed, or not in this way.
pub fn change(
    current: &Workspace<'_>,
    parameters: &Values,
    spec: &CoderWorkspaceManifest,
    pinned: bool,
) -> Result<Change, Vec<Cause>> {
    let mut causes = Vec::new();
    for (field, wished, is) in [
        ("spec.organization", &spec.organization, &current.organization_name),
        ("spec.templateName", &spec.template_name, &current.template_name),
    ] {
        if let Some(wished) = wished.as_deref().filter(|wished| !wished.eq_ignore_ascii_case(is)) {
            causes.push(Cause::invalid(field, wished, "field is immutable"));
        }
    }

    let mut settings = Vec::new();
    let mut set = |to: Setting, from: Setting| {
        if to != from {
            settings.push(Changed { to, from });
        }
    };
    // What can be empty is emptied by leaving it out.
    set(Setting::Ttl(spec.ttl_millis), Setting::Ttl(current.ttl_ms.filter(|ttl| *ttl > 0)));
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let (wished, is) = (spec.autostart_schedule.as_deref(), current.autostart_schedule.as_deref());
    set(Setting::Autostart(wished.and_then(text)), Setting::Autostart(is.and_then(text)));
    let updates = current.automatic_updates.non_empty().unwrap_or(Cow::Borrowed("never"));
    let wished_updates = spec.automatic_updates.as_deref().unwrap_or(&updates);
    set(
        Setting::AutomaticUpdates(wished_updates.to_owned()),
        Setting::AutomaticUpdates(updates.clone().into_owned()),
    );
    let was_dormant = current.dormant_at.is_some();
    let dormant = spec.dormant.unwrap_or(was_dormant);
    set(Setting::Dormant(dormant), Setting::Dormant(was_dormant));

    let ran = runs(&current.latest_build);
    let running = spec.running.unwrap_or(ran);
    let is = current.latest_build.template_version_id.as_str();
    let named = spec.template_version_id.as_deref();
    let mut version = named.filter(|named| !named.eq_ignore_ascii_case(is));
    let mut values = Values::default();
    for wished in spec.parameters.iter().flatten() {
        if parameters.get(&wished.name) != Some(&wished.value) {
            values.push(&wished.name, &wished.value);
        }
    }
    let mut build = None;
    if running != ran || version.is_some() || !values.is_empty() {
        let follows = wished_updates == "always" || current.template_require_active_version;
        if running && follows && version.is_none() && !(pinned && named.is_some()) {
            version = Some(current.template_active_version_id.as_str())
                .filter(|active| !active.is_empty() && *active != is);
        }
        build = Some(NewBuild {
            transition: if running { Transition::Start } else { Transition::Stop },
            template_version_id: version.map(str::to_owned),
            rich_parameter_values: values,
        });
    }
    if dormant && running && (build.is_some() || !was_dormant) {
        let why = "a dormant workspace does not run: set spec.dormant to false, or spec.running to false";
        causes.push(Cause::invalid_literal("spec.running", true, why));
    }
    if causes.is_empty() { Ok(Change { settings, build }) } else { Err(causes) }
}

/// The workspace as it is right after this change, as far as it can be foretold.
pub fn projected<'a>(
    mut after: Workspace<'a>,
    change: &'a Change,
    user: &'a str,
    now: Timestamp,
) -> Workspace<'a> {
    for changed in &change.settings {
        match &changed.to {
            Setting::Ttl(ttl) => after.ttl_ms = *ttl,
            Setting::Autostart(schedule) => {
                after.autostart_schedule = schedule.as_deref().map(Text::from);
                after.next_start_at = None;
            }
            Setting::AutomaticUpdates(updates) => after.automatic_updates = Text::from(updates.as_str()),
            Setting::Dormant(dormant) => {
                after.dormant_at = dormant.then_some(now);
                after.next_start_at = None;
            }
        }
    }
    if let Some(build) = &change.build {
        after.latest_build = queued(&after.latest_build, build, user, now);
        after.health.healthy = true;
        if let Some(version) = build.template_version_id.as_deref() {
            after.outdated = !version.eq_ignore_ascii_case(&after.template_active_version_id);
        }
    }
    after
}

/// A build that has just been queued, after `previous`.
pub fn queued<'a>(previous: &Build<'a>, build: &'a NewBuild, user: &'a str, now: Timestamp) -> Build<'a> {
    let version = build.template_version_id.as_deref();
    let mut job = ProvisionerJob::default();
    job.created_at = now;
    job.status = Text::from("pending");
    Build {
        id: Text::default(),
        created_at: now,
        template_version_id: version.map_or_else(|| previous.template_version_id.clone(), Text::from),
        template_version_name: version
            .map_or_else(|| previous.template_version_name.clone(), |_| Text::default()),
        build_number: previous.build_number.saturating_add(1),
        transition: Text::from(match build.transition {
            Transition::Start => "start",
            Transition::Stop => "stop",
            Transition::Delete => "delete",
        }),
        initiator_name: Text::from(user),
        job,
        reason: Text::from("initiator"),
        resources: Vec::new(),
        deadline: None,
        status: Text::from("pending"),
    }
}
