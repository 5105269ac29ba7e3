//! The proxy-wasm module: the thin layer between Envoy and [`coder_kube_core`].
//!
//! - [`exports`] — what Envoy calls;
//! - [`vm`] — one worker's state: plugins, streams, exchanges in work, callouts on their way;
//! - [`host`] — what we call of Envoy, with `Result`s;
//! - [`pairs`] — the ABI's header maps;
//! - [`table`] — what is known by an identifier of the host's.
//!
//! Refuses to know Kubernetes or Coder: it moves requests, calls and answers between Envoy and the core's exchanges.

mod exports;
mod host;
mod pairs;
mod table;
mod vm;
