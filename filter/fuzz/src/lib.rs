//! What each fuzz target does with its input: feed it to one parser of the filter and hold the outcome to its laws.
//!
//! A target panics when a law is broken. The same functions run on a few inputs in `filter/core/tests/fuzz_smoke.rs`, with a stable
//! toolchain, so that nothing here goes stale. Refuses structure-aware generators: inputs are text that people can write as seeds.

pub mod aggregated;
pub mod coder;
pub mod driver;
pub mod exchange;
pub mod kube;
pub mod text;
pub mod written;

/// A target: its name, which is also that of its file in `fuzz_targets` and of its folder in `seeds`, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("authorization", kube::authorization),
    ("coder", coder::coder),
    ("config", text::config),
    ("continue_token", text::continue_token),
    ("delete_options", written::delete_options),
    ("discovery", kube::discovery),
    ("document", written::document),
    ("exchange", exchange::exchange),
    ("files", coder::files),
    ("front_proxy", aggregated::front_proxy),
    ("logs", coder::logs),
    ("manifest", written::manifest),
    ("names", text::names),
    ("negotiation", text::negotiation),
    ("openapi", kube::openapi),
    ("patch", written::patch),
    ("request", text::request),
    ("selectors", text::selectors),
    ("subject", text::subject),
    ("template", written::template),
    ("time", text::time),
    ("workspace", written::workspace),
    ("yaml", kube::yaml),
];
