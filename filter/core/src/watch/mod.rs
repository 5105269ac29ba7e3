//! What is known of Coder's objects over time, for those who watch them.
//!
//! One history for each Envoy process: every change of every object that is watched, in one row, with versions that only grow. It lives in data that
//! all workers share ([`SharedData`]) and that outlives their VMs. One worker writes it ([`Writer`]), from readings that it makes one after
//! the other; every worker reads it for the streams that it carries ([`Watcher`]).
//!
//! Knows no exchange and makes no calls: what was read of Coder is handed in, and what is to be read is noted down ([`Wants`]).

mod bytes;
mod clock;
mod history;
mod hub;
mod position;
mod seed;
mod shared;
mod store;
mod subject;
mod view;
mod wants;
mod watcher;
mod writer;

pub use clock::{Clock, moment};
pub use hub::Hub;
pub use position::{From, Position, Waited};
pub use seed::{Page, Seed, SeedEntry};
pub use shared::{Alone, SharedData};
pub use store::State;
pub use subject::{Kind, Subject};
pub use view::{pack_template, view};
pub use wants::{Touched, Want, Wants};
pub use watcher::{Start, Watcher, Wish};
pub use writer::{Gone, Observed, Seen, Writer};

use crate::time::Millis;

/// How far workers' clocks may be apart, in milliseconds: they go by the moment of their last event, which may be some time ago. What lies further ahead was
/// said before the clock was set back.
const LAGS: Millis = 4_000;

#[cfg(test)]
mod tests;
