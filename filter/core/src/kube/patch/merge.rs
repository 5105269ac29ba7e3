//! Merging one document into another: JSON merge patch, and apply.

use super::Merge;
use serde_json::{Map, Value};

/// JSON merge patch (RFC 7386 §2): null removes.
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    let Some(object) = object_in(target) else { return };
    for (name, value) in patch {
        if value.is_null() {
            object.remove(&name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Apply, with `rules` for paths below `path`.
pub(super) fn apply(target: &mut Value, patch: Value, path: &str, rules: &[(&str, Merge)]) {
    let rule = rules.iter().find(|(place, _)| *place == path).map(|(_, rule)| *rule);
    match (rule, patch) {
        (None, Value::Object(patch)) => {
            let Some(object) = object_in(target) else { return };
            for (name, value) in patch {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                apply(object.entry(name).or_insert(Value::Null), value, &below, rules);
            }
        }
        (Some(Merge::ByKey(key)), Value::Array(elements)) if target.is_array() => {
            let Some(list) = target.as_array_mut() else { return };
            apply_list(list, elements, key);
        }
        (_, patch) => *target = patch,
    }
}

/// Each element is merged with the one of the same key, once: what is named twice is there twice, for whoever checks the result.
fn apply_list(list: &mut Vec<Value>, elements: Vec<Value>, key: &str) {
    let mut unmatched = list.len();
    for element in elements {
        let name = element.get(key).filter(|name| !name.is_null());
        let known = list.iter().take(unmatched).position(|known| name.is_some() && known.get(key) == name);
        // What has been matched goes behind what has not, so that it is not found again.
        match known.and_then(|place| (place < list.len()).then(|| list.remove(place))) {
            Some(mut known) => {
                unmatched = unmatched.saturating_sub(1);
                apply(&mut known, element, "", &[]);
                list.push(known);
            }
            None => list.push(element),
        }
    }
}

/// The object that a value is, made one if it is none.
fn object_in(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}
