//! What Envoy calls: the proxy-wasm entry points that the filter needs, and no others.
//!
//! A callback that is not exported is never called, so what passes through costs nothing after its headers. The SDK's dispatcher
//! is not used: it exports every callback, panics on identifiers that it does not know, and ties a callout to whichever context
//! is active, while here every callout belongs to the root, which outlives the client (see [`crate::vm`]).
//! ABI: proxy-wasm 0.2.1.

use crate::vm;

/// `FilterHeadersStatus::Continue` of the ABI.
const CONTINUE: u32 = 0;
/// `FilterHeadersStatus::StopIteration` of the ABI.
const PAUSE: u32 = 1;
/// `FilterDataStatus::StopIterationNoBuffer` of the ABI.
const DROP: u32 = 3;

/// Tells the host which ABI this module speaks.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_abi_version_0_2_1() {}

/// First call into the module: makes a panic say where it happened before it kills the VM.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _initialize() {
    std::panic::set_hook(Box::new(|info| crate::host::log(crate::host::Level::Critical, &info.to_string())));
}

/// Gives the host a block to write into; [`crate::host`] takes it over.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut block = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(size));
    block.as_mut_ptr()
}

/// A plugin (`root` 0) or a stream of one begins.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    vm::with(|vm| vm.create(context, root));
}

/// The VM has started; it has no configuration of its own.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_vm_start(_context: u32, _size: usize) -> u32 {
    1
}

/// A plugin gets its configuration; 0 keeps Envoy from starting.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_configure(context: u32, size: usize) -> u32 {
    vm::with(|vm| u32::from(vm.configure(context, size))).unwrap_or(0)
}

/// Time has passed.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_tick(context: u32) {
    vm::with(|vm| vm.tick(context));
}

/// The headers of a request on one of our routes.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_request_headers(context: u32, _headers: u32, end_of_stream: u32) -> u32 {
    match vm::with(|vm| vm.request(context, end_of_stream != 0)) {
        Some(true) => CONTINUE,
        Some(false) => PAUSE,
        None => {
            let _ = crate::host::send_local_response(503, &[], b"");
            PAUSE
        }
    }
}

/// A part of a request's body. Of what the filter answers itself Envoy keeps nothing: each part is taken over as it comes, so no limit of
/// Envoy's buffers applies.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_request_body(context: u32, size: usize, end_of_stream: u32) -> u32 {
    if vm::with(|vm| vm.body(context, size, end_of_stream != 0)) == Some(true) { CONTINUE } else { DROP }
}

/// The trailers of a request: its body has ended.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_request_trailers(context: u32, _trailers: u32) -> u32 {
    if vm::with(|vm| vm.body(context, 0, true)) == Some(true) { CONTINUE } else { PAUSE }
}

/// The headers of an answer from a route's cluster, or of Envoy's own. Only those that carry a watch matter. Where the answer is our own, the state is
/// in use, and nothing is to be done.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_response_headers(context: u32, _headers: u32, _end_of_stream: u32) -> u32 {
    vm::with(|vm| vm.response(context));
    CONTINUE
}

/// A part of such an answer.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_response_body(context: u32, size: usize, end_of_stream: u32) -> u32 {
    vm::with(|vm| vm.response_body(context, size, end_of_stream != 0));
    CONTINUE
}

/// A callout has been answered, or has failed: then `headers` is 0.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_http_call_response(
    root: u32,
    token: u32,
    headers: u32,
    body_size: usize,
    _trailers: u32,
) {
    vm::with(|vm| vm.call_response(root, token, headers > 0, body_size));
}

/// A stream has ended; whoever waited for its answer has gone.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_delete(context: u32) {
    vm::with(|vm| vm.delete(context));
}
