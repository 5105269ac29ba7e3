//! The Rust client that controllers use: both kinds through the `kube` crate, dynamic and typed.

use e2e::{
    GROUP, Lab,
    seed::{RUNNING, TEMPLATES, WS0},
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{Object, ObjectList, PartialObjectMeta},
    discovery,
};
use serde::Deserialize;

/// What a controller's author would write down of a workspace.
#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {
    organization: String,
    #[serde(rename = "templateName")]
    template_name: String,
    running: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(rename = "ownerName")]
    owner_name: String,
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

/// Runs a test body once for each way in which the admin can come.
fn check<F: Future<Output = ()>>(work: impl Fn(Client, String) -> F) {
    let Some(lab) = Lab::shared() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for context in ["admin", "cert"] {
            work(client(&lab, context).await, lab.namespace.clone()).await;
        }
    });
}

#[test]
fn dynamic_objects_are_listed_and_read() {
    check(async |client, namespace| {
        for (kind, plural, expect) in [
            ("CoderWorkspace", "coderworkspaces", &RUNNING[..]),
            ("CoderTemplate", "codertemplates", &TEMPLATES[..]),
        ] {
            let api: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), &namespace, &resource(kind, plural));
            let list = api.list(&ListParams::default()).await.unwrap();
            for name in expect {
                let listed = list.iter().find(|object| object.name_any() == *name).unwrap();
                let one = api.get(name).await.unwrap();
                assert_eq!(one.resource_version(), listed.resource_version());
                assert_eq!(one.uid(), listed.uid());
                assert_eq!(one.types.as_ref().unwrap().kind, kind);
            }
        }
    });
}

#[test]
fn typed_objects_are_read() {
    check(async |client, namespace| {
        let resource = resource("CoderWorkspace", "coderworkspaces");
        let api: Api<Workspace> = Api::namespaced_with(client, &namespace, &resource);
        let one = api.get(WS0).await.unwrap();
        assert_eq!(
            (one.spec.organization.as_str(), one.spec.template_name.as_str(), one.spec.running),
            ("coder", "plain", true)
        );
        assert_eq!(one.status.unwrap().owner_name, "alice");
        let list = api.list(&ListParams::default().labels("coder.com/owner=bob")).await.unwrap();
        assert!(
            !list.items.is_empty()
                && list.iter().all(|object| object.status.as_ref().unwrap().owner_name == "bob")
        );
    });
}

#[test]
fn lists_are_read_page_by_page() {
    check(async |client, _| {
        let api: Api<DynamicObject> = Api::all_with(client, &resource("CoderWorkspace", "coderworkspaces"));
        let whole = api.list(&ListParams::default().limit(500)).await.unwrap();
        let mut parameters = ListParams::default().limit(2);
        let mut seen = Vec::new();
        loop {
            let page: ObjectList<DynamicObject> = api.list(&parameters).await.unwrap();
            seen.extend(page.iter().map(ResourceExt::name_any));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => break,
            }
        }
        assert_eq!(seen, whole.iter().map(ResourceExt::name_any).collect::<Vec<_>>());
        let filtered = ListParams::default().fields("status.ownerName=alice").match_any();
        assert!(api.list(&filtered).await.unwrap().iter().all(|o| o.name_any().starts_with("coder.alice.")));
    });
}

#[test]
fn metadata_is_listed_and_read() {
    check(async |client, namespace| {
        let resource = resource("CoderWorkspace", "coderworkspaces");
        let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
        let list: ObjectList<PartialObjectMeta<DynamicObject>> =
            api.list_metadata(&ListParams::default()).await.unwrap();
        assert!(list.iter().any(|object| object.name_any() == WS0));
        assert_eq!(api.get_metadata(WS0).await.unwrap().name_any(), WS0);
    });
}

#[test]
fn discovery_finds_both_kinds() {
    check(async |client, _| {
        let group = discovery::group(&client, GROUP).await.unwrap();
        for kind in ["CoderWorkspace", "CoderTemplate"] {
            let (resource, capabilities) = group.recommended_kind(kind).unwrap();
            assert_eq!(resource.version, "v1alpha1");
            assert!(capabilities.supports_operation(discovery::verbs::LIST));
        }
        let all = discovery::Discovery::new(client.clone()).run_aggregated().await.unwrap();
        assert!(all.has_group(GROUP));
    });
}

#[test]
fn errors_are_understood() {
    check(async |client, namespace| {
        let resource = resource("CoderWorkspace", "coderworkspaces");
        let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
        assert!(api.get_opt("coder.alice.nosuch").await.unwrap().is_none());
        let error = api.get("coder.alice.nosuch").await.unwrap_err();
        let kube::Error::Api(status) = error else { panic!("{error}") };
        assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
    });
}

#[test]
fn a_user_without_rights_gets_an_error_that_says_so() {
    let Some(lab) = Lab::shared() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        let resource = resource("CoderWorkspace", "coderworkspaces");
        let api: Api<DynamicObject> =
            Api::namespaced_with(client(&lab, "alice").await, &lab.namespace, &resource);
        api.list(&ListParams::default()).await.unwrap_err()
    });
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
}
