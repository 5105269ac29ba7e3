//! A small Coder with state: users `alice` and `bob`, the organizations `coder` and `other`, the template `dev` with a few versions, and
//! workspaces whose builds end when they are told to. Calls can be made to fail.

use super::*;
use std::collections::BTreeMap;

/// Versions of the template `dev`: the active one, a newer one with other parameters, and some that will not do.
pub(super) const V1: &str = "00000000-0000-0000-0000-000000000001";
pub(super) const V2: &str = "00000000-0000-0000-0000-000000000002";
pub(super) const IMPORTING: &str = "00000000-0000-0000-0000-000000000003";
pub(super) const FAILED: &str = "00000000-0000-0000-0000-000000000004";
pub(super) const ELSEWHERE: &str = "00000000-0000-0000-0000-000000000005";
pub(super) const ARCHIVED: &str = "00000000-0000-0000-0000-000000000006";

type Values = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub(super) struct Workspace {
    pub(super) id: String,
    pub(super) organization: &'static str,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) ttl: Value,
    pub(super) schedule: Value,
    pub(super) updates: Value,
    pub(super) dormant: bool,
    pub(super) deleted: bool,
    pub(super) builds: Vec<Build>,
}

#[derive(Clone, Debug)]
pub(super) struct Build {
    pub(super) transition: String,
    pub(super) version: String,
    /// Of its job.
    pub(super) status: &'static str,
    pub(super) values: Values,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) workspaces: Vec<Workspace>,
    /// Builds end as soon as they are asked for.
    pub(super) instant: bool,
    /// Calls that begin so (`PUT /workspaces`) come to this, so often.
    pub(super) faults: Vec<(String, u32, Outcome)>,
}

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Coder(pub(super) Rc<RefCell<State>>);

impl Coder {
    /// Whose builds end at once.
    pub(super) fn instant() -> Self {
        let coder = Self::default();
        coder.0.borrow_mut().instant = true;
        coder
    }

    /// A world around it.
    pub(super) fn world(&self) -> World {
        let coder = self.clone();
        World::stateful(move |call| coder.answer(call))
    }

    /// Lets calls that begin so fail, so often.
    pub(super) fn fail(&self, calls: &str, times: u32, outcome: Outcome) {
        self.0.borrow_mut().faults.push((calls.to_owned(), times, outcome));
    }

    /// Adds `alice`'s workspace `w`, whose last build was this.
    pub(super) fn with(self, transition: &str, status: &'static str) -> Self {
        let values = evaluated(V1, &Values::new()).into_iter().collect();
        let build = Build { transition: transition.into(), version: V1.into(), status, values };
        self.0.borrow_mut().workspaces.push(Workspace {
            id: "w-1".into(),
            organization: "coder",
            owner: "alice".into(),
            name: "w".into(),
            ttl: Value::Null,
            schedule: Value::Null,
            updates: "never".into(),
            dormant: false,
            deleted: false,
            builds: vec![build],
        });
        self
    }

    /// The first workspace.
    pub(super) fn first(&self) -> Workspace {
        self.0.borrow().workspaces[0].clone()
    }

    /// Changes the first workspace behind everybody's back.
    pub(super) fn change(&self, change: impl FnOnce(&mut Workspace)) {
        change(&mut self.0.borrow_mut().workspaces[0]);
    }

    /// Answers a call.
    pub(super) fn answer(&self, call: &Call) -> Outcome {
        let path = call.path.strip_prefix("/api/v2").unwrap();
        let line = format!("{} {path}", call.method);
        let mut state = self.0.borrow_mut();
        if let Some((_, times, outcome)) =
            state.faults.iter_mut().find(|(calls, times, _)| *times > 0 && line.starts_with(calls.as_str()))
        {
            *times = times.saturating_sub(1);
            return outcome.clone();
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let segments: Vec<&str> = path.split('?').next().unwrap().split('/').skip(1).collect();
        match (call.method, segments.as_slice()) {
            ("GET", ["users", user @ ("alice" | "bob")]) => {
                answer(200, &json!({"id": format!("u-{user}"), "username": user}))
            }
            ("GET", ["users", "me"]) => answer(200, &json!({"id": "u-admin", "username": "admin"})),
            ("GET", ["users", _]) => {
                answer(400, &json!({"message": "\"user\" must be an existing uuid or username."}))
            }
            ("GET", ["organizations", "coder" | "default"]) => {
                answer(200, &json!({"id": "o-1", "name": "coder"}))
            }
            ("GET", ["organizations", "other"]) => answer(200, &json!({"id": "o-2", "name": "other"})),
            ("GET", ["organizations", "coder" | "default", "templates", "dev"]) => answer(200, &template()),
            ("GET", ["organizations", "coder", "templates", "old"]) => {
                let mut old = template();
                old["name"] = "old".into();
                old["deprecated"] = true.into();
                old["deprecation_message"] = "take dev".into();
                answer(200, &old)
            }
            ("GET", ["organizations", ..]) => answer(404, &json!({"message": "Resource not found"})),
            ("GET", ["templateversions", id]) => version(id),
            ("GET", ["templateversions", V1, "presets"]) => answer(
                200,
                &json!([{"ID": "p-big", "Name": "big", "Parameters": [{"Name": "cpu", "Value": "8"}]}]),
            ),
            ("GET", ["templateversions", _, "presets"]) => answer(200, &Value::Null),
            ("POST", ["templateversions", id, "dynamic-parameters", "evaluate"]) => {
                let inputs: Values = serde_json::from_value(body["inputs"].clone()).unwrap();
                evaluation(id, &inputs)
            }
            ("GET", ["users", user, "workspace", name]) => {
                match state.workspaces.iter().find(|w| !w.deleted && w.owner == *user && w.name == *name) {
                    Some(workspace) => answer(200, &written(workspace)),
                    None => answer(404, &json!({"message": "Resource not found"})),
                }
            }
            ("GET", ["workspaces"]) => {
                let all: Vec<Value> = state.workspaces.iter().filter(|w| !w.deleted).map(written).collect();
                answer(200, &json!({"count": all.len(), "workspaces": all}))
            }
            ("POST", ["users", user, "workspaces"]) => state.create(user, &body),
            ("GET", ["workspacebuilds", id, "parameters"]) => {
                let (workspace, number) = id.split_once("-b").unwrap();
                let workspace = state.workspaces.iter().find(|w| w.id == workspace).unwrap();
                let build = &workspace.builds[number.parse::<usize>().unwrap().saturating_sub(1)];
                let values: Vec<Value> =
                    build.values.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
                answer(200, &json!(values))
            }
            (method, ["workspaces", id, rest @ ..]) => state.one(method, id, rest, &body),
            other => panic!("{other:?}"),
        }
    }
}

impl State {
    fn create(&mut self, user: &str, body: &Value) -> Outcome {
        let name = body["name"].as_str().unwrap();
        if self.workspaces.iter().any(|w| !w.deleted && w.owner == user && w.name == name) {
            let taken = json!({"message": format!("Workspace {name:?} already exists."), "validations": [{"field": "name", "detail": "This value is already in use and should be unique."}]});
            return answer(409, &taken);
        }
        let mut values = given(body);
        if !body["template_version_preset_id"].is_null() {
            values.insert("cpu".into(), "8".into());
        }
        let version = body["template_version_id"].as_str().unwrap().to_owned();
        let values = evaluated(&version, &values).into_iter().collect();
        self.workspaces.push(Workspace {
            id: format!("w-{}", self.workspaces.len().saturating_add(1)),
            organization: "coder",
            owner: user.into(),
            name: name.into(),
            ttl: body["ttl_ms"].clone(),
            schedule: body["autostart_schedule"].clone(),
            updates: body["automatic_updates"].as_str().unwrap_or("never").into(),
            dormant: false,
            deleted: false,
            builds: vec![Build {
                transition: "start".into(),
                version,
                status: if self.instant { "succeeded" } else { "pending" },
                values,
            }],
        });
        let mut made = written(self.workspaces.last().unwrap());
        made["latest_build"]["template_version_name"] = "".into();
        answer(201, &made)
    }

    fn one(&mut self, method: &str, id: &str, rest: &[&str], body: &Value) -> Outcome {
        let instant = self.instant;
        let Some(workspace) = self.workspaces.iter_mut().find(|w| w.id == id) else {
            return answer(404, &json!({"message": "Resource not found"}));
        };
        match (method, rest) {
            ("GET", []) if workspace.deleted => {
                answer(410, &json!({"message": "Workspace \"w\" was deleted"}))
            }
            ("GET", []) => answer(200, &written(workspace)),
            ("PUT", ["ttl"]) => {
                workspace.ttl = body["ttl_ms"].clone();
                answer(204, &Value::Null)
            }
            ("PUT", ["autostart"]) if body["schedule"].as_str().is_some_and(|text| text.contains("Mars")) => {
                answer(
                    400,
                    &json!({"message": "Invalid autostart schedule.", "validations": [{"field": "schedule", "detail": "provided bad location Mars"}]}),
                )
            }
            ("PUT", ["autostart"]) => {
                workspace.schedule = body["schedule"].clone();
                answer(204, &Value::Null)
            }
            ("PUT", ["autoupdates"]) => {
                workspace.updates = body["automatic_updates"].clone();
                answer(204, &Value::Null)
            }
            ("PUT", ["dormant"]) => {
                workspace.dormant = body["dormant"].as_bool().unwrap();
                answer(200, &written(workspace))
            }
            ("POST", ["builds"]) => {
                let last = workspace.builds.last().unwrap().clone();
                if matches!(last.status, "pending" | "running") {
                    return answer(
                        409,
                        &json!({"message": "A workspace build is already active.", "detail": "A workspace build is already active."}),
                    );
                }
                let version = body["template_version_id"].as_str().map_or(last.version, str::to_owned);
                let mut values = last.values;
                values.extend(given(body));
                let values = evaluated(&version, &values).into_iter().collect();
                let transition = body["transition"].as_str().unwrap().to_owned();
                if transition == "start" {
                    workspace.dormant = false;
                }
                workspace.deleted = instant && transition == "delete";
                let status = if instant { "succeeded" } else { "pending" };
                workspace.builds.push(Build { transition, version, status, values });
                answer(201, &written(workspace)["latest_build"])
            }
            other => panic!("{other:?}"),
        }
    }
}

fn given(body: &Value) -> Values {
    let values = body["rich_parameter_values"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    values.iter().map(|value| (text(&value["name"]), text(&value["value"]))).collect()
}

fn template() -> Value {
    let (_, templates) = recorded();
    let mut template = templates[0].clone();
    template["id"] = "t-dev".into();
    template["name"] = "dev".into();
    template["organization_name"] = "coder".into();
    template["active_version_id"] = V1.into();
    template["deprecated"] = false.into();
    template["default_ttl_ms"] = 0.into();
    template
}

fn version(id: &str) -> Outcome {
    let (name, template, status, archived) = match id {
        V1 => ("v1", "t-dev", "succeeded", false),
        V2 => ("v2", "t-dev", "succeeded", false),
        IMPORTING => ("v3", "t-dev", "running", false),
        FAILED => ("v4", "t-dev", "failed", false),
        ELSEWHERE => ("v5", "t-other", "succeeded", false),
        ARCHIVED => ("v6", "t-dev", "succeeded", true),
        _ => return answer(404, &json!({"message": "Resource not found"})),
    };
    answer(
        200,
        &json!({
            "id": id, "name": name, "template_id": template, "archived": archived, "created_at": "2026-11-21T09:00:00Z",
            "job": {"id": "j", "created_at": "2026-11-21T09:00:00Z", "status": status, "error": if status == "failed" { "no main.tf" } else { "" }},
        }),
    )
}

/// Name, whether it may change, default, of what a version declares.
fn declared(version: &str) -> Vec<(&'static str, bool, Option<&'static str>)> {
    match version {
        V2 => vec![("cpu", true, Some("2")), ("zone", true, Some("eu"))],
        _ => vec![("cpu", true, Some("2")), ("home", false, Some("small"))],
    }
}

fn evaluated(version: &str, inputs: &Values) -> Vec<(String, String)> {
    let value = |(name, _, default): (&'static str, bool, Option<&'static str>)| {
        let value = inputs.get(name).cloned().or_else(|| default.map(str::to_owned))?;
        Some((name.to_owned(), value))
    };
    declared(version).into_iter().filter_map(value).collect()
}

fn evaluation(version: &str, inputs: &Values) -> Outcome {
    if version == IMPORTING {
        return answer(425, &json!({"message": "Template version job has not finished"}));
    }
    let values: Values = evaluated(version, inputs).into_iter().collect();
    let parameters: Vec<Value> = declared(version)
        .into_iter()
        .map(|(name, mutable, _)| {
            let value = &values[name];
            let wrong = name == "cpu" && value.parse::<u32>().is_ok_and(|cpu| cpu > 16);
            let diagnostics = if wrong {
                json!([{"severity": "error", "summary": "Invalid parameter value", "detail": format!("value {value} is more than the maximum 16"), "extra": {"code": ""}}])
            } else {
                json!([])
            };
            json!({"name": name, "mutable": mutable, "value": {"value": value, "valid": true}, "diagnostics": diagnostics})
        })
        .collect();
    answer(200, &json!({"id": 0, "diagnostics": [], "parameters": parameters}))
}

/// A workspace as Coder shows it.
fn written(w: &Workspace) -> Value {
    let mut shown = super::workspace(&w.owner, &w.name);
    let build = w.builds.last().unwrap();
    let of_version: Value = serde_json::from_slice(&version(&build.version).unwrap().body).unwrap();
    shown["id"] = w.id.as_str().into();
    shown["owner_id"] = format!("u-{}", w.owner).into();
    shown["organization_name"] = w.organization.into();
    shown["template_id"] = "t-dev".into();
    shown["template_name"] = "dev".into();
    shown["template_active_version_id"] = V1.into();
    shown["template_require_active_version"] = false.into();
    shown["outdated"] = (build.version != V1).into();
    shown["ttl_ms"] = w.ttl.clone();
    shown["autostart_schedule"] = w.schedule.clone();
    shown["automatic_updates"] = w.updates.clone();
    shown["dormant_at"] = if w.dormant { "2026-11-21T09:30:00Z".into() } else { Value::Null };
    let latest = &mut shown["latest_build"];
    latest["id"] = format!("{}-b{}", w.id, w.builds.len()).into();
    latest["build_number"] = w.builds.len().into();
    latest["transition"] = build.transition.as_str().into();
    latest["template_version_id"] = build.version.as_str().into();
    latest["template_version_name"] = of_version["name"].clone();
    latest["job"]["status"] = build.status.into();
    latest["job"]["error"] = "".into();
    latest["status"] = match (build.transition.as_str(), build.status) {
        ("start", "succeeded") => "running",
        ("stop", "succeeded") => "stopped",
        ("start", "running") => "starting",
        ("delete", "running") => "deleting",
        (_, status) => status,
    }
    .into();
    shown
}
