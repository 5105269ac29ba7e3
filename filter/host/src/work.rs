//! The exchanges that a worker has in work, by numbers of our own.
//!
//! Not by their streams: an exchange may outlive its stream, or never have had one, and the host's numbers say nothing about those.
//! Pure: nothing is asked of the host here.

use crate::table::Table;
use coder_kube_core::exchange::Exchange;

/// A context identifier of the host.
pub(crate) type ContextId = u32;
/// Names an exchange in work.
pub(crate) type WorkId = u32;
/// Milliseconds since the Unix epoch.
pub(crate) type Millis = i64;

/// Whom an exchange works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// The client of this stream.
    Client(ContextId),
    /// A client who has left after a change had begun.
    Departed,
    /// A request that has been answered.
    Answered,
    /// The check of what Coder's tokens allow.
    Credentials,
    /// The check whether this stream may go on as a watch.
    Watch(ContextId),
}

/// An exchange in work.
pub(crate) struct Work {
    /// The plugin that it belongs to; its callouts are that plugin's.
    pub(crate) root: ContextId,
    pub(crate) whom: For,
    pub(crate) exchange: Exchange,
}

/// See the module.
pub(crate) struct Works {
    all: Table<Work>,
    /// Those that sleep: their plugin and until when.
    sleepers: Table<(ContextId, Millis)>,
    /// When those were last looked for whose moment has come.
    last: Millis,
    next: WorkId,
}

impl Works {
    pub(crate) const fn new() -> Self {
        Self { all: Table::new(), sleepers: Table::new(), last: 0, next: 0 }
    }

    /// How many there are that a request is held up by. Work that goes on afterwards may wait for an hour, and must not keep requests out; nor must those
    /// that have been refused and do not come to their end.
    pub(crate) fn requests(&self) -> usize {
        let is_request =
            |work: &Work| !matches!(work.whom, For::Answered | For::Watch(_)) && !work.exchange.is_answered();
        self.all.iter().filter(|(_, work)| is_request(work)).count()
    }

    /// A number that no exchange in work has.
    pub(crate) fn number(&mut self) -> WorkId {
        loop {
            self.next = self.next.wrapping_add(1);
            if self.all.get(self.next).is_none() {
                return self.next;
            }
        }
    }

    /// Takes an exchange out, to go on with it.
    pub(crate) fn take(&mut self, id: WorkId) -> Option<Work> {
        self.sleepers.remove(id);
        self.all.remove(id)
    }

    /// Keeps an exchange that waits.
    pub(crate) fn keep(&mut self, id: WorkId, work: Work) {
        if let Some(moment) = work.exchange.wakes_at() {
            self.sleepers.insert(id, (work.root, moment));
        }
        self.all.insert(id, work);
    }

    /// A client has left: what it began to change goes on without it, all else ends here.
    pub(crate) fn abandon(&mut self, id: WorkId) {
        if let Some(mut work) = self.take(id)
            && work.exchange.outlives_client()
        {
            work.whom = For::Departed;
            self.keep(id, work);
        }
    }

    /// When the first of a plugin's exchanges wants to be woken.
    pub(crate) fn wakes_at(&self, root: ContextId) -> Option<Millis> {
        self.sleepers.iter().filter(|(_, (of, _))| *of == root).map(|(_, (_, moment))| *moment).min()
    }

    /// Those of a plugin's exchanges whose moment has come, at most so many. A clock that was set back keeps none asleep.
    pub(crate) fn due(&mut self, root: ContextId, now: Millis, most: usize) -> Vec<WorkId> {
        let back = self.last.saturating_sub(now).max(0);
        self.last = now;
        if back > 0 {
            for (_, (_, moment)) in self.sleepers.iter_mut() {
                *moment = moment.saturating_sub(back);
            }
        }
        let due = self.sleepers.iter().filter(|(_, (of, moment))| *of == root && *moment <= now);
        due.map(|(id, _)| *id).take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coder_kube_core::config::Config;
    use coder_kube_core::exchange::{Answer, Filter, Request, Step, Verdict};

    const NOW: Millis = 1_000_000;

    /// The exchange of a create that waits for its body, and so until its deadline of 30 s.
    fn waiting() -> Exchange {
        let config = Config::parse(
            br#"{"mode":"front","kubernetes":{"cluster":"kube"},"controlPlanes":[
                {"namespace":"n","cluster":"c","authority":"a","dashboardURL":"https://d"}]}"#,
        );
        let headers = [
            (":method", "POST"),
            (":path", "/apis/aggregation.coder.com/v1alpha1/namespaces/n/coderworkspaces"),
            ("authorization", "Bearer t"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let request = Request::new(headers.to_vec(), None);
        let Verdict::Serve(mut exchange) = Filter::new(config.unwrap()).receive(request, NOW, 0) else {
            panic!()
        };
        let mut steps = vec![exchange.advance()];
        while let Some(step) = steps.pop() {
            let Step::Call(calls) = step else { continue };
            for (id, call) in calls {
                let body = match call.path.contains("access") {
                    true => r#"{"kind":"SelfSubjectAccessReview","status":{"allowed":true}}"#,
                    false => r#"{"kind":"SelfSubjectReview","status":{"userInfo":{"username":"u"}}}"#,
                };
                let answer = Answer { status: 201, headers: Vec::new(), body: body.into() };
                steps.push(exchange.resume(id, Ok(answer), NOW));
            }
        }
        exchange
    }

    fn keep(works: &mut Works, root: ContextId, whom: For) -> WorkId {
        let id = works.number();
        works.keep(id, Work { root, whom, exchange: waiting() });
        id
    }

    #[test]
    fn what_changes_nothing_goes_with_its_client() {
        let mut works = Works::new();
        let (first, second) = (keep(&mut works, 1, For::Client(7)), keep(&mut works, 1, For::Client(8)));
        assert_ne!(first, second);
        works.abandon(first);
        works.abandon(first);
        assert!(works.take(first).is_none());
        assert_eq!(works.requests(), 1);
        assert_eq!(works.take(second).map(|work| work.whom), Some(For::Client(8)));
        assert_eq!((works.requests(), works.wakes_at(1)), (0, None));
    }

    #[test]
    fn work_that_nobody_waits_for_keeps_no_request_out() {
        let mut works = Works::new();
        for whom in [For::Answered, For::Departed, For::Client(7), For::Answered] {
            keep(&mut works, 1, whom);
        }
        assert_eq!(works.requests(), 2);
    }

    #[test]
    fn who_has_been_refused_keeps_no_request_out() {
        let mut works = Works::new();
        let id = keep(&mut works, 1, For::Client(7));
        assert_eq!(works.requests(), 1);
        let mut work = works.take(id).unwrap();
        // More than a body may have.
        assert!(matches!(work.exchange.body(vec![b' '; 4_000_000], false, NOW), Step::Wait));
        works.keep(id, work);
        assert_eq!((works.requests(), works.wakes_at(1)), (0, Some(NOW + 1_000)));
    }

    #[test]
    fn sleepers_are_woken_by_their_plugin_a_few_at_a_time() {
        let mut works = Works::new();
        let ids: Vec<WorkId> = (0..5).map(|_| keep(&mut works, 1, For::Client(7))).collect();
        keep(&mut works, 2, For::Client(8));
        assert_eq!(works.wakes_at(1), Some(NOW + 30_000));
        assert_eq!(works.wakes_at(3), None);
        assert!(works.due(1, NOW + 29_999, 9).is_empty());
        assert_eq!(works.due(1, NOW + 30_000, 3), ids[..3]);
        assert_eq!(works.due(1, NOW + 30_000, 9), ids);
        works.take(ids[0]);
        assert_eq!(works.due(1, NOW + 30_000, 9), ids[1..]);
        works.due(1, NOW + 29_000, 9);
        assert_eq!(works.wakes_at(1), Some(NOW + 29_000), "the clock was set back");
    }
}
