//! What values of parameters come to: Coder evaluates them, which changes nothing, and what it leaves out is judged here.

use super::find::garbage;
use super::{failed, invalid};
use crate::coder::errors::Intent;
use crate::coder::requests::{self, Values};
use crate::coder::{self, Evaluation};
use crate::config::ControlPlane;
use crate::convert::parameter_check::{Asked, judge, values};
use crate::exchange::context::{Cx, settled};
use crate::exchange::port::Pending;
use crate::kube::status::Status;

/// Asks, with every value that is known beforehand.
pub(super) fn ask<'a>(
    cx: &'a Cx,
    plane: &ControlPlane,
    version: &str,
    owner: &str,
    inputs: &Values,
) -> Pending<'a> {
    cx.send_to_coder(plane, requests::evaluate(version, owner, inputs))
}

/// Judges the answer. Returns what the build would have.
///
/// # Errors
/// 422 with a cause for each parameter that will not do.
pub(super) async fn receive(
    plane: &ControlPlane,
    name: &str,
    pending: Pending<'_>,
    asked: Asked<'_>,
) -> Result<Values, Status> {
    let answer = settled(Intent::Evaluate, pending).await.map_err(|e| failed(&e, &plane.namespace, name))?;
    let evaluation: Evaluation<'_> =
        coder::parse(&answer.body).map_err(|_| garbage(Intent::Evaluate, &plane.namespace, name))?;
    invalid(name, judge(&evaluation, asked))?;
    Ok(values(&evaluation))
}

/// Values, with others put in their place.
pub(super) fn merged(base: &Values, over: &Values) -> Values {
    let kept = base.0.iter().filter(|parameter| over.get(&parameter.name).is_none());
    Values(kept.chain(&over.0).cloned().collect())
}
