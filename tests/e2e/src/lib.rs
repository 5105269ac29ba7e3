//! What the end-to-end tests share: where the lab is, kubectl, raw HTTP clients, Envoy's stats, the stand-in's faults,
//! objects that a test makes for itself.
//!
//! The suite knows the lab by its environment alone (`.lab/env`, written by `cargo xtask lab up`), so the same tests run
//! against the stand-in and against real servers. It starts nothing and seeds nothing. Without that environment every test
//! prints that it is skipped; with `E2E_REQUIRED=1` a missing variable is a failure.

pub mod api;
pub mod balancer;
pub mod calls;
pub mod check;
pub mod doors;
pub mod endpoint;
pub mod envoy;
pub mod faults;
pub mod go;
pub mod http1;
pub mod http2;
pub mod kubectl;
pub mod lab;
pub mod message;
pub mod replica;
pub mod role;
pub mod running;
pub mod scratch;
pub mod seed;
pub mod stream;
pub mod upgrade_target;
pub mod watch;

pub use api::Api;
pub use balancer::Balancer;
pub use endpoint::Endpoint;
pub use go::GoClients;
pub use http1::Http1;
pub use kubectl::Kubectl;
pub use lab::{Lab, Mode, Parts, skip};
pub use message::{Request, Response};
pub use replica::Replica;
pub use role::Role;
pub use running::Running;
pub use scratch::Scratch;
pub use stream::{Protocol, Stream};
pub use watch::Watcher;

/// The base path of the API group version that the suite is about.
pub const GROUP_VERSION: &str = "/apis/aggregation.coder.com/v1alpha1";

/// The API group that the suite is about.
pub const GROUP: &str = "aggregation.coder.com";
