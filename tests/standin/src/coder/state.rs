//! What the stand-in Coder knows: its tables, kept in memory and in the order of creation.

use std::collections::{BTreeMap, HashMap};

use echo_archive::proto::{Preset as PresetMessage, RichParameter, TemplateVariable};
use serde_json::Value;
use uuid::Uuid;

use super::agent::Agent;
use super::jobs::Job;
use crate::clock::Instant;
use crate::config::CoderConfig;

/// A row that has an id.
pub(crate) trait Row {
    fn id(&self) -> Uuid;
}

/// Rows by id and in the order of creation. Nothing is ever removed: Coder marks rows as deleted.
pub(crate) struct Table<T> {
    rows: Vec<T>,
    positions: HashMap<Uuid, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), positions: HashMap::new() }
    }
}

impl<T: Row> Table<T> {
    pub(crate) fn insert(&mut self, row: T) {
        self.positions.insert(row.id(), self.rows.len());
        self.rows.push(row);
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<&T> {
        self.positions.get(&id).map(|position| &self.rows[*position])
    }

    pub(crate) fn get_mut(&mut self, id: Uuid) -> Option<&mut T> {
        self.positions.get(&id).map(|position| &mut self.rows[*position])
    }

    /// A row another row refers to.
    pub(crate) fn of(&self, id: Uuid) -> &T {
        self.get(id).expect("rows refer to rows that exist")
    }

    /// A row another row refers to.
    pub(crate) fn of_mut(&mut self, id: Uuid) -> &mut T {
        self.get_mut(id).expect("rows refer to rows that exist")
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.rows.iter()
    }
}

/// Everything.
pub(crate) struct State {
    pub(crate) config: CoderConfig,
    pub(crate) access_url: String,
    pub(crate) deployment_id: Uuid,
    pub(crate) started_at: Instant,
    pub(crate) daemon_id: Uuid,
    pub(crate) users: Table<User>,
    pub(crate) organizations: Table<Organization>,
    pub(crate) keys: Vec<ApiKey>,
    pub(crate) files: Table<File>,
    pub(crate) templates: Table<Template>,
    pub(crate) versions: Table<Version>,
    pub(crate) workspaces: Table<Workspace>,
    pub(crate) builds: Table<Build>,
    pub(crate) jobs: Table<Job>,
    pub(crate) agents: Table<Agent>,
    /// Jobs that are not at their end.
    pub(crate) active_jobs: Vec<Uuid>,
    pub(crate) last_log: i64,
}

impl State {
    pub(crate) fn new(config: &CoderConfig, access_url: String) -> Self {
        let now = Instant::now();
        let mut organizations = Table::default();
        organizations.insert(Organization {
            id: Uuid::new_v4(),
            name: "coder".into(),
            display_name: "Coder".into(),
            description: "Builtin default organization.".into(),
            created_at: now,
            is_default: true,
        });
        for name in &config.organizations {
            organizations.insert(Organization {
                id: Uuid::new_v4(),
                name: name.clone(),
                display_name: name.clone(),
                description: String::new(),
                created_at: Instant::now(),
                is_default: false,
            });
        }
        Self {
            config: config.clone(),
            access_url,
            deployment_id: Uuid::new_v4(),
            started_at: now,
            daemon_id: Uuid::new_v4(),
            users: Table::default(),
            organizations,
            keys: Vec::new(),
            files: Table::default(),
            templates: Table::default(),
            versions: Table::default(),
            workspaces: Table::default(),
            builds: Table::default(),
            jobs: Table::default(),
            agents: Table::default(),
            active_jobs: Vec::new(),
            last_log: 0,
        }
    }

    pub(crate) fn default_organization(&self) -> &Organization {
        self.organizations.iter().next().expect("the default organization always exists")
    }

    /// A workspace's latest build.
    pub(crate) fn latest_build(&self, workspace: &Workspace) -> &Build {
        self.builds.of(*workspace.builds.last().expect("a workspace is made with its first build"))
    }
}

/// A person or a machine that logs in.
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) username: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) login_type: String,
    pub(crate) status: String,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) last_seen_at: Option<Instant>,
    pub(crate) roles: Vec<String>,
    pub(crate) organizations: Vec<Uuid>,
    pub(crate) deleted: bool,
}

/// An organization.
pub(crate) struct Organization {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) created_at: Instant,
    pub(crate) is_default: bool,
}

/// A session or token. The secret is `id-secret`.
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) user: Uuid,
    pub(crate) name: String,
    pub(crate) login_type: &'static str,
    pub(crate) created_at: Instant,
    pub(crate) lifetime_seconds: i64,
    pub(crate) last_used: Option<Instant>,
}

/// An uploaded archive.
pub(crate) struct File {
    pub(crate) id: Uuid,
    pub(crate) creator: Uuid,
    pub(crate) hash: [u8; 32],
    pub(crate) content: axum::body::Bytes,
}

/// A template.
pub(crate) struct Template {
    pub(crate) id: Uuid,
    pub(crate) organization: Uuid,
    pub(crate) name: String,
    pub(crate) provisioner: String,
    pub(crate) active_version: Uuid,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) settings: TemplateSettings,
    pub(crate) deleted: bool,
}

/// What `PATCH /templates/{id}` changes.
#[derive(Clone, PartialEq)]
pub(crate) struct TemplateSettings {
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) icon: String,
    pub(crate) deprecation_message: String,
    pub(crate) default_ttl_ms: i64,
    pub(crate) activity_bump_ms: i64,
    pub(crate) failure_ttl_ms: i64,
    pub(crate) time_til_dormant_ms: i64,
    pub(crate) time_til_dormant_autodelete_ms: i64,
    pub(crate) allow_user_autostart: bool,
    pub(crate) allow_user_autostop: bool,
    pub(crate) allow_user_cancel_workspace_jobs: bool,
    pub(crate) require_active_version: bool,
    pub(crate) use_classic_parameter_flow: bool,
    pub(crate) cors_behavior: String,
    pub(crate) autostop_requirement: Value,
    pub(crate) autostart_requirement: Value,
}

/// A version of a template, perhaps not yet of any.
pub(crate) struct Version {
    pub(crate) id: Uuid,
    pub(crate) organization: Uuid,
    pub(crate) template: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) provisioner: String,
    pub(crate) job: Uuid,
    pub(crate) readme: String,
    pub(crate) archived: bool,
    /// Sorted by position, then name, as every answer shows them.
    pub(crate) parameters: Vec<RichParameter>,
    /// Those of them that the template's Terraform declares: what forms show and builds have.
    pub(crate) dynamic_parameters: Vec<RichParameter>,
    pub(crate) presets: Vec<Preset>,
    pub(crate) variables: Vec<TemplateVariable>,
    pub(crate) variable_values: BTreeMap<String, String>,
}

/// A preset of a version.
pub(crate) struct Preset {
    pub(crate) id: Uuid,
    pub(crate) content: PresetMessage,
}

/// A workspace.
pub(crate) struct Workspace {
    pub(crate) id: Uuid,
    pub(crate) organization: Uuid,
    pub(crate) owner: Uuid,
    pub(crate) template: Uuid,
    pub(crate) name: String,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) last_used_at: Instant,
    pub(crate) autostart_schedule: Option<String>,
    pub(crate) next_start_at: Option<Instant>,
    pub(crate) ttl_ms: Option<i64>,
    pub(crate) automatic_updates: String,
    pub(crate) dormant_at: Option<Instant>,
    pub(crate) favorite: bool,
    /// Oldest first, never empty.
    pub(crate) builds: Vec<Uuid>,
    pub(crate) deleted: bool,
}

/// A build: one change of a workspace.
pub(crate) struct Build {
    pub(crate) id: Uuid,
    pub(crate) workspace: Uuid,
    pub(crate) version: Uuid,
    pub(crate) number: i32,
    pub(crate) transition: Transition,
    pub(crate) initiator: Uuid,
    pub(crate) reason: String,
    pub(crate) job: Uuid,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) deadline: Option<Instant>,
    pub(crate) preset: Option<Uuid>,
    /// By name.
    pub(crate) parameters: BTreeMap<String, String>,
}

pub(crate) use echo_archive::Transition;

/// The transition's name in Coder's REST API.
pub(crate) fn transition_name(transition: Transition) -> &'static str {
    match transition {
        Transition::Start => "start",
        Transition::Stop => "stop",
        Transition::Delete => "delete",
    }
}

macro_rules! rows {
    ($($row:ty),*) => {
        $(impl Row for $row {
            fn id(&self) -> Uuid {
                self.id
            }
        })*
    };
}

rows!(User, Organization, File, Template, Version, Workspace, Build, Job, Agent);
