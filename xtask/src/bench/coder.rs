//! What the instant Coder answers: one workspace as coderd 2.30 sent it (`workspace.json`), and a list of a thousand
//! made of it, each with its own name, owner and ids.

use anyhow::{Context, Result};
use serde_json::Value;

const RECORDED: &str = include_str!("workspace.json");
/// How many workspaces a list holds.
pub(super) const COUNT: usize = 1000;
const OWNERS: usize = 100;
/// The recorded workspace, as Kubernetes names it.
pub(super) const ONE: &str = "coder.alice.ws1";
/// Coder's list of workspaces.
pub(super) const LIST_PATH: &str = "/api/v2/workspaces";
/// Answer to a build's parameters.
pub(super) const PARAMETERS: &str = r#"[{"name":"cpu","value":"4"},{"name":"region","value":"eu-west-1"}]"#;

/// Coder's path of the recorded workspace.
pub(super) fn one_path() -> String {
    "/api/v2/users/alice/workspace/ws1".to_owned()
}

/// The recorded workspace, byte for byte.
pub(super) fn one() -> &'static str {
    RECORDED.trim_end()
}

/// Coder's answer to a list, in Coder's order.
pub(super) fn list() -> Result<String> {
    let recorded: Value = serde_json::from_str(one())?;
    let text = |pointer: &str| {
        let value = recorded.pointer(pointer).and_then(Value::as_str);
        value.with_context(|| format!("workspace.json has no {pointer}"))
    };
    let ids = [
        "/id",
        "/latest_build/id",
        "/latest_build/job/id",
        "/latest_build/resources/0/id",
        "/latest_build/resources/0/agents/0/id",
    ];
    let ids = ids.into_iter().map(text).collect::<Result<Vec<_>>>()?;
    let (owner_id, owner, name) = (text("/owner_id")?, text("/owner_name")?, text("/name")?);
    let mut list = String::from(r#"{"workspaces":["#);
    for number in 0..COUNT {
        let mut workspace = one()
            .replace(owner_id, &uuid(9, number % OWNERS))
            .replace(&format!("\"{owner}\""), &format!("\"user{:02}\"", number % OWNERS))
            .replace(&format!("\"{name}\""), &format!("\"ws{:02}\"", number / OWNERS));
        for (kind, id) in ids.iter().enumerate() {
            workspace = workspace.replace(id, &uuid(kind, number));
        }
        list.push_str(if number > 0 { "," } else { "" });
        list.push_str(&workspace);
    }
    list.push_str(&format!(r#"],"count":{COUNT}}}"#));
    Ok(list)
}

fn uuid(kind: usize, number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-{kind:012x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_thousand_different_workspaces() {
        let list: Value = serde_json::from_str(&list().unwrap()).unwrap();
        let workspaces = list["workspaces"].as_array().unwrap();
        assert_eq!((workspaces.len(), &list["count"]), (COUNT, &Value::from(COUNT)));
        let distinct = |pointers: &[&str]| {
            let values = |workspace: &Value| {
                pointers.iter().map(|at| workspace.pointer(at).unwrap().to_string()).collect()
            };
            workspaces.iter().map(values).collect::<BTreeSet<Vec<String>>>().len()
        };
        assert_eq!(distinct(&["/id"]), COUNT);
        assert_eq!(distinct(&["/latest_build/id"]), COUNT);
        assert_eq!(distinct(&["/owner_name", "/name"]), COUNT);
        assert_eq!(distinct(&["/owner_id"]), OWNERS);
        assert_eq!(workspaces[7]["latest_build"]["workspace_id"], workspaces[7]["id"]);
        assert_eq!(workspaces[7]["latest_build"]["workspace_name"], workspaces[7]["name"]);
    }
}
