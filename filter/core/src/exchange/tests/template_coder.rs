//! A small Coder with state for templates: the organization `coder`, files, versions whose imports end when they are told to or after a few looks,
//! and templates. Calls can be made to fail, with or without having their effect.

use super::*;
use crate::convert::archive;
use std::collections::BTreeMap;

/// The organization's id.
pub(super) const ORGANIZATION: &str = "o-1";
const ZEROS: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) template: Option<String>,
    pub(super) name: String,
    pub(super) message: String,
    pub(super) status: &'static str,
    pub(super) archived: bool,
    pub(super) file: String,
    pub(super) tags: Value,
    pub(super) variables: Value,
}

#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) active: String,
    pub(super) settings: BTreeMap<String, Value>,
    pub(super) workspaces: usize,
}

/// A call that is to fail: its beginning, how often, whether it has its effect, and what is answered.
type Fault = (String, u32, bool, Outcome);

#[derive(Default)]
pub(super) struct State {
    pub(super) files: Vec<Vec<u8>>,
    pub(super) versions: Vec<Version>,
    pub(super) templates: Vec<Template>,
    pub(super) faults: Vec<Fault>,
    /// What becomes of imports that are looked at; `pending` where nothing does.
    pub(super) imports: BTreeMap<String, &'static str>,
    ids: u32,
}

/// See the module.
#[derive(Clone, Default)]
pub(super) struct TemplateCoder(pub(super) Rc<RefCell<State>>);

/// What PATCH sets to its zero where it is absent.
const RESETS: [(&str, bool); 9] = [
    ("default_ttl_ms", false),
    ("activity_bump_ms", false),
    ("failure_ttl_ms", false),
    ("time_til_dormant_ms", false),
    ("time_til_dormant_autodelete_ms", false),
    ("allow_user_autostart", true),
    ("allow_user_autostop", true),
    ("allow_user_cancel_workspace_jobs", true),
    ("require_active_version", true),
];
const TEXTS: [&str; 4] = ["display_name", "description", "icon", "deprecation_message"];

impl TemplateCoder {
    /// A world around it.
    pub(super) fn world(&self) -> World {
        let coder = self.clone();
        World::stateful(move |call| coder.answer(call))
    }

    /// Lets calls that begin so (`GET /files`) fail, so often; with a `$` behind it the whole is meant.
    pub(super) fn fail(&self, calls: &str, times: u32, effect: bool, outcome: Outcome) {
        self.0.borrow_mut().faults.push((calls.to_owned(), times, effect, outcome));
    }

    /// Whether an import of this text in `main.tf` succeeds.
    pub(super) fn import(&self, text: &str, status: &'static str) {
        self.0.borrow_mut().imports.insert(text.to_owned(), status);
    }

    /// The text in `main.tf` of the active version.
    pub(super) fn active(&self, name: &str) -> String {
        let state = self.0.borrow();
        let template = state.templates.iter().find(|template| template.name == name).unwrap();
        state.text(state.versions.iter().find(|version| version.id == template.active).unwrap())
    }

    /// Makes a version active, as somebody would by hand.
    pub(super) fn activate(&self, name: &str, text: &str) {
        let mut state = self.0.borrow_mut();
        let id = state.versions.iter().find(|version| state.text(version) == text).unwrap().id.clone();
        state.templates.iter_mut().find(|template| template.name == name).unwrap().active = id;
    }

    fn answer(&self, call: &Call) -> Outcome {
        let line = format!("{} {}", call.method, call.path.strip_prefix("/api/v2").unwrap_or(&call.path));
        let mut state = self.0.borrow_mut();
        let fits = |begins: &str| match begins.strip_suffix('$') {
            Some(whole) => line == whole,
            None => line.starts_with(begins),
        };
        let fault = state.faults.iter_mut().find(|(begins, times, ..)| *times > 0 && fits(begins));
        let fault = fault.map(|(_, times, effect, outcome)| {
            *times = times.saturating_sub(1);
            (*effect, outcome.clone())
        });
        match fault {
            Some((false, outcome)) => outcome,
            Some((true, outcome)) => {
                let _ = state.act(call, &line);
                outcome
            }
            None => state.act(call, &line),
        }
    }
}

fn refuse(status: u16, message: &str) -> Outcome {
    answer(status, &json!({"message": message}))
}

impl State {
    fn id(&mut self, kind: &str) -> String {
        self.ids = self.ids.saturating_add(1);
        format!("00000000-0000-0000-0000-{kind}{:011}", self.ids)
    }

    pub(super) fn text(&self, version: &Version) -> String {
        let Some(archive) = version.file.parse::<usize>().ok().and_then(|at| self.files.get(at)) else {
            return String::new();
        };
        let files = archive::read(archive).unwrap();
        String::from_utf8(files.get("main.tf".as_bytes()).unwrap_or_default().to_vec()).unwrap()
    }

    fn version(&self, version: &Version) -> Value {
        let failed = version.status == "failed";
        json!({
            "id": version.id, "template_id": version.template.as_deref().unwrap_or(ZEROS), "organization_id": ORGANIZATION,
            "created_at": "2026-11-21T10:00:00Z", "name": version.name, "message": version.message, "archived": version.archived,
            "job": {
                "id": version.id, "created_at": "2026-11-21T10:00:00Z", "status": version.status, "file_id": version.file, "tags": version.tags,
                "type": "template_version_import", "input": {"template_version_id": version.id},
                "error": if failed { "no such module" } else { "" },
            }
        })
    }

    fn template(&self, template: &Template) -> Value {
        let mut json = json!({
            "id": template.id, "name": template.name, "organization_name": "coder", "active_version_id": template.active,
            "created_at": "2026-11-21T10:00:00Z", "updated_at": "2026-11-21T10:00:00Z", "provisioner": "terraform", "active_user_count": -1,
            "deprecated": template.settings["deprecation_message"] != "",
        });
        for (name, value) in &template.settings {
            json[name] = value.clone();
        }
        json
    }

    fn act(&mut self, call: &Call, line: &str) -> Outcome {
        // Whoever looks at an import sees it end.
        for at in 0..self.versions.len() {
            let text = self.text(&self.versions[at]);
            if let (Some(status), "pending") = (self.imports.get(&text), self.versions[at].status) {
                self.versions[at].status = status;
            }
        }
        let (line, query) = line.split_once('?').unwrap_or((line, ""));
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let parts: Vec<&str> = line.split(['/', ' ']).filter(|part| !part.is_empty()).collect();
        let missing = || refuse(404, "Resource not found or you do not have access to this resource");
        match parts.as_slice() {
            ["GET", "organizations"] => answer(200, &json!([{"id": ORGANIZATION, "name": "coder"}])),
            ["GET", "organizations", "coder" | "default"] => {
                answer(200, &json!({"id": ORGANIZATION, "name": "coder"}))
            }
            ["GET", "organizations", _] => missing(),
            ["GET", "organizations", _, "templates", name] => {
                let template = self.templates.iter().find(|template| template.name == *name);
                template.map_or_else(missing, |template| answer(200, &self.template(template)))
            }
            ["GET", "organizations", _, "provisionerjobs"] => {
                let jobs = self.versions.iter().rev().map(|version| {
                    let mut job = self.version(version)["job"].take();
                    job["metadata"] = json!({"template_version_name": version.name,
                        "template_id": version.template.as_deref().unwrap_or(ZEROS)});
                    job
                });
                answer(200, &jobs.collect())
            }
            ["GET", "templates"] => {
                let deprecated = query.contains("deprecated%3Atrue");
                let templates = self.templates.iter().map(|template| self.template(template));
                answer(200, &templates.filter(|template| template["deprecated"] == deprecated).collect())
            }
            ["GET", "templates", id] => {
                let template = self.templates.iter().find(|template| template.id == *id);
                template.map_or_else(missing, |template| answer(200, &self.template(template)))
            }
            ["GET", "templates", id, "versions"] => {
                let versions = self.versions.iter().filter(|version| version.template.as_deref() == Some(id));
                answer(200, &versions.map(|version| self.version(version)).collect())
            }
            ["GET", "templateversions", id] => {
                let version = self.versions.iter().find(|version| version.id == *id);
                version.map_or_else(missing, |version| answer(200, &self.version(version)))
            }
            ["GET", "templateversions", _, "logs"] => {
                answer(200, &json!([{"created_at": "2026-11-21T10:00:00Z", "output": "Error: no module"}]))
            }
            ["GET", "files", id] => match id.parse::<usize>().ok().and_then(|at| self.files.get(at)) {
                Some(file) => Ok(Answer {
                    status: 200,
                    headers: vec![("content-type".to_owned(), b"application/x-tar".to_vec())],
                    body: file.clone(),
                }),
                None => missing(),
            },
            ["GET", "workspaces"] => {
                let name = |template: &Template| query.contains(&format!("template%3A{}", template.name));
                let Some(template) = self.templates.iter().find(|template| name(template)) else {
                    panic!("{query}")
                };
                let workspaces = (0..template.workspaces).map(|_| {
                    let mut workspace = workspace("alice", "w");
                    workspace["template_id"] = template.id.clone().into();
                    workspace
                });
                answer(
                    200,
                    &json!({"workspaces": workspaces.take(1).collect::<Value>(), "count": template.workspaces}),
                )
            }
            ["POST", "files"] => {
                let at = self.files.iter().position(|file| *file == call.body);
                let new = at.is_none();
                let at = at.unwrap_or(self.files.len());
                if new {
                    self.files.push(call.body.clone());
                }
                answer(if new { 201 } else { 200 }, &json!({"hash": at.to_string()}))
            }
            ["POST", "organizations", "coder", "templateversions"] => self.make_version(&body),
            ["POST", "organizations", "coder", "templates"] => self.make_template(&body),
            ["PATCH", "templates", id] => self.patch_template(id, &body),
            ["PATCH", "templates", id, "versions"] => {
                let version = self.versions.iter().find(|version| version.id == body["id"]).unwrap();
                if version.status != "succeeded" {
                    return refuse(403, "Only versions that have been built successfully can be promoted.");
                }
                let active = version.id.clone();
                self.templates.iter_mut().find(|template| template.id == *id).unwrap().active = active;
                answer(200, &json!({"message": "Updated the active template version!"}))
            }
            ["PATCH", "templateversions", id] => {
                let version = self.versions.iter_mut().find(|version| version.id == *id).unwrap();
                version.message = body["message"].as_str().unwrap().to_owned();
                let version = version.clone();
                answer(200, &self.version(&version))
            }
            ["DELETE", "templates", id] => {
                match self.templates.iter().position(|template| template.id == *id) {
                    None => missing(),
                    Some(at) if self.templates[at].workspaces > 0 => {
                        refuse(400, "All workspaces must be deleted before a template can be removed.")
                    }
                    Some(at) => {
                        self.templates.remove(at);
                        answer(200, &json!({"message": "Template has been deleted!"}))
                    }
                }
            }
            _ => panic!("{line}"),
        }
    }

    fn make_version(&mut self, body: &Value) -> Outcome {
        let template = body["template_id"].as_str().map(str::to_owned);
        let name = body["name"].as_str().unwrap().to_owned();
        let taken =
            |version: &Version| template.is_some() && version.template == template && version.name == name;
        if self.versions.iter().any(taken) {
            return refuse(409, "A template version with that name already exists for this template.");
        }
        let mut tags = body["tags"].clone();
        (tags["owner"], tags["scope"]) = ("".into(), "organization".into());
        let version = Version {
            id: self.id("9"),
            template,
            name,
            message: body["message"].as_str().unwrap().to_owned(),
            status: "pending",
            archived: false,
            file: body["file_id"].as_str().unwrap().to_owned(),
            tags,
            variables: body["user_variable_values"].clone(),
        };
        self.versions.push(version.clone());
        answer(201, &self.version(&version))
    }

    fn make_template(&mut self, body: &Value) -> Outcome {
        let name = body["name"].as_str().unwrap().to_owned();
        if self.templates.iter().any(|template| template.name == name) {
            return refuse(409, "Template with that name already exists.");
        }
        let id = self.id("1");
        let Some(version) =
            self.versions.iter_mut().find(|version| version.id == body["template_version_id"])
        else {
            return refuse(404, "Template version does not exist.");
        };
        if version.template.is_some() {
            return refuse(400, "Template version is already part of a template");
        }
        version.template = Some(id.clone());
        let active = version.id.clone();
        let mut settings = BTreeMap::new();
        for (field, truth) in RESETS {
            let otherwise = if truth { Value::from(field.starts_with("allow_user_auto")) } else { 0.into() };
            settings.insert(field.to_owned(), body.get(field).cloned().unwrap_or(otherwise));
        }
        // There is no licence.
        settings.insert("require_active_version".to_owned(), false.into());
        if body.get("activity_bump_ms").is_none() {
            settings.insert("activity_bump_ms".to_owned(), 3_600_000.into());
        }
        for field in TEXTS {
            settings.insert(field.to_owned(), body.get(field).cloned().unwrap_or_else(|| "".into()));
        }
        let template = Template { id, name, active, settings, workspaces: 0 };
        self.templates.push(template.clone());
        answer(201, &self.template(&template))
    }

    fn patch_template(&mut self, id: &str, body: &Value) -> Outcome {
        let template = self.templates.iter_mut().find(|template| template.id == id).unwrap();
        for (field, truth) in RESETS.into_iter().filter(|(field, _)| *field != "require_active_version") {
            let zero = if truth { Value::from(false) } else { 0.into() };
            template.settings.insert(field.to_owned(), body.get(field).cloned().unwrap_or(zero));
        }
        for field in TEXTS {
            if let Some(value) = body.get(field) {
                template.settings.insert(field.to_owned(), value.clone());
            }
        }
        let template = template.clone();
        answer(200, &self.template(&template))
    }
}
