//! The workspaces of the lab: alice's and bob's plain ones, and one of carol's in every further state.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::client::{Coder, text};
use super::templates::RETIRED;

/// How many creations are under way at once when many are asked for.
const AT_ONCE: usize = 8;

/// One workspace, and what happens to it after its first build.
struct Workspace {
    owner: &'static str,
    name: &'static str,
    template: &'static str,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    Run,
    Fail,
    /// Its build never ends.
    Hang,
    Stop,
    /// Its deletion fails.
    Delete,
    Sleep,
    Schedule,
    FallBehind,
    /// Its template is deprecated, now that it is there.
    Retire,
}

const fn workspace(owner: &'static str, name: &'static str, template: &'static str, then: Then) -> Workspace {
    Workspace { owner, name, template, then }
}

const ALL: [Workspace; 16] = [
    workspace("alice", "ws0", "plain", Then::Run),
    workspace("alice", "ws1", "dev", Then::Run),
    workspace("alice", "ws2", "dev", Then::Run),
    workspace("bob", "ws0", "plain", Then::Run),
    workspace("bob", "ws1", "dev", Then::Run),
    workspace("bob", "ws2", "dev", Then::Run),
    workspace("bob", "bad", "broken", Then::Fail),
    workspace("carol", "stopped", "plain", Then::Stop),
    workspace("carol", "unstarted", "broken", Then::Fail),
    workspace("carol", "undeleted", "undeletable", Then::Delete),
    workspace("carol", "starting", "slow", Then::Hang),
    workspace("carol", "dormant", "plain", Then::Sleep),
    workspace("carol", "outdated", "rolling", Then::FallBehind),
    workspace("carol", "scheduled", "plain", Then::Schedule),
    workspace("carol", "sized", "params", Then::Run),
    workspace("carol", "retired", RETIRED.0, Then::Retire),
];

/// Creates every workspace and brings each into its state, side by side.
pub(super) fn create(coder: &Coder, organization: &str) -> Result<()> {
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            ALL.iter().map(|workspace| scope.spawn(move || workspace.create(coder, organization))).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("a workspace's creation panicked"),
        })
    })
}

/// Creates many plain workspaces of one user, several at a time, and waits until they run.
pub(super) fn create_many(
    coder: &Coder,
    organization: &str,
    owner: &str,
    numbers: std::ops::Range<usize>,
    created: impl Fn(usize) + Sync,
) -> Result<()> {
    let template = template_id(coder, organization, "plain")?;
    let next = std::sync::atomic::AtomicUsize::new(numbers.start);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if number >= numbers.end {
                            return Ok(());
                        }
                        let body = json!({ "name": format!("many-{number:05}"), "template_id": template });
                        coder.post(&format!("/users/{owner}/workspaces"), &body)?;
                        created(number - numbers.start + 1);
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("the creation of workspaces panicked"),
        })
    })
}

/// How many workspaces a user has that match a status, or all.
pub(super) fn count(coder: &Coder, owner: &str, status: &str) -> Result<usize> {
    let read = coder.get(&format!("/workspaces?limit=1&q=owner:{owner}%20{status}"))?;
    Ok(read["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
}

fn template_id(coder: &Coder, organization: &str, name: &str) -> Result<String> {
    text(&coder.get(&format!("/organizations/{organization}/templates/{name}"))?, "id")
}

impl Workspace {
    fn create(&self, coder: &Coder, organization: &str) -> Result<()> {
        let mut body =
            json!({ "name": self.name, "template_id": template_id(coder, organization, self.template)? });
        if self.template == "params" {
            body["rich_parameter_values"] = json!([{ "name": "cpu", "value": "4" }]);
        }
        if matches!(self.then, Then::Schedule) {
            body["ttl_ms"] = json!(8 * 3_600_000);
            body["autostart_schedule"] = json!("CRON_TZ=UTC 30 9 * * 1-5");
        }
        let workspace = coder.post(&format!("/users/{}/workspaces", self.owner), &body)?;
        let (id, build) = (text(&workspace, "id")?, text(&workspace["latest_build"], "id")?);
        let running = |build: &Value| build["job"]["status"] == "running";
        match self.then {
            Then::Hang => coder.wait_for(&format!("/workspacebuilds/{build}"), running).map(drop),
            Then::Fail => self.ended(coder, &build, "failed"),
            then => {
                self.ended(coder, &build, "succeeded")?;
                self.go_on(coder, organization, &id, then)
            }
        }
    }

    /// What happens once it has started.
    fn go_on(&self, coder: &Coder, organization: &str, id: &str, then: Then) -> Result<()> {
        let build = |transition: &str| {
            text(
                &coder.post(&format!("/workspaces/{id}/builds"), &json!({ "transition": transition }))?,
                "id",
            )
        };
        match then {
            Then::Stop => self.ended(coder, &build("stop")?, "succeeded"),
            Then::Delete => self.ended(coder, &build("delete")?, "failed"),
            Then::Sleep => {
                coder.put(&format!("/workspaces/{id}/dormant"), &json!({ "dormant": true })).map(drop)
            }
            Then::Retire => super::templates::deprecate(coder, organization),
            Then::FallBehind => super::templates::promote_new_version(coder, organization, self.template),
            Then::Run | Then::Schedule | Then::Fail | Then::Hang => Ok(()),
        }
    }

    fn ended(&self, coder: &Coder, build: &str, expect: &str) -> Result<()> {
        let build =
            coder.wait_for(&format!("/workspacebuilds/{build}"), |build| super::over(&build["job"]))?;
        if build["job"]["status"] != expect {
            bail!("the build of {}/{} ended as {}", self.owner, self.name, build["job"]);
        }
        Ok(())
    }
}
