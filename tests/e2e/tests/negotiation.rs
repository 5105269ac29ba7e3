//! Forms and encodings of answers by `Accept`: tables, metadata, YAML, and what is refused.

use e2e::{
    Lab, Request, Response,
    check::{names, status},
    seed::WS1,
};
use serde_json::{Value, json};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const META: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const META_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

fn get(lab: &Lab, target: &str, accept: &str) -> Response {
    lab.front().send(&Request::get(target).accept(accept))
}

#[track_caller]
fn check_kind(response: &Response, api_version: &str, kind: &str) -> Value {
    assert_eq!(response.status(), 200, "{}", response.excerpt());
    assert!(response.content_type().starts_with("application/json"), "{}", response.content_type());
    let body = response.json();
    assert_eq!((&body["apiVersion"], &body["kind"]), (&json!(api_version), &json!(kind)));
    body
}

#[test]
fn a_clause_that_can_be_served_is_found() {
    let Some(lab) = Lab::shared() else { return };
    let one = lab.path(&format!("coderworkspaces/{WS1}"));
    let (version, kind) = ("aggregation.coder.com/v1alpha1", "CoderWorkspace");
    check_kind(&lab.front().get(&one), version, kind);
    for accept in [
        "application/json",
        "*/*",
        "application/*",
        "application/vnd.kubernetes.protobuf,application/json",
        "application/cbor, application/vnd.kubernetes.protobuf;q=0.9, application/json;q=0.1",
        "text/html, */*;q=0.1",
        "application/json;as=Nonsense;g=x;v=v1,application/json",
    ] {
        println!("{accept}");
        check_kind(&get(&lab, &one, accept), version, kind);
    }
    check_kind(&get(&lab, &one, &format!("{TABLE},application/json")), "meta.k8s.io/v1", "Table");
    check_kind(
        &get(&lab, &one, &format!("application/json;q=0.5,{META}")),
        "meta.k8s.io/v1",
        "PartialObjectMetadata",
    );
    let beta = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
    check_kind(&get(&lab, &one, beta), "meta.k8s.io/v1beta1", "Table");
}

#[test]
fn what_cannot_be_served_is_not_acceptable() {
    let Some(lab) = Lab::shared() else { return };
    for accept in ["application/vnd.kubernetes.protobuf", "text/html", "application/cbor", "image/*"] {
        status(&get(&lab, &lab.path("coderworkspaces"), accept), 406, "NotAcceptable");
    }
}

#[test]
fn yaml_is_the_same_document() {
    let Some(lab) = Lab::shared() else { return };
    let list = get(&lab, &lab.path("codertemplates"), "application/yaml");
    assert!(list.text().contains("kind: CoderTemplateList\n"), "{}", list.excerpt());
    for target in [lab.path(&format!("coderworkspaces/{WS1}")), lab.path("codertemplates/coder.params")] {
        let yaml = get(&lab, &target, "application/yaml");
        assert_eq!(yaml.status(), 200);
        assert!(yaml.content_type().starts_with("application/yaml"), "{}", yaml.content_type());
        let text = yaml.text();
        assert!(
            text.contains("apiVersion: aggregation.coder.com/v1alpha1\n") && !text.starts_with('{'),
            "{text}"
        );
        // kubectl reads YAML and prints JSON without asking a server.
        let mut read =
            lab.kubectl().input(text).run("label --local -f - --dry-run=client -o json e2e=true").json();
        read["metadata"]["labels"].as_object_mut().unwrap().remove("e2e");
        assert_eq!(read, lab.front().get(&target).json());
    }
}

#[test]
fn pretty_is_for_people() {
    let Some(lab) = Lab::shared() else { return };
    let target = lab.path(&format!("coderworkspaces/{WS1}"));
    let (compact, pretty) = (lab.front().get(&target), lab.front().get(&format!("{target}?pretty=true")));
    assert_eq!(compact.json(), pretty.json());
    assert!(pretty.text().lines().count() > 20 && compact.text().trim_end().lines().count() == 1);
}

#[test]
fn tables_have_columns_for_both_widths() {
    let Some(lab) = Lab::shared() else { return };
    for (resource, narrow) in [
        ("coderworkspaces", &["Name", "Template", "Status", "Ready", "Outdated", "Last Used", "Age"][..]),
        (
            "codertemplates",
            &["Name", "Display Name", "Ready", "Active Users", "Deprecated", "Updated", "Age"][..],
        ),
    ] {
        let table = check_kind(&get(&lab, &lab.path(resource), TABLE), "meta.k8s.io/v1", "Table");
        let columns = table["columnDefinitions"].as_array().unwrap();
        let shown: Vec<_> =
            columns.iter().filter(|c| c["priority"] == 0).map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(shown, narrow);
        assert!(columns.iter().any(|c| c["priority"] == 1), "there is more with -o wide");
        assert_eq!(columns[0]["format"], "name");
        for column in columns {
            assert!(column["description"].as_str().is_some_and(|text| !text.is_empty()), "{column}");
            assert!(
                ["string", "integer", "boolean", "date", "number"]
                    .contains(&column["type"].as_str().unwrap()),
                "{column}"
            );
        }
        let list = lab.front().get(&lab.path(resource)).json();
        assert_eq!(names(&table), names(&list));
        let cells: Vec<_> = table["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["cells"][0].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(cells, names(&list));
        for row in table["rows"].as_array().unwrap() {
            assert_eq!(row["cells"].as_array().unwrap().len(), columns.len());
            assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
            assert_eq!(row["object"]["apiVersion"], "meta.k8s.io/v1");
        }
    }
}

#[test]
fn a_table_carries_as_much_of_the_object_as_was_asked() {
    let Some(lab) = Lab::shared() else { return };
    let target = lab.path("coderworkspaces");
    for (include, kind) in [
        ("Metadata", json!("PartialObjectMetadata")),
        ("Object", json!("CoderWorkspace")),
        ("None", Value::Null),
    ] {
        let table = get(&lab, &format!("{target}?includeObject={include}"), TABLE).json();
        for row in table["rows"].as_array().unwrap() {
            assert_eq!(row["object"]["kind"], kind, "{include}");
        }
    }
    status(&get(&lab, &format!("{target}?includeObject=Nonsense"), TABLE), 400, "BadRequest");
}

#[test]
fn a_table_has_pages() {
    let Some(lab) = Lab::shared() else { return };
    let table = get(&lab, &format!("{}?limit=2", lab.path("coderworkspaces")), TABLE).json();
    assert_eq!(table["rows"].as_array().unwrap().len(), 2);
    assert!(
        table["metadata"]["continue"].is_string() && table["metadata"]["remainingItemCount"].is_u64(),
        "{}",
        table["metadata"]
    );
    assert!(table["metadata"]["resourceVersion"].is_string());
}

#[test]
fn a_table_of_nothing_has_headers() {
    let Some(lab) = Lab::shared() else { return };
    let table =
        get(&lab, &format!("{}?labelSelector=coder.com/owner%3Dnobody", lab.path("coderworkspaces")), TABLE)
            .json();
    assert_eq!(table["rows"], json!([]));
    assert!(table["columnDefinitions"].as_array().is_some_and(|columns| !columns.is_empty()));
}

#[test]
fn metadata_clients_get_metadata() {
    let Some(lab) = Lab::shared() else { return };
    let garbage_collector = format!(
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{META_LIST},application/json"
    );
    for accept in [META_LIST, &garbage_collector] {
        let list = check_kind(
            &get(&lab, &lab.path("coderworkspaces"), accept),
            "meta.k8s.io/v1",
            "PartialObjectMetadataList",
        );
        let full = lab.front().get(&lab.path("coderworkspaces")).json();
        for (meta, object) in list["items"].as_array().unwrap().iter().zip(full["items"].as_array().unwrap())
        {
            assert_eq!(meta["metadata"], object["metadata"]);
            assert!(meta.get("spec").is_none() && meta.get("status").is_none());
        }
        assert_eq!(names(&list), names(&full));
    }
    let one = lab.path(&format!("coderworkspaces/{WS1}"));
    let meta = check_kind(&get(&lab, &one, META), "meta.k8s.io/v1", "PartialObjectMetadata");
    assert_eq!(meta["metadata"], lab.front().get(&one).json()["metadata"]);
    assert!(meta.get("spec").is_none());
}
