//! Envoy's own counters, read from its admin interface: who was called, and whether the VM died.

use crate::{Endpoint, Lab, Mode};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// Counters and gauges whose names match a regular expression (Envoy's own, RE2).
///
/// # Panics
/// When the admin interface does not answer.
pub fn stats(lab: &Lab, filter: &str) -> BTreeMap<String, u64> {
    let response = Endpoint::from_url(&lab.envoy_admin).get(&format!("/stats?filter={filter}"));
    assert_eq!(response.status(), 200, "Envoy's admin: {}", response.excerpt());
    let parse = |line: &str| {
        let (name, value) = line.rsplit_once(": ")?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    response.text().lines().filter_map(parse).collect()
}

/// How many requests Envoy has sent to Coder since it started; callouts that never connected count too.
///
/// # Panics
/// When there is no such counter: the cluster must be called `coder`.
pub fn coder_calls(lab: &Lab) -> u64 {
    upstream_requests(lab, "coder")
}

/// How many requests Envoy has sent to where callers are judged.
///
/// # Panics
/// As [`upstream_requests`].
pub fn kubernetes_calls(lab: &Lab) -> u64 {
    upstream_requests(lab, if lab.mode == Mode::Front { "kube" } else { "kube-filter" })
}

/// How many requests Envoy has sent to a cluster since it started.
///
/// # Panics
/// When Envoy has no cluster of that name.
pub fn upstream_requests(lab: &Lab, cluster: &str) -> u64 {
    let name = format!("cluster.{cluster}.upstream_rq_total");
    let found = stats(lab, &format!("^{}$", name.replace('.', "%5C."))).remove(&name);
    found.unwrap_or_else(|| panic!("Envoy has no stat {name}"))
}

/// What Envoy counts about restarts of wasm VMs; any change means a VM has died.
///
/// # Panics
/// When the admin interface does not answer.
pub fn vm_reloads(lab: &Lab) -> BTreeMap<String, u64> {
    let mut all = stats(lab, "vm_reload");
    all.retain(|_, count| *count > 0);
    all
}

/// Runs `work` and asserts that Coder was not called for it. Needs the lab for itself.
///
/// The filter calls Coder by itself, too, while somebody watches and for a while afterwards: what `work` is to blame for happens each
/// time it runs.
///
/// # Panics
/// When Coder was called.
#[track_caller]
pub fn without_coder_call<T>(lab: &Lab, what: &str, mut work: impl FnMut() -> T) -> T {
    for _ in 0..20 {
        let before = coder_calls(lab);
        let result = work();
        // A call that outlives its request would be counted a moment later.
        thread::sleep(Duration::from_millis(50));
        if coder_calls(lab) == before {
            return result;
        }
    }
    panic!("Coder was called: {what}");
}

/// Runs `work` again and again until it returns something, for at most `limit`.
///
/// # Panics
/// When it never does.
#[track_caller]
pub fn eventually<T>(what: &str, limit: Duration, mut work: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(result) = work() {
            return result;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
