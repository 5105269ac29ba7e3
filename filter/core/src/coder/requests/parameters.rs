//! Parameters of template versions, and their presets.

use super::workspaces::Values;
use super::{Request, path};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// `POST /templateversions/{id}/dynamic-parameters/evaluate` → `Evaluation`: what these values would come to, for this owner. Changes nothing;
/// knows neither presets nor what a workspace had before, and says nothing of names that are not declared. 425 while the version is imported.
pub fn evaluate(version: &str, owner: &str, inputs: &Values) -> Request {
    #[derive(Serialize)]
    struct Body<'a> {
        id: u32,
        inputs: Inputs<'a>,
        owner_id: &'a str,
    }
    Request::json(
        "POST",
        path(&["templateversions", version, "dynamic-parameters", "evaluate"]),
        &Body { id: 1, inputs: Inputs(inputs), owner_id: owner },
    )
}

/// Values as an object, by name.
struct Inputs<'a>(&'a Values);

impl Serialize for Inputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for parameter in &self.0.0 {
            map.serialize_entry(&parameter.name, &parameter.value)?;
        }
        map.end()
    }
}

/// `GET /templateversions/{id}/presets` → list of `Preset`, or `null`.
pub fn presets(version: &str) -> Request {
    Request::get(path(&["templateversions", version, "presets"]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn endpoints() {
        check(presets("v-1"), "GET /api/v2/templateversions/v-1/presets");
        let mut values = Values::default();
        values.push("cpu", "4");
        values.push("a b", "\"");
        let request = evaluate("v-1", "o-1", &values);
        assert_eq!(
            request.body.as_deref(),
            Some(br#"{"id":1,"inputs":{"cpu":"4","a b":"\""},"owner_id":"o-1"}"#.as_slice())
        );
        check(request, "POST /api/v2/templateversions/v-1/dynamic-parameters/evaluate");
    }
}
