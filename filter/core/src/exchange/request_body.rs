//! The body of a request: collected as it comes in, within its own limit and that of the worker.
//!
//! What is over a limit is dropped at once and said when the verb asks for the body, so a caller who may not write learns that and
//! no more.

use crate::kube::status::Status;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Bytes of request bodies that one worker holds.
#[derive(Debug, Default)]
pub struct BodyBudget(Cell<usize>);

/// Why there is no body.
#[derive(Debug, Clone, Copy)]
enum Refused {
    /// It is longer than this request may be.
    TooLarge,
    /// The worker holds too much already.
    NoRoom,
}

/// See the module.
#[derive(Debug)]
pub struct RequestBody {
    /// Most bytes that this request may have; 0 when nobody wants them.
    limit: Cell<usize>,
    /// What all requests of the worker hold, and may hold.
    budget: Rc<BodyBudget>,
    capacity: usize,
    /// What of the budget is this request's.
    held: Cell<usize>,
    bytes: RefCell<Vec<u8>>,
    refused: Cell<Option<Refused>>,
    complete: Cell<bool>,
}

impl RequestBody {
    /// For a request that may have so many bytes, on a worker that may hold so many.
    pub fn new(limit: usize, budget: Rc<BodyBudget>, capacity: usize) -> Self {
        let (held, bytes, refused, complete) = Default::default();
        Self { limit: Cell::new(limit), budget, capacity, held, bytes, refused, complete }
    }

    /// There is no request.
    pub fn none() -> Self {
        let none = Self::new(0, Rc::default(), 0);
        none.complete.set(true);
        none
    }

    /// Whether the request has ended.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.get()
    }

    /// Nobody wants it any more.
    pub(super) fn forget(&self) {
        self.limit.set(0);
        self.bytes.take();
        self.release();
    }

    /// Takes the next part. Nothing is kept of a body that no one wants or that is over a limit.
    pub(super) fn push(&self, chunk: Vec<u8>, last: bool) {
        self.complete.set(last || self.complete.get());
        if self.limit.get() == 0 || self.refused.get().is_some() {
            return;
        }
        let length = self.held.get().saturating_add(chunk.len());
        let all = self.budget.0.get().saturating_add(chunk.len());
        let refused = match () {
            () if length > self.limit.get() => Refused::TooLarge,
            () if all > self.capacity => Refused::NoRoom,
            () => {
                self.held.set(length);
                self.budget.0.set(all);
                let mut bytes = self.bytes.borrow_mut();
                if bytes.is_empty() {
                    *bytes = chunk;
                } else {
                    bytes.extend_from_slice(&chunk);
                }
                return;
            }
        };
        self.refused.set(Some(refused));
        self.bytes.take();
        self.release();
    }

    /// Takes the whole, once it is there. The budget gets it back when the exchange ends.
    ///
    /// # Errors
    /// 413 or 429, as soon as that is known.
    pub(super) fn take(&self) -> Option<Result<Vec<u8>, Status>> {
        match (self.refused.get(), self.complete.get()) {
            (Some(Refused::TooLarge), _) => {
                Some(Err(Status::request_entity_too_large(&format!("limit is {} bytes", self.limit.get()))))
            }
            (Some(Refused::NoRoom), _) => Some(Err(Status::too_many_requests(
                "the bodies of other requests take up all memory for them, please try again",
                1,
            ))),
            (None, true) => Some(Ok(self.bytes.take())),
            (None, false) => None,
        }
    }

    fn release(&self) {
        self.budget.0.set(self.budget.0.get().saturating_sub(self.held.take()));
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &RequestBody) -> Option<Result<Vec<u8>, u16>> {
        body.take().map(|result| result.map_err(|status| status.code))
    }

    #[test]
    fn parts_are_joined() {
        let body = RequestBody::new(10, Rc::default(), 100);
        body.push(b"ab".to_vec(), false);
        assert_eq!(taken(&body), None);
        body.push(b"cd".to_vec(), false);
        body.push(Vec::new(), true);
        assert_eq!(taken(&body), Some(Ok(b"abcd".to_vec())));
    }

    #[test]
    fn limits() {
        let budget: Rc<BodyBudget> = Rc::default();
        let first = RequestBody::new(10, budget.clone(), 15);
        let second = RequestBody::new(10, budget.clone(), 15);
        first.push(vec![0; 10], false);
        second.push(vec![0; 6], false);
        assert_eq!(taken(&second), Some(Err(429)));
        assert_eq!(budget.0.get(), 10);
        first.push(vec![0; 1], false);
        assert_eq!(taken(&first), Some(Err(413)));
        assert_eq!(budget.0.get(), 0);
        let third = RequestBody::new(10, budget.clone(), 15);
        third.push(vec![0; 10], true);
        assert_eq!(budget.0.get(), 10);
        drop(third);
        assert_eq!(budget.0.get(), 0);
    }

    #[test]
    fn a_body_that_nobody_wants_is_not_kept() {
        let body = RequestBody::new(0, Rc::default(), 0);
        body.push(vec![0; 10], true);
        assert_eq!(taken(&body), Some(Ok(Vec::new())));
    }
}
