//! What has changed in Coder, cheaply: nearly everything that happens to a workspace is a job of its provisioner, and the newest jobs of an organization
//! are one short call.

use super::super::super::context::{Cx, settled};
use crate::coder::errors::{Class, Intent};
use crate::coder::{self, Organization, ProvisionerJob, requests};
use crate::config::ControlPlane;
use crate::kube::status::Status;
use crate::time::Millis;

/// Jobs that are looked at in each organization, newest first.
const NEWEST: u64 = 50;
/// The same where all of those are new since nobody has looked.
const MANY: u64 = 500;
/// Unfinished ones that are asked for beside those.
const UNFINISHED: usize = 50;

/// What the jobs say.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Workspaces to be read again.
    pub(super) workspaces: Vec<String>,
    /// Workspaces that were built while nobody looked: they may have been made and deleted in that time.
    pub(super) unseen: Vec<String>,
    /// Templates are to be read again.
    pub(super) templates: bool,
    /// More has happened than can be told.
    pub(super) all: bool,
}

/// The jobs that were seen last.
#[derive(Default)]
pub(super) struct Jobs {
    /// Ids, and the jobs of each; none where they have not been looked at yet.
    organizations: Vec<(String, Option<Vec<Seen>>)>,
    /// What has been found, until all organizations have been looked at.
    news: News,
    /// They have been looked at before.
    begun: bool,
    /// Coder does not show them to us.
    hidden: bool,
    /// Nor did it when that was last found out.
    was_hidden: bool,
}

#[derive(Clone)]
struct Seen {
    id: String,
    status: String,
    finished: bool,
}

impl Jobs {
    /// The organizations may have changed.
    pub(super) fn forget_organizations(&mut self) {
        self.begun = false;
        self.hidden = false;
    }

    /// Looks at the jobs of every organization. Where that is the first look, nobody has looked since a moment.
    pub(super) async fn look(
        &mut self,
        cx: &Cx,
        plane: &ControlPlane,
        unseen_since: Millis,
    ) -> Result<News, Status> {
        if self.hidden {
            return Ok(News::default());
        }
        if !self.begun {
            let body = ask(cx, plane, requests::organizations()).await?.unwrap_or_default();
            let organizations = coder::parse::<Vec<Organization<'_>>>(&body).unwrap_or_default();
            self.organizations.retain(|(known, _)| organizations.iter().any(|one| *one.id == **known));
            for organization in &organizations {
                if !self.organizations.iter().any(|(known, _)| *known == *organization.id) {
                    self.organizations.push((organization.id.as_str().to_owned(), None));
                }
            }
            self.begun = true;
        }
        for (organization, seen) in &mut self.organizations {
            let request = requests::provisioner_jobs(organization, &[], NEWEST);
            let Some(body) = ask(cx, plane, request).await? else {
                self.hidden = true;
                // From now on full readings find everything, in their own time.
                let all = !std::mem::replace(&mut self.was_hidden, true);
                return Ok(News { all, ..std::mem::take(&mut self.news) });
            };
            let (news, mut now) = (&mut self.news, Vec::new());
            let before = seen.as_deref();
            let last = before.ok_or(unseen_since);
            let known = |jobs: &[Seen], id: &str| jobs.iter().any(|job| job.id == id);
            let all_unseen = take(&body, last, &mut now, news);
            let count = u64::try_from(now.len()).unwrap_or_default();
            let missed = before.is_some_and(|before| !now.iter().any(|job| known(before, &job.id)));
            news.all |= count == NEWEST && missed;
            let left: Vec<&str> = before
                .unwrap_or_default()
                .iter()
                .filter(|job| !job.finished && !known(&now, &job.id))
                .map(|job| job.id.as_str())
                .take(UNFINISHED)
                .collect();
            let more = if !left.is_empty() {
                ask(cx, plane, requests::provisioner_jobs_by_id(organization, &left)).await?
            } else if before.is_none() && count == NEWEST {
                let unfinished = ["pending", "running", "canceling"];
                ask(cx, plane, requests::provisioner_jobs(organization, &unfinished, NEWEST)).await?
            } else {
                None
            };
            if let Some(body) = more {
                take(&body, last, &mut now, news);
            }
            if all_unseen && count == NEWEST {
                let request = requests::provisioner_jobs(organization, &[], MANY);
                let body = ask(cx, plane, request).await?.unwrap_or_default();
                take(&body, last, &mut now, news);
            }
            *seen = Some(now);
        }
        self.was_hidden = false;
        Ok(std::mem::take(&mut self.news))
    }
}

/// Compares jobs with what was seen of them, or with the moment since when nobody has looked. Whether all were made since that moment.
fn take(body: &[u8], seen: Result<&[Seen], Millis>, now: &mut Vec<Seen>, news: &mut News) -> bool {
    let Ok(jobs) = coder::parse::<Vec<ProvisionerJob<'_>>>(body) else { return false };
    for job in &jobs {
        if now.iter().any(|other| other.id == job.id.as_str()) {
            continue;
        }
        let (is_news, workspaces) = match seen {
            Ok(seen) => {
                let before = seen.iter().find(|other| other.id == job.id.as_str());
                (before.is_none_or(|before| before.status != job.status.as_str()), &mut news.workspaces)
            }
            Err(unseen_since) => (job.created_at.millis() >= unseen_since, &mut news.unseen),
        };
        match &job.metadata.workspace_id {
            Some(id) if is_news && !workspaces.iter().any(|other| other == id.as_str()) => {
                workspaces.push(id.as_str().to_owned());
            }
            None if is_news => news.templates |= job.is_import(),
            _ => {}
        }
        now.push(Seen {
            id: job.id.as_str().to_owned(),
            status: job.status.as_str().to_owned(),
            finished: job.is_finished(),
        });
    }
    seen.is_err_and(|since| jobs.iter().all(|job| job.created_at.millis() >= since))
}

/// The body of an answer; nothing where Coder does not let us see it.
async fn ask(cx: &Cx, plane: &ControlPlane, request: requests::Request) -> Result<Option<Vec<u8>>, Status> {
    match settled(Intent::Read, cx.send_to_coder(plane, request)).await {
        Ok(answer) => Ok(Some(answer.body)),
        Err(e) if matches!(e.class, Class::NotFound | Class::Forbidden) => Ok(None),
        Err(e) => Err(super::super::super::workspaces::failed(&e, &plane.namespace, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;
    use serde_json::json;

    #[test]
    fn what_is_news() {
        let job = |id: &str, created_at: Millis, status: &str, workspace: Option<&str>| {
            let kind = if workspace.is_some() { "workspace_build" } else { "template_version_import" };
            json!({"id": id, "created_at": time::format(created_at), "status": status, "type": kind, "metadata": {"workspace_id": workspace}})
        };
        let jobs = json!([
            job("import", 60_000, "running", None),
            job("deletion", 50_000, "succeeded", Some("brief")),
            job("creation", 40_000, "succeeded", Some("brief")),
            job("other", 30_000, "succeeded", Some("lasts")),
        ])
        .to_string();
        let seen = |id: &str, status: &str| Seen {
            id: id.to_owned(),
            status: status.to_owned(),
            finished: status == "succeeded",
        };
        let strings = |of: &[&str]| of.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let check = |seen: Result<&[Seen], Millis>, workspaces: &[&str], unseen: &[&str], templates: bool| {
            let (mut now, mut news) = (Vec::new(), News::default());
            let all = take(jobs.as_bytes(), seen, &mut now, &mut news);
            assert_eq!((now.len(), news.templates, all), (4, templates, matches!(seen, Err(0))));
            assert_eq!(
                (news.workspaces.as_slice(), news.unseen.as_slice()),
                (&strings(workspaces)[..], &strings(unseen)[..])
            );
        };
        // Since the last look.
        check(Ok(&[]), &["brief", "lasts"], &[], true);
        let known = [seen("import", "running"), seen("creation", "succeeded"), seen("other", "running")];
        check(Ok(&known), &["brief", "lasts"], &[], false);
        let known = [
            seen("import", "pending"),
            seen("deletion", "running"),
            seen("creation", "succeeded"),
            seen("other", "succeeded"),
        ];
        check(Ok(&known), &["brief"], &[], true);
        // In a first look, since nobody has looked.
        check(Err(0), &[], &["brief", "lasts"], true);
        check(Err(40_000), &[], &["brief"], true);
        check(Err(60_001), &[], &[], false);
        check(Err(Millis::MAX), &[], &[], false);
    }
}
