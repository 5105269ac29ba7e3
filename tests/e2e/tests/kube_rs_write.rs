//! A controller's author changes things through the `kube` crate: typed objects from create to delete.

use e2e::{GROUP, Lab, Scratch, api::PATIENCE};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams, Preconditions,
    },
    config::{KubeConfigOptions, Kubeconfig},
    core::{Object, Status as Refusal},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};

/// What a controller's author would write down of a workspace.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    organization: String,
    template_name: String,
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_millis: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    owner_name: String,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Condition {
    r#type: String,
    status: String,
}

type Workspace = Object<Spec, Status>;

fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, "v1alpha1", kind), plural)
}

async fn client(lab: &Lab, context: &str) -> Client {
    let kubeconfig = Kubeconfig::read_from(&lab.kubeconfig).unwrap();
    let options = KubeConfigOptions { context: Some(context.into()), ..KubeConfigOptions::default() };
    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap()).unwrap()
}

/// Runs a test body for each way in which the admin can come, with objects of its own.
fn check<F: Future<Output = ()>>(work: impl Fn(Client, String, String) -> F) {
    let Some(lab) = Lab::writing() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for context in ["admin", "cert"] {
        let scratch = Scratch::new(&lab);
        runtime.block_on(async {
            work(client(&lab, context).await, lab.namespace.clone(), scratch.user.clone()).await;
        });
    }
}

fn ready(workspace: &Workspace, running: bool) -> bool {
    let conditions = workspace.status.iter().flat_map(|status| &status.conditions);
    workspace.spec.running == running
        && conditions.into_iter().any(|condition| condition.r#type == "Ready" && condition.status == "True")
}

async fn until(api: &Api<Workspace>, name: &str, wanted: impl Fn(Option<&Workspace>) -> bool) {
    let start = Instant::now();
    loop {
        let found = api.get_opt(name).await.unwrap();
        if wanted(found.as_ref()) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{name} stays {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The refusal that a request was answered with.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> Refusal {
    match result {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn typed_objects_live_from_create_to_delete() {
    check(async |client, namespace, user| {
        let resource = resource("CoderWorkspace", "coderworkspaces");
        let api: Api<Workspace> = Api::namespaced_with(client, &namespace, &resource);
        let name = format!("coder.{user}.typed");
        let spec = Spec {
            organization: "coder".into(),
            template_name: "plain".into(),
            running: true,
            ttl_millis: Some(3_600_000),
        };
        let object = Workspace::new(&name, &resource, spec);
        let tried = PostParams { dry_run: true, field_manager: Some("e2e".into()) };
        assert_eq!(api.create(&tried, &object).await.unwrap().name_any(), name);
        assert!(api.get_opt(&name).await.unwrap().is_none());
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        assert_eq!(made.status.as_ref().unwrap().owner_name, user);
        let refusal = refused(api.create(&PostParams::default(), &object).await);
        assert_eq!((refusal.code, refusal.reason.as_str()), (409, "AlreadyExists"));
        until(&api, &name, |found| found.is_some_and(|found| ready(found, true))).await;

        let patch = json!({"spec": {"running": false}});
        api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        until(&api, &name, |found| found.is_some_and(|found| ready(found, false))).await;
        let refusal = refused(api.patch(&name, &PatchParams::default(), &Patch::Strategic(&patch)).await);
        assert_eq!((refusal.code, refusal.reason.as_str()), (415, "UnsupportedMediaType"));

        let mut changed = api.get(&name).await.unwrap();
        let stale = changed.clone();
        changed.spec.ttl_millis = Some(7_200_000);
        let put = api.replace(&name, &PostParams::default(), &changed).await.unwrap();
        assert_eq!(put.spec.ttl_millis, Some(7_200_000));
        let refusal = refused(api.replace(&name, &PostParams::default(), &stale).await);
        assert_eq!((refusal.code, refusal.reason.as_str()), (409, "Conflict"));

        let apply = json!({
            "apiVersion": "aggregation.coder.com/v1alpha1",
            "kind": "CoderWorkspace",
            "metadata": {"name": name},
            "spec": {"organization": "coder", "templateName": "plain", "running": true},
        });
        let manager = PatchParams::apply("e2e").force();
        let applied = api.patch(&name, &manager, &Patch::Apply(&apply)).await.unwrap();
        assert_eq!((applied.spec.running, applied.spec.ttl_millis), (true, Some(7_200_000)));
        until(&api, &name, |found| found.is_some_and(|found| ready(found, true))).await;

        let wrong = Preconditions { uid: Some("1".into()), resource_version: None };
        let options = DeleteParams { preconditions: Some(wrong), ..DeleteParams::default() };
        assert_eq!(refused(api.delete(&name, &options).await).code, 409);
        let gone = api.delete(&name, &DeleteParams::foreground()).await.unwrap();
        let marked = gone.left().expect("the object, on its way out");
        assert!(marked.metadata.deletion_timestamp.is_some());
        assert_eq!(marked.finalizers(), ["aggregation.coder.com/workspace-build"]);
        until(&api, &name, |found| found.is_none()).await;
    });
}

#[test]
fn the_scale_is_kubernetes_own() {
    check(async |client, namespace, user| {
        let resource = resource("CoderWorkspace", "coderworkspaces");
        let api: Api<Workspace> = Api::namespaced_with(client, &namespace, &resource);
        let name = format!("coder.{user}.scaled");
        let spec = Spec {
            organization: "coder".into(),
            template_name: "plain".into(),
            running: true,
            ttl_millis: None,
        };
        api.create(&PostParams::default(), &Workspace::new(&name, &resource, spec)).await.unwrap();
        until(&api, &name, |found| found.is_some_and(|found| ready(found, true))).await;
        assert_eq!(api.get_scale(&name).await.unwrap().spec.unwrap().replicas, Some(1));
        let patch = json!({"spec": {"replicas": 0}});
        api.patch_scale(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        until(&api, &name, |found| found.is_some_and(|found| ready(found, false))).await;
    });
}

#[test]
fn dynamic_objects_and_collections() {
    check(async |client, namespace, user| {
        let resource = resource("CoderWorkspace", "coderworkspaces");
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
        for name in ["one", "two"] {
            let name = format!("coder.{user}.{name}");
            let spec = json!({"spec": {"organization": "coder", "templateName": "plain"}});
            let object = DynamicObject::new(&name, &resource).data(spec);
            api.create(&PostParams::default(), &object).await.unwrap();
        }
        let typed: Api<Workspace> = Api::namespaced_with(client, &namespace, &resource);
        for name in ["one", "two"] {
            let name = format!("coder.{user}.{name}");
            until(&typed, &name, |found| found.is_some_and(|found| ready(found, true))).await;
        }
        let selected = ListParams::default().labels(&format!("coder.com/owner={user}"));
        let deleted = api.delete_collection(&DeleteParams::default(), &selected).await.unwrap();
        assert_eq!(deleted.left().map(|list| list.items.len()), Some(2));
        for name in ["one", "two"] {
            until(&typed, &format!("coder.{user}.{name}"), |found| found.is_none()).await;
        }
    });
}
