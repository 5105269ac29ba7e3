//! The proxy-wasm module: the thin layer between Envoy and [`coder_kube_core`].
//!
//! - [`exports`] — what Envoy calls;
//! - [`vm`] — one worker's state: plugins, streams, callouts on their way;
//! - [`work`] — the exchanges in work;
//! - [`alarm`] — when a tick is wanted;
//! - [`counters`] — answers counted in Envoy's stats;
//! - [`host`] — what we call of Envoy, with `Result`s;
//! - [`pairs`] — the ABI's header maps;
//! - [`table`] — what is known by a number.
//!
//! Refuses to know Kubernetes or Coder: it moves requests, calls and answers between Envoy and the core's exchanges.

mod alarm;
mod counters;
mod exports;
mod host;
mod pairs;
mod table;
mod vm;
mod watches;
mod work;
