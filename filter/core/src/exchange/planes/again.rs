//! A call that a discovered Coder has refused because of its token: the Secret is read again, and where it holds another one the call is made once more,
//! provided that the object still names the same URL: a new token may be for a new address, and is nothing for whoever has the old one now. A call that got
//! 401 has changed nothing, so that is safe for writes as well.

use super::super::filter::Filter;
use super::super::port::{Call, Outcome};
use super::discover::{is_same, secret_path, token};
use super::object::path;
use super::{RECENT, question};
use crate::planes::{Access, Token};
use crate::time::{Millis, is_recent};
use std::rc::Rc;

/// The header.
const SESSION_TOKEN: &str = "Coder-Session-Token";

/// See the module. It holds the call and its token, and cannot be printed.
pub(in crate::exchange) struct Again {
    filter: Rc<Filter>,
    namespace: String,
    access: Rc<Access>,
    call: Call,
    used: Token,
    /// What Coder has answered, while the Secret and the object are being read.
    refused: Option<Outcome>,
    /// What the Secret holds now, while the object is being read.
    new: Option<Token>,
}

impl Again {
    /// A call with the present token, and what is to be done with its outcome.
    pub(in crate::exchange) fn new(
        filter: &Rc<Filter>,
        namespace: &str,
        access: Rc<Access>,
        call: Call,
    ) -> (Call, Box<Self>) {
        let used = access.token.borrow().clone();
        let (filter, namespace) = (filter.clone(), namespace.to_owned());
        let again = Self { filter, namespace, access, call, used, refused: None, new: None };
        (again.call(), Box::new(again))
    }

    fn call(&self) -> Call {
        let mut call = self.call.clone();
        call.headers.push((SESSION_TOKEN.to_owned(), self.used.header()));
        call
    }

    /// Something has come back: the call that is made next, or the outcome.
    pub(in crate::exchange) fn next(
        mut self: Box<Self>,
        now: Millis,
        outcome: Outcome,
    ) -> Result<(Call, Option<Box<Self>>), Outcome> {
        if let Some(new) = self.new.take() {
            return (*self).decide(new, outcome, now);
        }
        if let Some(refused) = self.refused.take() {
            let Access { object, secret, key, .. } = &*self.access;
            let discovery = self.filter.config.discovery.as_ref();
            return match (token(outcome, &self.namespace, secret, key), discovery) {
                (Ok(token), Some(discovery)) if token != self.used => {
                    let question = question(&self.filter, discovery, path(&self.namespace, object));
                    (self.new, self.refused) = (Some(token), Some(refused));
                    Ok((question, Some(self)))
                }
                _ => {
                    self.access.checked_at.set(now);
                    Err(refused)
                }
            };
        }
        if !outcome.as_ref().is_ok_and(|answer| answer.status == 401) {
            return Err(outcome);
        }
        let present = self.access.token.borrow().clone();
        if present != self.used {
            // Somebody else was refused, too, and came first.
            self.used = present;
            return Ok((self.call(), None));
        }
        let is_due = !is_recent(self.access.checked_at.get(), now, RECENT);
        let Some(discovery) = self.filter.config.discovery.as_ref().filter(|_| is_due) else {
            return Err(outcome);
        };
        // The object may name another Secret by now.
        self.filter.discovering.hurry();
        let path = secret_path(&self.namespace, &self.access.secret);
        let question = question(&self.filter, discovery, path);
        self.refused = Some(outcome);
        Ok((question, Some(self)))
    }

    /// The call with the new token, if that is for where the call goes.
    fn decide(
        mut self,
        new: Token,
        outcome: Outcome,
        now: Millis,
    ) -> Result<(Call, Option<Box<Self>>), Outcome> {
        let Access { identity, secret, key, .. } = &*self.access;
        if is_same(&outcome, *identity, (secret, key)) {
            self.access.token.replace(new.clone());
            self.used = new;
            return Ok((self.call(), None));
        }
        self.access.checked_at.set(now);
        Err(self.refused.take().unwrap_or(outcome))
    }
}
