//! Counters of answers by verb, resource and code, in Envoy's own stats as `wasmcustom.<name>`.
//!
//! The labels are part of the name; `stats_tags` in `envoy/front.yaml` takes them out again. Names are made of words of ours and a status,
//! never of what a client wrote, so there can only be so many.

use crate::host;
use coder_kube_core::exchange::Reply;

/// What is counted, and the host's number for it. There are some dozens; a list is the least code.
pub(crate) struct Counters(Vec<((&'static str, &'static str, u16), u32)>);

impl Counters {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Counts an answer. A host that cannot count is no reason to fail.
    pub(crate) fn count(&mut self, reply: &Reply) {
        let key = (reply.labels.verb, reply.labels.resource, reply.status);
        let known = self.0.iter().find(|(known, _)| *known == key).map(|(_, id)| *id);
        let id = known.or_else(|| {
            let id = host::define_counter(&name(key)).ok()?;
            self.0.push((key, id));
            Some(id)
        });
        if let Some(id) = id {
            let _ = host::increment_counter(id);
        }
    }
}

fn name((verb, resource, code): (&str, &str, u16)) -> String {
    format!("coder_kube_requests_total.verb.{verb}.resource.{resource}.code.{code}")
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn labels_are_in_the_name() {
        assert_eq!(
            name(("get", "coderworkspaces/log", 404)),
            "coder_kube_requests_total.verb.get.resource.coderworkspaces/log.code.404"
        );
    }
}
