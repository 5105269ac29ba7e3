//! The paths of the OpenAPI document: an operation for each verb that is served, written as kube-apiserver writes those of custom
//! resources.
//!
//! Says nothing of strategic merge patch, which is not served: clients choose by what stands here. A watch is a list with other parameters. kubectl, for
//! one, leaves validation to the server where PATCH has `fieldValidation` among its own parameters, so nothing is shared by `$ref`.

use super::{KINDS, Kind, META, PREFIX, reference};
use crate::api::v1alpha1::{GROUP, VERSION};
use serde_json::{Map, Value, json};

/// What kube-apiserver accepts as a patch of a custom resource.
const PATCHES: [&str; 3] =
    ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
/// Objects come and go in these.
const OBJECTS: [&str; 2] = ["application/json", "application/yaml"];
const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";

/// What a path stands for, as its operations name it.
struct Subject {
    /// The kind of the operations: that of the object, or of what a subresource answers.
    identity: Value,
    /// Name of the schema of the object.
    schema: String,
    /// The kind that the path belongs to.
    kind: &'static str,
    /// With a space at its end, such as `scale of `; empty for the object itself.
    part: &'static str,
    /// Last part of operation ids, such as `Scale`.
    suffix: &'static str,
}

impl Subject {
    fn object(kind: &Kind) -> Self {
        Self {
            identity: json!({"group": GROUP, "version": VERSION, "kind": kind.kind}),
            schema: format!("{PREFIX}{}", kind.kind),
            kind: kind.kind,
            part: "",
            suffix: "",
        }
    }

    fn part(kind: &Kind, part: &'static str, suffix: &'static str) -> Self {
        Self { part, suffix, ..Self::object(kind) }
    }

    fn scale(kind: &Kind) -> Self {
        let identity = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
        Self { identity, schema: SCALE.to_owned(), ..Self::part(kind, "scale of ", "Scale") }
    }

    /// The parts that every operation has.
    fn operation(&self, action: &str, verb: &str, description: String) -> Value {
        json!({
            "tags": ["aggregationCoder_v1alpha1"],
            "description": description,
            "operationId": format!("{verb}Namespaced{}{}", self.kind, self.suffix),
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": self.identity,
        })
    }

    fn read(&self) -> Value {
        let what = format!("read {}the specified {}", self.part, self.kind);
        answered(self.operation("get", "readAggregationCoderV1alpha1", what), &[("200", &self.schema)])
    }

    fn replace(&self, parameters: &Value) -> Value {
        let what = format!("replace {}the specified {}", self.part, self.kind);
        let mut put = self.operation("put", "replaceAggregationCoderV1alpha1", what);
        put["parameters"] = parameters["change"].clone();
        put["requestBody"] = body(&OBJECTS, &self.schema, true);
        answered(put, &[("200", &self.schema)])
    }

    fn patch(&self, parameters: &Value, answers: &[(&str, &str)]) -> Value {
        let what = format!("partially update {}the specified {}", self.part, self.kind);
        let mut patch = self.operation("patch", "patchAggregationCoderV1alpha1", what);
        patch["parameters"] = parameters["patch"].clone();
        patch["requestBody"] = body(&PATCHES, &format!("{META}Patch"), true);
        answered(patch, answers)
    }
}

/// All paths below the group version.
pub(super) fn paths(parameters: &Value) -> Value {
    let base = format!("/apis/{GROUP}/{VERSION}");
    let mut paths = Map::new();
    for kind in &KINDS {
        let all = format!("{base}/{}", kind.plural);
        let namespaced = format!("{base}/namespaces/{{namespace}}/{}", kind.plural);
        let named = format!("{namespaced}/{{name}}");
        let on_name = joined(parameters, &["name", "namespace", "pretty"]);
        let place = |operations: Value| place(operations, &on_name);
        paths.insert(all, all_namespaces(kind, parameters));
        paths.insert(namespaced, collection(kind, parameters));
        paths.insert(named.clone(), place(one(kind, parameters)));
        paths.insert(
            format!("{named}/status"),
            place(json!({"get": Subject::part(kind, "status of ", "Status").read()})),
        );
        if kind.kind == "CoderWorkspace" {
            let scale = Subject::scale(kind);
            let patch = scale.patch(parameters, &[("200", SCALE)]);
            let scale = json!({"get": scale.read(), "put": scale.replace(parameters), "patch": patch});
            paths.insert(format!("{named}/scale"), place(scale));
            let on_log = joined(parameters, &["log", "name", "namespace", "pretty"]);
            paths.insert(format!("{named}/log"), self::place(json!({"get": log(kind)}), &on_log));
        }
    }
    Value::Object(paths)
}

fn all_namespaces(kind: &Kind, parameters: &Value) -> Value {
    let mut list = list(kind);
    list["operationId"] = json!(format!("listAggregationCoderV1alpha1{}ForAllNamespaces", kind.kind));
    place(json!({"get": list}), &joined(parameters, &["list", "watch", "pretty"]))
}

fn collection(kind: &Kind, parameters: &Value) -> Value {
    let object = Subject::object(kind);
    let mut list = list(kind);
    list["parameters"] = joined(parameters, &["list", "watch"]).into();

    let what = format!("create a {}", kind.kind);
    let mut create = object.operation("post", "createAggregationCoderV1alpha1", what);
    create["parameters"] = parameters["change"].clone();
    create["requestBody"] = body(&OBJECTS, &object.schema, true);
    let create = answered(create, &[("201", &object.schema)]);

    let what = format!("delete collection of {}", kind.kind);
    let mut delete = object.operation("deletecollection", "deleteAggregationCoderV1alpha1Collection", what);
    delete["parameters"] = joined(parameters, &["list", "delete"]).into();
    delete["requestBody"] = body(&OBJECTS, &format!("{META}DeleteOptions"), false);
    let delete = answered(delete, &[("200", &format!("{META}Status"))]);

    place(
        json!({"get": list, "post": create, "delete": delete}),
        &joined(parameters, &["namespace", "pretty"]),
    )
}

fn list(kind: &Kind) -> Value {
    let what = format!("list objects of kind {}", kind.kind);
    let list = Subject::object(kind).operation("list", "listAggregationCoderV1alpha1", what);
    answered(list, &[("200", &format!("{PREFIX}{}List", kind.kind))])
}

fn one(kind: &Kind, parameters: &Value) -> Value {
    let object = Subject::object(kind);
    // An apply creates what is not there.
    let patch = object.patch(parameters, &[("200", &object.schema), ("201", &object.schema)]);

    let what = format!("delete a {}", kind.kind);
    let mut delete = object.operation("delete", "deleteAggregationCoderV1alpha1", what);
    delete["parameters"] = parameters["delete"].clone();
    delete["requestBody"] = body(&OBJECTS, &format!("{META}DeleteOptions"), false);
    // A workspace goes when its build is done, and is shown; a template is gone.
    let left = if kind.kind == "CoderWorkspace" { object.schema.clone() } else { format!("{META}Status") };
    let delete = answered(delete, &[("200", &left)]);

    json!({"get": object.read(), "put": object.replace(parameters), "patch": patch, "delete": delete})
}

fn log(kind: &Kind) -> Value {
    let mut log = Subject::part(kind, "log of ", "Log").read();
    log["responses"]["200"]["content"] = json!({"text/plain": {"schema": {"type": "string"}}});
    log
}

fn place(mut operations: Value, parameters: &[Value]) -> Value {
    operations["parameters"] = parameters.into();
    operations
}

fn body(types: &[&str], schema: &str, required: bool) -> Value {
    let mut body = json!({"content": content(types, schema)});
    if required {
        body["required"] = true.into();
    }
    body
}

fn answered(mut operation: Value, answers: &[(&str, &str)]) -> Value {
    let mut responses = json!({"401": {"description": "Unauthorized"}});
    for (code, schema) in answers {
        let description = if *code == "201" { "Created" } else { "OK" };
        responses[*code] = json!({"description": description, "content": content(&OBJECTS, schema)});
    }
    operation["responses"] = responses;
    operation
}

fn content(types: &[&str], schema: &str) -> Value {
    let schema = json!({"schema": {"$ref": reference("", schema)}});
    types.iter().map(|name| ((*name).to_owned(), schema.clone())).collect::<Map<_, _>>().into()
}

fn joined(parameters: &Value, sets: &[&str]) -> Vec<Value> {
    sets.iter().filter_map(|set| parameters[*set].as_array()).flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;
    use std::collections::BTreeSet;

    /// Every operation with the path, the method and itself.
    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if method != "parameters" {
                    found.push((path.clone(), method.clone(), operation.clone()));
                }
            }
        }
        found
    }

    fn names(parameters: &Value) -> Vec<&str> {
        parameters.as_array().into_iter().flatten().map(|one| one["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn openapi_operations_are_distinct_and_complete() {
        let mut ids = BTreeSet::new();
        for (path, method, operation) in operations(&document().unwrap()) {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id.clone()), "{id} twice");
            assert_eq!(operation["responses"]["401"]["description"], "Unauthorized", "{method} {path}");
            let action = operation["x-kubernetes-action"].as_str().unwrap();
            let expect = match (method.as_str(), path.ends_with("s")) {
                ("get", true) if !path.ends_with("/status") => "list",
                ("delete", true) => "deletecollection",
                (method, _) => method,
            };
            assert_eq!(action, expect, "{method} {path}");
            let kind = &operation["x-kubernetes-group-version-kind"];
            let group = if path.ends_with("/scale") { "autoscaling" } else { GROUP };
            assert_eq!(kind["group"], group, "{method} {path}");
        }
        assert_eq!(ids.len(), 22);
    }

    /// What kubectl looks for before it leaves validation to the server, and what it must not find.
    #[test]
    fn openapi_patches_are_those_that_are_served() {
        let document = document().unwrap();
        let all = operations(&document);
        let patches: Vec<_> = all.iter().filter(|(_, method, _)| method == "patch").collect();
        assert_eq!(patches.len(), 3);
        for (path, _, patch) in patches {
            assert_eq!(names(&patch["parameters"]), ["dryRun", "fieldManager", "fieldValidation", "force"]);
            let types: Vec<_> = patch["requestBody"]["content"].as_object().unwrap().keys().collect();
            assert_eq!(types, PATCHES, "{path}");
        }
        let text = document.to_string();
        assert!(!text.contains("strategic-merge-patch+json"));
    }
}
