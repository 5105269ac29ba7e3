//! From what a workspace is to what it should be: everything is checked first, then the change is made. Update, patch and scale end here.

use super::carry_out::{Subject, carry_out};
use super::find::garbage;
use super::versions::{self, Use};
use super::{builds, evaluate, failed, invalid, refused, shown};
use crate::api::v1alpha1::CoderWorkspaceManifest;
use crate::coder::errors::{Class, Intent};
use crate::coder::requests::Values;
use crate::coder::{self, TemplateVersion, Workspace, requests};
use crate::config::ControlPlane;
use crate::convert::parameter_check::Asked;
use crate::convert::workspace_change::{Change, change, projected};
use crate::convert::workspace_check;
use crate::exchange::context::{Cx, settled};
use crate::exchange::port::Answer;
use crate::kube::status::Status;
use crate::time::Timestamp;

/// What is there and what is wished for.
pub(super) struct Wish<'a> {
    pub(super) cx: &'a Cx,
    pub(super) plane: &'a ControlPlane,
    pub(super) name: &'a str,
    pub(super) current: &'a Workspace<'a>,
    /// The same as Coder wrote it.
    pub(super) body: &'a [u8],
    /// Those of the latest build.
    pub(super) parameters: &'a Values,
    pub(super) spec: &'a CoderWorkspaceManifest,
    /// All that the spec names is meant, also where it is as it was: it is not the result of a patch.
    pub(super) whole: bool,
    pub(super) dry_run: bool,
}

/// What came of it.
pub(super) struct Reached {
    change: Change,
    /// The workspace as Coder showed it afterwards.
    answer: Option<Answer>,
    /// Parameters as they should be now.
    values: Values,
}

impl Wish<'_> {
    /// Makes it so.
    ///
    /// # Errors
    /// 422 with every field that will not do, 409 for a build in the way, and what Coder refuses.
    pub(super) async fn reach(&self) -> Result<Reached, Status> {
        let mut causes = workspace_check::check(self.spec);
        causes.extend(workspace_check::check_settings(self.spec, Some(self.current)));
        let change = match change(self.current, self.parameters, self.spec, self.whole) {
            Ok(change) => change,
            Err(more) => {
                causes.extend(more);
                Change::default()
            }
        };
        invalid(self.name, causes)?;
        let values = match &change.build {
            Some(_) => self.check_build(&change).await?,
            None => self.parameters.clone(),
        };
        if self.dry_run || change.is_empty() {
            return Ok(Reached { change, answer: None, values });
        }
        let of = Subject { cx: self.cx, plane: self.plane, name: self.name, id: &self.current.id };
        let answer = carry_out(of, &change).await?;
        Ok(Reached { change, answer, values })
    }

    /// Whether Coder would take the build. Returns the parameters that it would have.
    async fn check_build(&self, change: &Change) -> Result<Values, Status> {
        let Some(build) = &change.build else { return Ok(self.parameters.clone()) };
        builds::refuse_active(&self.current.latest_build, self.name)?;
        let given = &build.rich_parameter_values;
        let merged = evaluate::merged(self.parameters, given);
        let other = build.template_version_id.as_deref();
        if other.is_none() && given.is_empty() {
            return Ok(merged);
        }
        let id = other.unwrap_or(&self.current.latest_build.template_version_id);
        // Both questions are on their way before the first is waited for.
        let version = other.map(|id| self.cx.send_to_coder(self.plane, requests::template_version(id)));
        let evaluation = evaluate::ask(self.cx, self.plane, id, &self.current.owner_id, &merged);
        if let Some(version) = version {
            let answer = match settled(Intent::Read, version).await {
                Err(e) if e.class == Class::NotFound => {
                    return Err(refused(self.name, vec![versions::unknown(id)]));
                }
                other => other.map_err(|e| failed(&e, &self.plane.namespace, self.name))?,
            };
            let version: TemplateVersion<'_> = coder::parse(&answer.body)
                .map_err(|_| garbage(Intent::Read, &self.plane.namespace, self.name))?;
            let template = &self.current.template_id;
            versions::check(&version, template, Use::Build, "spec.templateVersionID", self.name)?;
        }
        // The result of a patch names all that was there, and a version that has less takes it away.
        let named = self.spec.parameters.iter().flatten().map(|parameter| parameter.name.as_str());
        let kept: Vec<&str> = named.filter(|name| self.whole && given.get(name).is_none()).collect();
        let asked = Asked { values: given, kept: &kept, preset: None, previous: Some(self.parameters) };
        evaluate::receive(self.plane, self.name, evaluation, asked).await
    }

    /// The workspace as it then is: as Coder shows it, or as it must be by what was done.
    pub(super) async fn show<T>(
        &self,
        reached: &Reached,
        whole: bool,
        show: impl FnOnce(&Workspace<'_>, Option<&Values>) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let after: Option<Workspace<'_>> =
            reached.answer.as_ref().and_then(|answer| coder::parse(&answer.body).ok());
        let built = reached.change.build.is_some() && after.is_some();
        let user = self.cx.user.borrow().clone();
        let after = match after {
            Some(after) => after,
            None => {
                let before = coder::parse(self.body)
                    .map_err(|_| garbage(Intent::Change, &self.plane.namespace, self.name))?;
                projected(before, &reached.change, &user, Timestamp::from_millis(self.cx.now()))
            }
        };
        // What cannot be read again is known well enough; the change was made, and an error would say that it was not.
        let parameters = match built && whole {
            true => shown::parameters(self.cx, self.plane, self.name, &after.latest_build.id).await.ok(),
            false => None,
        };
        let parameters = parameters.as_ref().unwrap_or(&reached.values);
        show(&after, whole.then_some(parameters))
    }
}
