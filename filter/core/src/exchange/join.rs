//! Several pieces of work side by side, without a runtime: each is polled whenever something has come in.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Work whose outcome goes somewhere else.
type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Does some work for each item, on so many at once, and gives the outcomes in the order of the items.
pub(super) async fn each<T, O, F: Future<Output = O>>(
    at_once: usize,
    items: Vec<T>,
    work: impl Fn(T) -> F,
) -> Vec<O> {
    let outcomes = RefCell::new(Vec::with_capacity(items.len()));
    let (into, work) = (&outcomes, &work);
    let all = items.into_iter().enumerate().map(|(place, item)| {
        Box::pin(async move {
            let outcome = work(item).await;
            let mut outcomes = into.borrow_mut();
            // They end nearly in order.
            let at = outcomes.partition_point(|(earlier, _)| *earlier < place);
            outcomes.insert(at, (place, outcome));
        }) as Work<'_>
    });
    run(at_once, all.collect()).await;
    outcomes.into_inner().into_iter().map(|(_, outcome)| outcome).collect()
}

/// Runs it all.
async fn run(at_once: usize, mut waiting: VecDeque<Work<'_>>) {
    let mut running: Vec<Work<'_>> = Vec::new();
    poll_fn(|context| {
        loop {
            while running.len() < at_once.max(1)
                && let Some(next) = waiting.pop_front()
            {
                running.push(next);
            }
            let before = running.len();
            running.retain_mut(|work| work.as_mut().poll(context).is_pending());
            if running.is_empty() && waiting.is_empty() {
                return Poll::Ready(());
            }
            // What has begun in the place of what has ended must be polled once, or its calls never leave.
            if running.len() == before || waiting.is_empty() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn a_few_at_once_and_all_in_order() {
        let (open, most, gates) = (Cell::new(0), Cell::new(0), RefCell::new([false; 7]));
        let (open, most, gates) = (&open, &most, &gates);
        let mut all = pin!(each(3, (0..7).collect(), |item: usize| async move {
            open.set(open.get() + 1);
            most.set(most.get().max(open.get()));
            poll_fn(|_| if gates.borrow()[item] { Poll::Ready(()) } else { Poll::Pending }).await;
            open.set(open.get() - 1);
            item * 10
        }));
        let mut context = Context::from_waker(Waker::noop());
        for gate in [2, 0, 1, 5, 3, 6] {
            assert!(all.as_mut().poll(&mut context).is_pending());
            gates.borrow_mut()[gate] = true;
        }
        assert!(all.as_mut().poll(&mut context).is_pending());
        gates.borrow_mut()[4] = true;
        assert_eq!(all.as_mut().poll(&mut context), Poll::Ready(vec![0, 10, 20, 30, 40, 50, 60]));
        assert_eq!((most.get(), open.get()), (3, 0));
    }

    #[test]
    fn nothing_to_do() {
        let mut all = pin!(each(8, Vec::<u8>::new(), |item| async move { item }));
        assert_eq!(all.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Vec::new()));
    }
}
