//! `GET /workspaces`: search, coderd's order, pages.

use std::cmp::Reverse;

use axum::Router;
use axum::extract::{RawQuery, State as Shared};
use axum::routing::get;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::builds::status;
use super::jobs::Status;
use super::reply::{Answer, Failure, ok};
use super::search::{Page, Terms};
use super::state::{State, Transition, Workspace};
use super::workspaces::workspace_json;
use crate::clock::Instant;

/// The statuses a search knows.
const STATUSES: [&str; 10] = [
    "pending",
    "starting",
    "running",
    "stopping",
    "stopped",
    "failed",
    "canceling",
    "canceled",
    "deleting",
    "deleted",
];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces", get(list))
}

async fn list(Shared(app): Shared<App>, actor: Actor, RawQuery(query): RawQuery) -> Answer {
    let page = Page::parse(query.as_deref())?;
    let state = app.state();
    let filter = Filter::parse(&state, page.query("q").unwrap_or_default(), actor)?;
    let matches = |workspace: &&Workspace| {
        !workspace.deleted && actor.reads(workspace) && filter.matches(&state, workspace)
    };
    let mut found: Vec<&Workspace> = state.workspaces.iter().filter(matches).collect();
    found.sort_by_cached_key(|workspace| {
        let build = state.latest_build(workspace);
        let runs =
            build.transition == Transition::Start && state.jobs.of(build.job).status() == Status::Succeeded;
        let favorite = workspace.favorite && workspace.owner == actor.id;
        let owner = state.users.of(workspace.owner).username.to_lowercase();
        (Reverse(favorite), Reverse(runs), owner, workspace.name.to_lowercase())
    });
    let count = found.len();
    let workspaces: Vec<Value> =
        page.cut(found).into_iter().map(|workspace| workspace_json(&state, workspace, actor)).collect();
    ok(json!({"workspaces": workspaces, "count": count}))
}

/// What a search asks for.
struct Filter {
    ids: Vec<Uuid>,
    owner: Option<String>,
    owner_id: Option<Uuid>,
    template: Option<String>,
    name: Option<String>,
    status: Option<String>,
    organization: Option<Uuid>,
    has_agent: Option<String>,
    dormant: Option<bool>,
    outdated: Option<bool>,
    params: Vec<String>,
    used_after: Option<Instant>,
    used_before: Option<Instant>,
}

impl Filter {
    fn parse(state: &State, query: &str, actor: Actor) -> Result<Self, Failure> {
        let mut terms = Terms::parse(query, "Invalid workspace search query.", word)?;
        let ids = terms.ids("id");
        let mut owner = terms.text("owner");
        let template = terms.text("template");
        let name = terms.text("name");
        let status = terms.text("status");
        if let Some(other) = status.as_ref().filter(|status| !STATUSES.contains(&status.as_str())) {
            terms.refuse("status", &format!("has invalid value: {other:?} is not a valid value"));
        }
        let has_agent = terms.text("has-agent");
        let dormant = terms.boolean("dormant");
        let used_after = instant(&mut terms, "last_used_after");
        let used_before = instant(&mut terms, "last_used_before");
        let outdated = terms.boolean("outdated");
        for key in ["has-ai-task", "has_external_agent", "shared"] {
            terms.boolean(key);
        }
        let organization = terms.organization(state);
        let params = terms.list("param");
        terms.done()?;
        let owner_id = (owner.as_deref() == Some("me")).then_some(actor.id);
        if owner_id.is_some() {
            owner = None;
        }
        Ok(Self {
            ids,
            owner,
            owner_id,
            template,
            name,
            status,
            organization,
            has_agent,
            dormant,
            outdated,
            params,
            used_after,
            used_before,
        })
    }

    fn matches(&self, state: &State, workspace: &Workspace) -> bool {
        let build = state.latest_build(workspace);
        let job = state.jobs.of(build.job);
        let template = state.templates.of(workspace.template);
        let outdated = build.version != template.active_version;
        let agents = || {
            job.resources.iter().flat_map(|resource| &resource.agents).map(|agent| state.agents.of(*agent))
        };
        let has_param = |param: &String| match param.split_once('=') {
            None => build.parameters.contains_key(param),
            Some((name, value)) => build.parameters.get(name).is_some_and(|held| held == value),
        };
        (self.ids.is_empty() || self.ids.contains(&workspace.id))
            && self.owner_id.is_none_or(|id| workspace.owner == id)
            && self.owner.as_ref().is_none_or(|owner| {
                let user = state.users.of(workspace.owner);
                !user.deleted && user.username.eq_ignore_ascii_case(owner)
            })
            && self.template.as_ref().is_none_or(|name| template.name.eq_ignore_ascii_case(name))
            && self.name.as_ref().is_none_or(|part| workspace.name.to_lowercase().contains(part))
            && self.status.as_ref().is_none_or(|asked| status(job.status(), build.transition) == asked)
            && self.organization.is_none_or(|id| workspace.organization == id)
            && self.has_agent.as_ref().is_none_or(|asked| agents().any(|agent| agent.status() == asked))
            && self.dormant.is_none_or(|dormant| !dormant || workspace.dormant_at.is_some())
            && self.outdated.is_none_or(|asked| outdated == asked)
            && self.params.iter().all(has_param)
            && self.used_after.is_none_or(|after| workspace.last_used_at >= after)
            && self.used_before.is_none_or(|before| workspace.last_used_at <= before)
    }
}

/// A word that is no term: a name, or an owner and a name.
fn word(word: &str) -> Result<Vec<(&'static str, String)>, String> {
    let parts: Vec<&str> =
        word.split('/').filter(|part| !part.is_empty()).map(|part| part.trim_matches('"')).collect();
    match parts[..] {
        [name] => Ok(vec![("name", name.into())]),
        [owner, name] => Ok(vec![("owner", owner.into()), ("name", name.into())]),
        _ => Err(format!("Query element {word:?} can only contain 1 '/'")),
    }
}

fn instant(terms: &mut Terms, key: &str) -> Option<Instant> {
    let text = terms.text(key)?.to_uppercase();
    let parsed = Instant::parse(&text);
    if parsed.is_none() {
        const LAYOUT: &str = "2006-01-02T15:04:05.999999999Z07:00";
        terms.refuse(
            key,
            &format!("must be a valid date format ({LAYOUT}): parsing time {text:?} as {LAYOUT:?}"),
        );
    }
    parsed
}
