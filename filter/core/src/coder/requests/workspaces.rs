//! Workspaces, their builds and their agents.

use super::{Pairs, Request, path};
use crate::coder::BuildParameter;
use crate::coder::query::WorkspaceQuery;
use crate::names::WorkspaceName;
use serde::Serialize;

/// Which way a build goes (`codersdk.WorkspaceTransition`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are Coder's own")]
pub enum Transition {
    Start,
    Stop,
    Delete,
}

/// A workspace to be made (`codersdk.CreateWorkspaceRequest`). The version names the template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewWorkspace {
    /// UUID of the version that is built.
    pub template_version_id: String,
    /// Unique among the owner's workspaces.
    pub name: String,
    /// See [`Setting::Ttl`]; without it the template's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<i64>,
    /// See [`Setting::Autostart`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autostart_schedule: Option<String>,
    /// See [`Setting::AutomaticUpdates`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic_updates: Option<String>,
    /// Values of parameters. Coder drops those that the version does not declare.
    pub rich_parameter_values: Values,
    /// UUID of a preset of the version; its values come before all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version_preset_id: Option<String>,
}

/// A build to be queued (`codersdk.CreateWorkspaceBuildRequest`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewBuild {
    /// Which way.
    pub transition: Transition,
    /// UUID of the version; without it that of the latest build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version_id: Option<String>,
    /// Values that change; what is not named keeps its value.
    #[serde(skip_serializing_if = "Values::is_empty")]
    pub rich_parameter_values: Values,
}

impl NewBuild {
    /// A build that changes nothing but the direction.
    pub fn new(transition: Transition) -> Self {
        Self { transition, template_version_id: None, rich_parameter_values: Values::default() }
    }
}

/// Values of parameters, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Values(pub Vec<BuildParameter>);

impl Values {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.value.as_str())
    }

    /// Adds a value.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push(BuildParameter { name: name.to_owned(), value: value.to_owned() });
    }
}

/// A setting of a workspace that Coder changes without a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Milliseconds after which it stops by itself. Clearing it also clears the deadline of one that runs.
    Ttl(Option<i64>),
    /// When it starts by itself, as `CRON_TZ=zone m h * * dow`.
    Autostart(Option<String>),
    /// `always` or `never`.
    AutomaticUpdates(String),
    /// Dormancy. Neither stops nor starts anything.
    Dormant(bool),
}

/// `PUT /workspaces/{id}/ttl`, `/autostart` or `/autoupdates` → nothing; `/dormant` → `Workspace`, or 304 when it is so already. Allowed
/// whatever the latest build does.
pub fn set(id: &str, setting: &Setting) -> Request {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Body<'a> {
        Ttl { ttl_ms: Option<i64> },
        Autostart { schedule: Option<&'a str> },
        AutomaticUpdates { automatic_updates: &'a str },
        Dormant { dormant: bool },
    }
    let (place, body) = match setting {
        Setting::Ttl(ttl_ms) => ("ttl", Body::Ttl { ttl_ms: *ttl_ms }),
        Setting::Autostart(schedule) => ("autostart", Body::Autostart { schedule: schedule.as_deref() }),
        Setting::AutomaticUpdates(automatic_updates) => {
            ("autoupdates", Body::AutomaticUpdates { automatic_updates })
        }
        Setting::Dormant(dormant) => ("dormant", Body::Dormant { dormant: *dormant }),
    };
    Request::json("PUT", path(&["workspaces", id, place]), &body)
}

/// `POST /users/{user}/workspaces` → `Workspace`, its first build queued. `user` is a name: by its UUID Coder takes one who is deleted.
pub fn create_workspace(user: &str, workspace: &NewWorkspace) -> Request {
    Request::json("POST", path(&["users", user, "workspaces"]), workspace)
}

/// `POST /workspaces/{id}/builds` → `Build`, without its version's name.
pub fn create_build(id: &str, build: &NewBuild) -> Request {
    Request::json("POST", path(&["workspaces", id, "builds"]), build)
}

/// `GET /users/{user}/workspace/{name}` → `Workspace`. Coder finds it in any organization and takes aliases
/// for `user`: compare the answer with the name. 400 when there is no such user.
pub fn workspace_by_name(name: &WorkspaceName) -> Request {
    Request::get(path(&["users", &name.user, "workspace", &name.workspace]))
}

/// `GET /workspaces/{id}` → `Workspace`; 410 when it has been deleted.
pub fn workspace(id: &str) -> Request {
    Request::get(path(&["workspaces", id]))
}

/// The same for one that has been deleted.
pub fn deleted_workspace(id: &str) -> Request {
    let mut pairs = Pairs::new(path(&["workspaces", id]));
    pairs.put("include_deleted", "true");
    Request::get(pairs.0)
}

/// `GET /workspaces` → `WorkspaceList`. `limit` 0 is no limit.
pub fn workspaces(query: &WorkspaceQuery, limit: u64, offset: u64) -> Request {
    let mut pairs = Pairs::new(path(&["workspaces"]));
    if !query.is_empty() {
        pairs.put("q", &query.to_string());
    }
    if limit > 0 {
        pairs.put("limit", &limit.to_string());
    }
    if offset > 0 {
        pairs.put("offset", &offset.to_string());
    }
    Request::get(pairs.0)
}

/// `GET /users/{user}/workspace/{name}/builds/{number}` → `Build`.
pub fn build_by_number(name: &WorkspaceName, number: i64) -> Request {
    let number = number.to_string();
    Request::get(path(&["users", &name.user, "workspace", &name.workspace, "builds", &number]))
}

/// `GET /workspacebuilds/{id}/parameters` → list of `BuildParameter`.
pub fn build_parameters(id: &str) -> Request {
    Request::get(path(&["workspacebuilds", id, "parameters"]))
}

/// `GET /workspacebuilds/{id}/logs` → list of `JobLog`: all lines so far.
pub fn build_logs(id: &str) -> Request {
    Request::get(path(&["workspacebuilds", id, "logs"]))
}

/// `GET /workspaceagents/{id}/logs` → list of `AgentLog`: all lines so far.
pub fn agent_logs(id: &str) -> Request {
    Request::get(path(&["workspaceagents", id, "logs"]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn endpoints() {
        let ws = WorkspaceName::parse("coder.alice.ws-0").unwrap();
        let mut query = WorkspaceQuery::default();
        check(workspace_by_name(&ws), "GET /api/v2/users/alice/workspace/ws-0");
        check(build_by_number(&ws, 3), "GET /api/v2/users/alice/workspace/ws-0/builds/3");
        check(workspace("u-1"), "GET /api/v2/workspaces/u-1");
        check(deleted_workspace("u-1"), "GET /api/v2/workspaces/u-1?include_deleted=true");
        check(workspaces(&query, 0, 0), "GET /api/v2/workspaces");
        query.owner("alice");
        query.organization("coder");
        check(
            workspaces(&query, 50, 100),
            "GET /api/v2/workspaces?q=owner%3Aalice%20organization%3Acoder&limit=50&offset=100",
        );
        check(build_parameters("u-1"), "GET /api/v2/workspacebuilds/u-1/parameters");
        check(build_logs("u-1"), "GET /api/v2/workspacebuilds/u-1/logs");
        check(agent_logs("u-1"), "GET /api/v2/workspaceagents/u-1/logs");
    }

    #[track_caller]
    fn check_body(request: Request, expect: &str, body: &str) {
        assert_eq!(String::from_utf8(request.body.clone().unwrap()).unwrap(), body);
        check(request, expect);
    }

    #[test]
    fn writes() {
        let mut values = Values::default();
        values.push("cpu", "4");
        check_body(
            create_workspace(
                "alice",
                &NewWorkspace {
                    name: "w".into(),
                    template_version_id: "v".into(),
                    ..NewWorkspace::default()
                },
            ),
            "POST /api/v2/users/alice/workspaces",
            r#"{"template_version_id":"v","name":"w","rich_parameter_values":[]}"#,
        );
        check_body(
            create_workspace(
                "alice",
                &NewWorkspace {
                    template_version_id: "v".into(),
                    name: "w".into(),
                    ttl_ms: Some(60_000),
                    autostart_schedule: Some("0 9 * * 1".into()),
                    automatic_updates: Some("always".into()),
                    rich_parameter_values: values.clone(),
                    template_version_preset_id: Some("p".into()),
                },
            ),
            "POST /api/v2/users/alice/workspaces",
            r#"{"template_version_id":"v","name":"w","ttl_ms":60000,"autostart_schedule":"0 9 * * 1","automatic_updates":"always","rich_parameter_values":[{"name":"cpu","value":"4"}],"template_version_preset_id":"p"}"#,
        );
        check_body(
            create_build("u-1", &NewBuild::new(Transition::Delete)),
            "POST /api/v2/workspaces/u-1/builds",
            r#"{"transition":"delete"}"#,
        );
        let build = NewBuild {
            transition: Transition::Stop,
            template_version_id: Some("v".into()),
            rich_parameter_values: values,
        };
        check_body(
            create_build("u-1", &build),
            "POST /api/v2/workspaces/u-1/builds",
            r#"{"transition":"stop","template_version_id":"v","rich_parameter_values":[{"name":"cpu","value":"4"}]}"#,
        );
        let put = |setting: Setting, place: &str, body: &str| {
            check_body(set("u-1", &setting), &format!("PUT /api/v2/workspaces/u-1/{place}"), body);
        };
        put(Setting::Ttl(Some(60_000)), "ttl", r#"{"ttl_ms":60000}"#);
        put(Setting::Ttl(None), "ttl", r#"{"ttl_ms":null}"#);
        put(Setting::Autostart(Some("0 9 * * 1".into())), "autostart", r#"{"schedule":"0 9 * * 1"}"#);
        put(Setting::Autostart(None), "autostart", r#"{"schedule":null}"#);
        put(Setting::AutomaticUpdates("never".into()), "autoupdates", r#"{"automatic_updates":"never"}"#);
        put(Setting::Dormant(true), "dormant", r#"{"dormant":true}"#);
    }
}
