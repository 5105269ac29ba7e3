//! Runs `coder_kube_fuzz::aggregated::front_proxy` on whatever libFuzzer comes up with.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coder_kube_fuzz::aggregated::front_proxy(data));
