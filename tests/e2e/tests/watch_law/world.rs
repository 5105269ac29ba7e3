//! Random changes: made through us, through Coder directly, and by the builds that they start. Each writer has workspaces of its own, so that
//! it knows the order of its changes; counters written into the objects show that order to everybody.

use crate::{diary::Diary, dice::Dice, told::schedule};
use e2e::{
    Api, Endpoint, Lab, Request, Response, Scratch,
    api::workspace,
    seed::{ORGANIZATION, coder_get},
};
use serde_json::{Value, json};
use std::{
    io,
    time::{Duration, Instant},
};

/// A write whose outcome is unknown has had its effect by then.
const SETTLING: Duration = Duration::from_millis(800);

/// One writer.
pub(crate) struct Writer<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) user: String,
    pub(crate) diary: &'a Diary,
    /// Every Envoy there is.
    pub(crate) fronts: Vec<Endpoint>,
    pub(crate) dice: Dice,
    /// Its template, within Coder, and the id.
    pub(crate) template: (String, String),
    pub(crate) slots: Vec<Slot>,
    /// The counter of the template's description.
    pub(crate) described: u64,
}

/// A place for a workspace. A new one follows when one is deleted, often with the same name.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    name: String,
    id: Option<String>,
    renames: usize,
    ttl: u64,
    schedule: u64,
    dormant: bool,
    rests_until: Option<Instant>,
}

impl<'a> Writer<'a> {
    /// A writer with a template and so many places.
    pub(crate) fn new(
        scratch: &Scratch<'_>,
        lab: &'a Lab,
        diary: &'a Diary,
        fronts: Vec<Endpoint>,
        dice: Dice,
        what: (&str, usize),
    ) -> Writer<'a> {
        let template = scratch.coder_template(what.0, &echo_archive::Archive::plain());
        let shown = coder_get(lab, &format!("/organizations/{ORGANIZATION}/templates/{template}"));
        let id = shown["id"].as_str().expect("an id").to_owned();
        let slot = |number| Slot { name: format!("{}{number}", what.0), ..Slot::default() };
        Writer {
            lab,
            user: scratch.user.clone(),
            diary,
            fronts,
            dice,
            template: (template, id),
            slots: (0..what.1).map(slot).collect(),
            described: 0,
        }
    }

    /// Changes things until a time.
    pub(crate) fn run(&mut self, end: Instant) {
        while Instant::now() < end {
            std::thread::sleep(self.dice.milliseconds(20, 400));
            if self.dice.percent(8) {
                self.describe();
                continue;
            }
            let number = self.dice.below(self.slots.len());
            let mut slot = std::mem::take(&mut self.slots[number]);
            if slot.rests_until.is_none_or(|until| until < Instant::now()) {
                self.change(&mut slot);
            }
            self.slots[number] = slot;
        }
    }

    fn change(&mut self, slot: &mut Slot) {
        slot.rests_until = None;
        let Some(id) = self.look(slot) else { return self.create(slot) };
        match self.dice.below(100) {
            0..28 => {
                slot.ttl += 1;
                let milliseconds = slot.ttl * 60_000;
                let (ours, coders) = (json!({"ttlMillis": milliseconds}), json!({"ttl_ms": milliseconds}));
                self.set(slot, &ours, ("PUT", format!("/workspaces/{id}/ttl")), &coders);
            }
            28..45 => {
                slot.schedule += 1;
                let text = schedule(slot.schedule);
                let (ours, coders) = (json!({"autostartSchedule": text}), json!({"schedule": text}));
                self.set(slot, &ours, ("PUT", format!("/workspaces/{id}/autostart")), &coders);
            }
            45..70 => {
                let start = self.dice.percent(50);
                let transition = if start { "start" } else { "stop" };
                let (ours, coders) = (json!({"running": start}), json!({"transition": transition}));
                self.set(slot, &ours, ("POST", format!("/workspaces/{id}/builds")), &coders);
            }
            70..78 => {
                slot.dormant = !slot.dormant;
                let (ours, coders) = (json!({"dormant": slot.dormant}), json!({"dormant": slot.dormant}));
                self.set(slot, &ours, ("PUT", format!("/workspaces/{id}/dormant")), &coders);
            }
            78..85 => {
                self.diary.leaves(&id, &self.name(slot));
                slot.renames += 1;
                slot.name = format!("{}r{}", slot.name.split('r').next().unwrap_or_default(), slot.renames);
                self.past_us(slot, "PATCH", &format!("/workspaces/{id}"), &json!({"name": slot.name}));
            }
            _ => {
                self.diary.goes(&id);
                if self.dice.percent(50) {
                    let (api, name) = (self.us(), self.name(slot));
                    self.through_us(slot, "delete", || api.send_raw("DELETE", &name, &Value::Null));
                } else {
                    let body = json!({"transition": "delete"});
                    self.past_us(slot, "POST", &format!("/workspaces/{id}/builds"), &body);
                }
            }
        }
    }

    /// Changes one thing, either way.
    fn set(&mut self, slot: &mut Slot, ours: &Value, (method, path): (&str, String), coders: &Value) {
        if self.dice.percent(50) {
            let (api, name) = (self.us(), self.name(slot));
            self.through_us(slot, &ours.to_string(), || api.send_raw("PATCH", &name, &json!({"spec": ours})));
        } else {
            self.past_us(slot, method, &path, coders);
        }
    }

    /// The workspace's id as Coder has it now; `None` when there is none.
    fn look(&self, slot: &mut Slot) -> Option<String> {
        let path = match &slot.id {
            Some(id) => format!("/api/v2/workspaces/{id}"),
            None => format!("/api/v2/users/{}/workspace/{}", self.user, slot.name),
        };
        let shown = self.lab.coder().get(&path);
        if shown.status() != 200 {
            // 410, or 404 by name.
            slot.id = None;
            return None;
        }
        let shown = shown.json();
        slot.name = shown["name"].as_str().unwrap_or_default().to_owned();
        slot.dormant = !shown["dormant_at"].is_null();
        slot.id = shown["id"].as_str().map(str::to_owned);
        slot.id.clone()
    }

    fn create(&mut self, slot: &mut Slot) {
        (slot.ttl, slot.schedule, slot.dormant) = (1, 1, false);
        let (ttl, schedule) = (60_000, schedule(1));
        if self.dice.percent(50) {
            let spec = json!({"ttlMillis": ttl, "autostartSchedule": schedule});
            let (api, object) = (self.us(), workspace(&self.name(slot), &self.template.0, &spec));
            self.through_us(slot, "create", || api.send_raw("POST", "", &object));
        } else {
            let body = json!({"name": slot.name, "template_id": self.template.1, "ttl_ms": ttl, "autostart_schedule": schedule});
            self.past_us(slot, "POST", &format!("/users/{}/workspaces", self.user), &body);
        }
    }

    /// The template's description: another counter, and now and then new files.
    fn describe(&mut self) {
        self.described += 1;
        let text = format!("change {}", self.described);
        let mut slot = Slot { name: self.template.0.clone(), ..Slot::default() };
        let name = format!("{ORGANIZATION}.{}", self.template.0);
        if self.dice.percent(60) {
            let front = self.front();
            let api = Us { api: Api::new(self.lab, front.clone(), "codertemplates"), front };
            let mut spec = json!({"description": text});
            if self.dice.percent(30) {
                let archive = echo_archive::Archive::plain().file("README.md", text.as_str());
                spec["files"] = e2e::api::files(&archive);
            }
            self.through_us(&mut slot, &text, || api.send_raw("PATCH", &name, &json!({"spec": spec})));
        } else {
            let path = format!("/templates/{}", self.template.1);
            self.past_us(&mut slot, "PATCH", &path, &self.metadata(&path, &text));
        }
        // Nobody else changes it: what has an unknown outcome must be over before the next change.
        if slot.rests_until.is_some() {
            std::thread::sleep(SETTLING);
        }
    }

    /// A template's new description, and the rest as it is: Coder resets what it is not told.
    fn metadata(&self, path: &str, description: &str) -> Value {
        let kept = [
            "default_ttl_ms",
            "activity_bump_ms",
            "allow_user_autostart",
            "allow_user_autostop",
            "allow_user_cancel_workspace_jobs",
            "failure_ttl_ms",
            "time_til_dormant_ms",
            "time_til_dormant_autodelete_ms",
            "require_active_version",
        ];
        let shown = coder_get(self.lab, path);
        let mut body = json!({"description": description});
        kept.iter().for_each(|key| body[*key] = shown[*key].clone());
        body
    }

    fn us(&mut self) -> Us {
        let front = self.front();
        Us { api: Api::new(self.lab, front.clone(), "coderworkspaces"), front }
    }

    fn front(&mut self) -> Endpoint {
        self.dice.of(&self.fronts).clone()
    }

    fn name(&self, slot: &Slot) -> String {
        format!("{ORGANIZATION}.{}.{}", self.user, slot.name)
    }

    /// A change through us, which faults may spoil.
    fn through_us(&self, slot: &mut Slot, what: &str, send: impl FnOnce() -> io::Result<Response>) {
        let answer = send();
        let status = answer.as_ref().map_or(0, Response::status);
        self.diary.note(format!("through us: {} {what}: {status}", slot.name));
        if status == 0 || status >= 500 {
            slot.rests_until = Some(Instant::now() + SETTLING);
        }
    }

    /// A change past us.
    fn past_us(&self, slot: &mut Slot, method: &str, path: &str, body: &Value) {
        let request = Request::new(method, &format!("/api/v2{path}")).json(body);
        let status = self.lab.coder().send(&request).status();
        self.diary.note(format!("past us: {} {method} {path} {body}: {status}", slot.name));
    }
}

/// Our API at one Envoy, which may be down.
struct Us {
    api: Api,
    front: Endpoint,
}

impl Us {
    fn send_raw(&self, method: &str, name: &str, body: &Value) -> io::Result<Response> {
        let request = Request::new(method, &self.api.target(name, ""));
        self.front.try_send(&match (method, body) {
            (_, Value::Null) => request,
            ("PATCH", body) => request.body(e2e::api::MERGE, body.to_string()),
            (_, body) => request.json(body),
        })
    }
}
