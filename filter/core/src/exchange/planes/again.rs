//! A call that a discovered Coder has refused because of its token: the Secret is read again, and where it holds another one the call is made once more.
//! A call that got 401 has changed nothing, so that is safe for writes as well.

use super::super::filter::Filter;
use super::super::port::{Call, Outcome, Pending, Port};
use super::discover::{secret_path, token};
use super::{RECENT, ask};
use crate::planes::{Access, Token};
use crate::time::Millis;
use std::rc::Rc;

/// The header.
const SESSION_TOKEN: &str = "Coder-Session-Token";

/// See the module. It holds the call and its token, and cannot be printed.
pub(in crate::exchange) struct Again {
    filter: Rc<Filter>,
    namespace: String,
    access: Rc<Access>,
    call: Call,
    changes: bool,
    used: Token,
    /// What Coder has answered, while the Secret is being read.
    refused: Option<Outcome>,
}

impl Again {
    /// Sends a call with the present token.
    pub(in crate::exchange) fn send<'a>(
        filter: &Rc<Filter>,
        port: &'a Port,
        namespace: &str,
        access: Rc<Access>,
        call: Call,
        changes: bool,
    ) -> Pending<'a> {
        let used = access.token.borrow().clone();
        let (filter, namespace) = (filter.clone(), namespace.to_owned());
        let again = Self { filter, namespace, access, call, changes, used, refused: None };
        let mut pending = again.sent(port);
        pending.again = Some(Box::new(again));
        pending
    }

    fn sent<'a>(&self, port: &'a Port) -> Pending<'a> {
        let mut call = self.call.clone();
        call.headers.push((SESSION_TOKEN.to_owned(), self.used.header()));
        port.call_coder(call, self.changes)
    }

    /// Something has come back: what it is waited for next, or the outcome.
    pub(in crate::exchange) fn next<'a>(
        mut self: Box<Self>,
        port: &'a Port,
        outcome: Outcome,
    ) -> Result<Pending<'a>, Outcome> {
        let Some(refused) = self.refused.take() else { return self.answered(port, outcome) };
        let Access { secret, key, .. } = &*self.access;
        match token(outcome, &self.namespace, secret, key) {
            Ok(token) if token != self.used => {
                self.access.token.replace(token.clone());
                self.used = token;
                Ok(self.sent(port))
            }
            _ => {
                self.access.checked_at.set(port.now());
                Err(refused)
            }
        }
    }

    /// Coder has answered.
    fn answered<'a>(mut self: Box<Self>, port: &'a Port, outcome: Outcome) -> Result<Pending<'a>, Outcome> {
        if !outcome.as_ref().is_ok_and(|answer| answer.status == 401) {
            return Err(outcome);
        }
        // The object may name another Secret by now.
        let present = self.access.token.borrow().clone();
        if present != self.used {
            // Somebody else was refused, too, and came first.
            self.used = present;
            return Ok(self.sent(port));
        }
        let since: Millis = port.now().saturating_sub(self.access.checked_at.get());
        let Some(discovery) = self.filter.config.discovery.clone().filter(|_| since >= RECENT) else {
            return Err(outcome);
        };
        self.filter.discovering.hurry();
        let path = secret_path(&self.namespace, &self.access.secret);
        let mut pending = ask(port, &self.filter, &discovery, path);
        self.refused = Some(outcome);
        pending.again = Some(self);
        Ok(pending)
    }
}
