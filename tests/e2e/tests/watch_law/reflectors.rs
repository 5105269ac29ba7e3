//! kube-rs reflectors, in a thread of their own.

use crate::{diary::now, judge::Testimony, raw::Store, told::Told};
use futures_util::StreamExt;
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        WatchStreamExt, reflector,
        watcher::{self, Event, watcher},
    },
};
use serde_json::Value;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};
use tokio::sync::oneshot;

/// See the module. Ends with [`Reflector::stop`].
pub(crate) struct Reflector {
    client: String,
    store: reflector::Store<DynamicObject>,
    told: Arc<Mutex<Vec<Told>>>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// The kind of one of our resources.
pub(crate) fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(e2e::GROUP, "v1alpha1", kind), plural)
}

impl Reflector {
    /// Begins to follow a collection in all namespaces.
    pub(crate) fn start(
        client: String,
        kubeconfig: &Path,
        resource: ApiResource,
        config: watcher::Config,
    ) -> Reflector {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let writer = reflector::store::Writer::new(resource.clone());
        let store = writer.as_reader();
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let (stop, stopped) = oneshot::channel();
        let telling = Arc::clone(&told);
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let options = KubeConfigOptions::default();
                let config_of =
                    Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a configuration");
                let client = Client::try_from(config_of).expect("a client");
                let api: Api<DynamicObject> = Api::all_with(client, &resource);
                let events = reflector(writer, watcher(api, config)).default_backoff();
                let mut events = std::pin::pin!(events.take_until(stopped));
                while let Some(event) = events.next().await {
                    // Errors are what the law is about: they are got over.
                    if let Ok(event) = event {
                        tell(&telling, &event);
                    }
                }
            });
        });
        Reflector { client, store, told, stop, thread }
    }

    /// What it knows now.
    pub(crate) fn store(&self) -> Store {
        let objects = self.store.state().into_iter();
        objects.map(|object| (object.metadata.name.clone().unwrap_or_default(), shown(&object))).collect()
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Testimony {
        // An error says that it has ended already.
        let _ = self.stop.send(());
        self.thread.join().expect("a reflector runs to its end");
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        Testimony { told, ..Testimony::new(self.client) }
    }
}

fn tell(told: &Mutex<Vec<Told>>, event: &Event<DynamicObject>) {
    let (kind, object) = match event {
        Event::Apply(object) => ("MODIFIED", object),
        Event::InitApply(object) => ("LISTED", object),
        Event::Delete(object) => ("DELETED", object),
        Event::Init | Event::InitDone => return,
    };
    let told_now = Told::object(None, kind, &shown(object), now());
    told.lock().unwrap_or_else(PoisonError::into_inner).push(told_now);
}

fn shown(object: &DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object")
}
