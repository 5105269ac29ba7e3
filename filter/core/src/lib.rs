//! The pure part of the filter: requests of Kubernetes' clients in, calls to Coder and kube-apiserver out, answers back.
//!
//! Dependencies run one way: `kube`, `coder`, `names` and `api` know nothing of each other's business, `convert` brings the two wires
//! together, `exchange` holds the verbs. Refuses I/O, clocks and randomness: everything comes in as a parameter, so that every
//! behaviour can be tested natively in microseconds.

pub mod api;
pub mod coder;
pub mod config;
pub mod convert;
pub mod exchange;
pub mod kube;
pub mod names;
pub mod planes;
pub mod sort;
pub mod time;
pub mod watch;

pub use coder_kube_json as json;
