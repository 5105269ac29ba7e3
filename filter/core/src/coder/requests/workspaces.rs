//! Workspaces, their builds and their agents.

use super::{Pairs, Request, path};
use crate::coder::query::WorkspaceQuery;
use crate::names::WorkspaceName;

/// `GET /users/{user}/workspace/{name}` → `Workspace`. Coder finds it in any organization and takes aliases
/// for `user`: compare the answer with the name. 400 when there is no such user.
pub fn workspace_by_name(name: &WorkspaceName) -> Request {
    Request::get(path(&["users", &name.user, "workspace", &name.workspace]))
}

/// `GET /workspaces/{id}` → `Workspace`; 410 when it has been deleted.
pub fn workspace(id: &str) -> Request {
    Request::get(path(&["workspaces", id]))
}

/// `GET /workspaces` → `WorkspaceList`. `limit` 0 is no limit.
pub fn workspaces(query: &WorkspaceQuery, limit: u64, offset: u64) -> Request {
    let mut pairs = Pairs::new(path(&["workspaces"]));
    if !query.is_empty() {
        pairs.put("q", &query.to_string());
    }
    if limit > 0 {
        pairs.put("limit", &limit.to_string());
    }
    if offset > 0 {
        pairs.put("offset", &offset.to_string());
    }
    Request::get(pairs.0)
}

/// `GET /users/{user}/workspace/{name}/builds/{number}` → `Build`.
pub fn build_by_number(name: &WorkspaceName, number: i64) -> Request {
    let number = number.to_string();
    Request::get(path(&["users", &name.user, "workspace", &name.workspace, "builds", &number]))
}

/// `GET /workspacebuilds/{id}/parameters` → list of `BuildParameter`.
pub fn build_parameters(id: &str) -> Request {
    Request::get(path(&["workspacebuilds", id, "parameters"]))
}

/// `GET /workspacebuilds/{id}/logs` → list of `JobLog`: all lines so far.
pub fn build_logs(id: &str) -> Request {
    Request::get(path(&["workspacebuilds", id, "logs"]))
}

/// `GET /workspaceagents/{id}/logs` → list of `AgentLog`: all lines so far.
pub fn agent_logs(id: &str) -> Request {
    Request::get(path(&["workspaceagents", id, "logs"]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn endpoints() {
        let ws = WorkspaceName::parse("coder.alice.ws-0").unwrap();
        let mut query = WorkspaceQuery::default();
        check(workspace_by_name(&ws), "GET /api/v2/users/alice/workspace/ws-0");
        check(build_by_number(&ws, 3), "GET /api/v2/users/alice/workspace/ws-0/builds/3");
        check(workspace("u-1"), "GET /api/v2/workspaces/u-1");
        check(workspaces(&query, 0, 0), "GET /api/v2/workspaces");
        query.owner("alice");
        query.organization("coder");
        check(
            workspaces(&query, 50, 100),
            "GET /api/v2/workspaces?q=owner%3Aalice%20organization%3Acoder&limit=50&offset=100",
        );
        check(build_parameters("u-1"), "GET /api/v2/workspacebuilds/u-1/parameters");
        check(build_logs("u-1"), "GET /api/v2/workspacebuilds/u-1/logs");
        check(agent_logs("u-1"), "GET /api/v2/workspaceagents/u-1/logs");
    }
}
