//! What the stand-in has been asked, by whom: which calls to Coder a request made.

use crate::{Endpoint, Lab};
use serde_json::Value;

/// Calls to Coder whose `User-Agent` names one caller, counted from the moment of its making.
#[derive(Debug)]
pub struct Calls {
    control: Endpoint,
    caller: String,
    after: u64,
}

/// One call to Coder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub method: String,
    /// Path below `/api/v2`, without its query.
    pub path: String,
    /// The answer's code; 0 when there was none.
    pub status: u64,
    /// Who asked.
    pub user_agent: String,
}

/// POSTs that change nothing.
const HARMLESS: [&str; 2] = ["/authcheck", "/dynamic-parameters/evaluate"];

impl Calls {
    /// The calls of one Kubernetes user from now on; `None` with real parts, which keep no such list.
    pub fn of(lab: &Lab, user: &str) -> Option<Calls> {
        let control = Endpoint::from_url(lab.standin_url.as_deref()?);
        let mut calls = Calls { control, caller: format!("({user})"), after: 0 };
        calls.restart();
        Some(calls)
    }

    /// Counts from now on.
    pub fn restart(&mut self) {
        let seen = self.control.get(&format!("/standin/requests?after={}", self.after)).json();
        let last = seen.as_array().and_then(|seen| seen.last());
        self.after = last.and_then(|last| last["number"].as_u64()).unwrap_or(self.after);
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<Call> {
        let seen = self.control.get(&format!("/standin/requests?after={}", self.after)).json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let seen = seen.as_array().cloned().unwrap_or_default();
        let calls = seen.iter().filter(|seen| seen["side"] == "coder").map(|seen| {
            let path = text(&seen["path"]);
            let path = path.split('?').next().unwrap_or_default();
            Call {
                method: text(&seen["method"]),
                path: path.trim_start_matches("/api/v2").to_owned(),
                status: seen["status"].as_u64().unwrap_or_default(),
                user_agent: text(&seen["user_agent"]),
            }
        });
        calls.filter(|call| call.user_agent.contains(&self.caller)).collect()
    }

    /// Those that may have changed something, as `METHOD /path`, with ids replaced by `*`.
    pub fn writes(&self) -> Vec<String> {
        let harmless =
            |call: &Call| call.method == "GET" || HARMLESS.iter().any(|suffix| call.path.ends_with(suffix));
        let writes = self.all().into_iter().filter(|call| !harmless(call));
        writes.map(|call| format!("{} {}", call.method, without_ids(&call.path))).collect()
    }
}

/// Replaces segments that are UUIDs.
fn without_ids(path: &str) -> String {
    let is_id = |segment: &str| segment.len() == 36 && segment.matches('-').count() == 4;
    let segments = path.split('/').map(|segment| if is_id(segment) { "*" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}
