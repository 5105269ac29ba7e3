//! Everybody who watches, and whether they know in the end what there is.

use crate::{
    dice::Dice,
    judge::{Broken, Testimony},
    raw::{Raw, Store},
    reflectors::{Reflector, resource},
    told::{FIELDS, Told},
};
use e2e::{
    Endpoint, GoClients, Lab, Request,
    go::{Options, TEMPLATES, WORKSPACES},
    watch::comparable,
};
use kube::runtime::watcher;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// What a client watches.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) client: String,
    pub(crate) plural: &'static str,
    pub(crate) selector: String,
    pub(crate) metadata: bool,
}

/// See the module.
pub(crate) struct Watching {
    /// The processes in Go, of which some may have their connections cut.
    pub(crate) go: Mutex<Vec<GoClients>>,
    subjects: Vec<Vec<Subject>>,
    reflectors: Vec<(Subject, Reflector)>,
    raw: Vec<(Subject, Raw)>,
}

impl Watching {
    /// Starts them all: each kind of client at each Envoy, and raw watchers that walk between these.
    pub(crate) fn start(
        lab: &Lab,
        program: &Path,
        user: &str,
        kubeconfigs: &[PathBuf],
        fronts: &[Endpoint],
        dice: &mut Dice,
    ) -> Watching {
        let mut watching =
            Watching { go: Mutex::default(), subjects: Vec::new(), reflectors: Vec::new(), raw: Vec::new() };
        let selector = format!("coder.com/owner={user}");
        for (number, kubeconfig) in kubeconfigs.iter().enumerate() {
            let options = Options { kubeconfig: Some(kubeconfig), fields: &FIELDS, ..Options::default() };
            let lists = Options { lists: true, ..options.clone() };
            let spec = |id: &str, more: Value| {
                let mut spec = json!({"id": format!("{id}@{number}"), "resource": WORKSPACES});
                e2e::api::merge(&mut spec, &more);
                spec
            };
            let groups = [
                (
                    "informers",
                    options.clone(),
                    vec![
                        spec("all", json!({})),
                        spec("metadata", json!({"metadata": true})),
                        spec("selected", json!({"namespace": lab.namespace, "selector": selector})),
                        spec("short", json!({"timeoutSeconds": 3, "http1": true})),
                        spec("templates", json!({"resource": TEMPLATES})),
                    ],
                ),
                (
                    "informers",
                    lists,
                    vec![
                        spec("lists", json!({"limit": 3, "timeoutSeconds": 7})),
                        spec("lists-metadata", json!({"metadata": true})),
                        spec("lists-templates", json!({"resource": TEMPLATES})),
                    ],
                ),
                ("retrywatcher", options.clone(), vec![spec("retry", json!({"namespace": lab.namespace}))]),
                (
                    "controller-runtime",
                    options,
                    vec![spec("reconciled", json!({})), spec("shadow", json!({"metadata": true}))],
                ),
            ];
            for (what, options, specs) in groups {
                // controller-runtime needs discovery at its start, so nobody has died yet.
                watching
                    .go
                    .get_mut()
                    .expect("new")
                    .push(GoClients::start(lab, program, what, &specs, &options));
                watching.subjects.push(specs.iter().map(subject).collect());
            }
            for (id, config) in [
                ("kube-rs", watcher::Config { page_size: Some(4), ..watcher::Config::default() }),
                ("kube-rs-streaming", watcher::Config::default().streaming_lists()),
            ] {
                let subject = subject(&spec(id, json!({})));
                let kind = resource("CoderWorkspace", "coderworkspaces");
                let reflector = Reflector::start(subject.client.clone(), kubeconfig, kind, config);
                watching.reflectors.push((subject, reflector));
            }
        }
        // The lab's own Envoy, which is the last, is never started anew.
        let (own, all) = (&fronts[fronts.len() - 1..], fronts);
        for (id, plural, fronts) in [
            ("raw", WORKSPACES, own),
            ("raw-templates", TEMPLATES, own),
            ("walking-1", WORKSPACES, all),
            ("walking-2", WORKSPACES, all),
            ("walking-templates", TEMPLATES, all),
        ] {
            let subject = subject(&json!({"id": id, "resource": plural}));
            let path = lab.path(subject.plural);
            let raw = Raw::start(subject.client.clone(), fronts.to_vec(), path, dice.split());
            watching.raw.push((subject, raw));
        }
        watching
    }

    /// The first client whose store is not what a list shows, in words.
    pub(crate) fn behind(&self, lab: &Lab, front: &Endpoint) -> Option<String> {
        let mut listed: BTreeMap<String, Value> = BTreeMap::new();
        let mut list = |subject: &Subject| -> Result<Value, String> {
            let target = format!(
                "{}?labelSelector={}",
                lab.path(subject.plural),
                subject.selector.replace('=', "%3D")
            );
            if let Some(list) = listed.get(&target) {
                return Ok(list.clone());
            }
            let answer = front.try_send(&Request::get(&target)).map_err(|error| error.to_string())?;
            if answer.status() != 200 {
                return Err(format!("{target}: {} {}", answer.status(), answer.excerpt()));
            }
            listed.insert(target, answer.json());
            Ok(answer.json())
        };
        let mut differs = |subject: &Subject, held: Store| match list(subject) {
            Err(why) => Some(why),
            Ok(list) => difference(subject, held, &list),
        };
        for (subject, raw) in &self.raw {
            if let Some(words) = differs(subject, raw.store()) {
                return Some(words);
            }
        }
        for (subject, reflector) in &self.reflectors {
            if let Some(words) = differs(subject, reflector.store()) {
                return Some(words);
            }
        }
        let mut go = self.go.lock().expect("nobody has failed");
        for (process, subjects) in go.iter_mut().zip(&self.subjects) {
            for subject in subjects {
                let held = process.held(&subject.client);
                if !held.synced {
                    return Some(format!("{}: not synced", subject.client));
                }
                let held = held.objects.into_iter().map(|((_, name), object)| (name, object)).collect();
                if let Some(words) = differs(subject, held) {
                    return Some(words);
                }
            }
        }
        None
    }

    /// Writes down all that the clients in Go have said, for who looks for the reason of a failure.
    pub(crate) fn keep(&self, folder: &Path) {
        let go = self.go.lock().expect("nobody has failed");
        for (process, subjects) in go.iter().zip(&self.subjects) {
            let text: String = process.lines().iter().map(|line| format!("{line}\n")).collect();
            let file = folder.join(format!("{}.jsonl", subjects[0].client));
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(file, text))
                .expect("a temporary folder");
        }
    }

    /// Ends them all, and has them tell what they were told.
    pub(crate) fn testimonies(self) -> Vec<Testimony> {
        let mut all: Vec<_> = self.raw.into_iter().map(|(_, raw)| raw.stop()).collect();
        all.extend(self.reflectors.into_iter().map(|(_, reflector)| reflector.stop()));
        let go = self.go.into_inner().expect("nobody has failed");
        for (process, subjects) in go.iter().zip(&self.subjects) {
            let lines = process.lines();
            for subject in subjects {
                let of = |kind: &str| {
                    let of = |line: &&Value| {
                        line["line"] == kind && line["id"] == *subject.client && line["uid"].is_string()
                    };
                    lines.iter().filter(of).map(Told::line).collect::<Vec<_>>()
                };
                let strange = |line: &&Value| line["id"] == *subject.client && !line["strange"].is_null();
                all.push(Testimony {
                    told: of("event"),
                    wire: of("wire"),
                    strange: lines
                        .iter()
                        .filter(strange)
                        .map(|line| strange_line(&subject.client, line))
                        .collect(),
                    ..Testimony::new(subject.client.clone())
                });
            }
        }
        all
    }
}

fn strange_line(client: &str, line: &Value) -> Broken {
    let at = line["at"].as_u64().unwrap_or_default();
    Broken {
        law: "not understood",
        client: client.into(),
        at,
        object: String::new(),
        words: line.to_string(),
    }
}

fn subject(spec: &Value) -> Subject {
    let text = |key: &str| spec[key].as_str().unwrap_or_default().to_owned();
    Subject {
        client: text("id"),
        plural: if spec["resource"] == TEMPLATES { "codertemplates" } else { "coderworkspaces" },
        selector: text("selector"),
        metadata: spec["metadata"] == true,
    }
}

/// How a store differs from a list.
fn difference(subject: &Subject, held: Store, list: &Value) -> Option<String> {
    let form = |object: &Value| {
        let object = comparable(object);
        if subject.metadata { json!({"metadata": object["metadata"]}) } else { object }
    };
    let items = list["items"].as_array().into_iter().flatten();
    let listed: Store = items
        .map(|item| (item["metadata"]["name"].as_str().unwrap_or_default().to_owned(), form(item)))
        .collect();
    let held: Store = held.iter().map(|(name, object)| (name.clone(), form(object))).collect();
    let mut names: Vec<_> = listed.keys().chain(held.keys()).collect();
    names.sort();
    names.dedup();
    let name = names.into_iter().find(|name| listed.get(*name) != held.get(*name))?;
    let show = |store: &Store| store.get(name).map_or("nothing".to_owned(), Value::to_string);
    Some(format!("{}: {name}\n  held   {}\n  listed {}", subject.client, show(&held), show(&listed)))
}
