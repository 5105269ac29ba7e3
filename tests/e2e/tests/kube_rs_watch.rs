//! How controllers written with the `kube` crate watch: its watcher with both ways of listing, its reflector, and the bare watch.

use e2e::{
    GROUP, Lab, Scratch,
    api::{PATIENCE, ok, workspace},
};
use futures_util::{Stream, StreamExt, pin_mut};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{DynamicResourceScope, PartialObjectMeta},
    runtime::{WatchStreamExt, reflector, watcher, watcher::Event},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::mpsc::{self, Sender},
};

type Objects = Api<DynamicObject>;

async fn client(lab: &Lab, context: &str) -> Client {
    let kubeconfig = Kubeconfig::read_from(&lab.kubeconfig).unwrap();
    let options = KubeConfigOptions { context: Some(context.into()), ..KubeConfigOptions::default() };
    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap()).unwrap()
}

fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(GROUP, "v1alpha1", "CoderWorkspace");
    ApiResource::from_gvk_with_plural(&kind, "coderworkspaces")
}

/// A workspace that begins to live when it is told to.
struct Life {
    name: String,
    begin: Sender<()>,
}

impl Life {
    fn begin(&self) {
        self.begin.send(()).unwrap();
    }
}

/// A life of a workspace, in a thread of its own, while something watches: workspaces here, or everywhere.
fn while_living<K, F: Future<Output = ()>>(context: &str, watch: impl FnOnce(Api<K>, Api<K>, Life) -> F)
where
    K: kube::Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("watched"));
    let (begin, begun) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let life = Life { name: name.clone(), begin };
        let work = scope.spawn(move || {
            // Whoever watches may have failed before.
            begun.recv().ok()?;
            ok(&api.create("", &workspace(&name, "plain", &json!({}))));
            api.ready(&name);
            ok(&api.merge(&name, &json!({"spec": {"running": false}})));
            api.ready(&name);
            ok(&api.delete(&name, "", &Value::Null));
            api.gone(&name);
            Some(())
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = client(&lab, context).await;
            let here = Api::namespaced_with(client.clone(), &lab.namespace, &resource());
            let everywhere = Api::all_with(client, &resource());
            tokio::time::timeout(PATIENCE, watch(here, everywhere, life)).await.expect("in time");
        });
        work.join().unwrap();
    });
}

/// Follows the events of a watcher through that life.
async fn follow<K: ResourceExt + Debug>(events: impl Stream<Item = watcher::Result<Event<K>>>, life: Life) {
    pin_mut!(events);
    let (mut inits, mut seen, mut others) = (0, 0, BTreeMap::new());
    while let Some(event) = events.next().await {
        match event.unwrap_or_else(|e| panic!("{e}")) {
            Event::Init => inits += 1,
            Event::InitDone => {
                assert!(others.len() > 5, "what there is has been told: {others:?}");
                life.begin();
            }
            Event::InitApply(object) | Event::Apply(object) if object.name_any() != life.name => {
                others.insert(object.name_any(), object.resource_version());
            }
            Event::InitApply(_) | Event::Apply(_) => seen += 1,
            Event::Delete(object) if object.name_any() == life.name => {
                assert!(seen >= 2, "{seen} states of a life");
                assert_eq!(inits, 1, "it never had to begin anew");
                return;
            }
            Event::Delete(_) => {}
        }
    }
    panic!("the watcher has ended");
}

#[test]
fn a_watcher_that_lists_first_follows_a_life() {
    while_living("admin", async |here: Objects, _, life| {
        follow(watcher(here, watcher::Config::default()), life).await;
    });
}

#[test]
fn a_watcher_that_lists_page_by_page_follows_a_life() {
    while_living("cert", async |_, everywhere: Objects, life| {
        follow(watcher(everywhere, watcher::Config::default().page_size(3)), life).await;
    });
}

#[test]
fn a_watcher_that_takes_any_list_follows_a_life() {
    while_living("admin", async |here: Objects, _, life| {
        follow(watcher(here, watcher::Config::default().any_semantic().timeout(20)), life).await;
    });
}

#[test]
fn a_watcher_that_streams_the_list_follows_a_life() {
    while_living("cert", async |_, everywhere: Objects, life| {
        follow(watcher(everywhere, watcher::Config::default().streaming_lists()), life).await;
    });
}

#[test]
fn a_watcher_of_metadata_follows_a_life() {
    while_living("admin", async |here: Api<PartialObjectMeta<DynamicObject>>, _, life| {
        follow(watcher(here, watcher::Config::default().streaming_lists()), life).await;
    });
}

#[test]
fn a_watcher_of_one_object_follows_its_life() {
    while_living("admin", async |here: Objects, _, life| {
        let states = watcher::watch_object(here, &life.name);
        pin_mut!(states);
        life.begin();
        let mut alive = false;
        while let Some(state) = states.next().await {
            match state.unwrap() {
                Some(object) => {
                    assert_eq!(object.name_any(), life.name);
                    alive = true;
                }
                None if alive => return,
                None => {}
            }
        }
    });
}

#[test]
fn a_reflector_holds_what_a_list_shows() {
    while_living("admin", async |here: Objects, _, life| {
        let writer = reflector::store::Writer::new(resource());
        let reader = writer.as_reader();
        let events = reflector(writer, watcher(here.clone(), watcher::Config::default().streaming_lists()));
        let events = events.default_backoff().touched_objects();
        pin_mut!(events);
        life.begin();
        let mut lived = false;
        loop {
            events.next().await.expect("it goes on").unwrap();
            let held: BTreeMap<_, _> =
                reader.state().iter().map(|object| (object.name_any(), object.uid())).collect();
            lived |= held.contains_key(&life.name);
            if lived && !held.contains_key(&life.name) {
                let list = here.list(&ListParams::default()).await.unwrap();
                let listed: BTreeMap<_, _> =
                    list.iter().map(|object| (object.name_any(), object.uid())).collect();
                let others = |all: &BTreeMap<String, Option<String>>| -> Vec<_> {
                    all.keys().filter(|name| !name.contains(".e2e")).cloned().collect()
                };
                assert_eq!(others(&held), others(&listed));
                return;
            }
        }
    });
}

#[test]
fn a_bare_watch_tells_kinds_of_events() {
    while_living("cert", async |here: Objects, _, life| {
        let mut version =
            here.list(&ListParams::default().limit(1)).await.unwrap().metadata.resource_version.unwrap();
        life.begin();
        let mut kinds = Vec::new();
        loop {
            // A watch may end before all has been told, a long poll does.
            let parameters = WatchParams::default().fields(&format!("metadata.name={}", life.name));
            let events = here.watch(&parameters, &version).await.unwrap();
            pin_mut!(events);
            while let Some(event) = events.next().await {
                let (kind, object) = match event.unwrap() {
                    WatchEvent::Added(object) => ("added", object),
                    WatchEvent::Modified(object) => ("modified", object),
                    WatchEvent::Deleted(object) => ("deleted", object),
                    WatchEvent::Bookmark(bookmark) => {
                        version.clone_from(&bookmark.metadata.resource_version);
                        continue;
                    }
                    WatchEvent::Error(error) => panic!("{error:?}"),
                };
                assert_eq!(object.name_any(), life.name);
                version = object.resource_version().unwrap();
                kinds.push(kind);
                if kind == "deleted" {
                    break;
                }
            }
            if kinds.last() == Some(&"deleted") {
                break;
            }
        }
        let (first, rest) = kinds.split_first().unwrap();
        assert!(*first == "added" && rest.len() >= 2, "{kinds:?}");
        assert!(rest[..rest.len() - 1].iter().all(|kind| *kind == "modified"), "{kinds:?}");
    });
}
