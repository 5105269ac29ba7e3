//! Calls *to* the host: every proxy-wasm import the filter uses, as safe functions that return `Result`.
//!
//! The `proxy-wasm` crate panics on host statuses that do occur (a callout that failed has no headers, a header may not be
//! UTF-8), and a panic kills the VM of everybody on that worker; so the imports are bound here, once, and no status is fatal.
//! Refuses to decide anything: no Kubernetes, no Coder, no state. ABI: proxy-wasm 0.2.1.

use coder_kube_core::time::has_come;
use coder_kube_core::watch::SharedData;
use std::ptr::null_mut;

/// What the host answered instead of `Ok`, as in the ABI's `proxy_status_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostError(pub(crate) u32);

type HostResult<T> = Result<T, HostError>;

/// Status of a change of shared data that somebody else came before.
const CAS_MISMATCH: u32 = 8;

/// A list of header names and values; values are bytes, because HTTP does not promise UTF-8.
pub(crate) type Pairs = Vec<(String, Vec<u8>)>;

/// Header maps of the ABI that the filter reads or changes.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum HeaderMap {
    Request = 0,
    Response = 2,
    CalloutAnswer = 6,
}

/// Buffers of the ABI that the filter reads.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CalloutAnswer = 4,
    PluginConfiguration = 7,
}

/// Log levels of the ABI.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
}

/// Natively there is no host: every import answers `Unimplemented` (12), so that the crate can be checked and linted.
#[cfg(not(target_arch = "wasm32"))]
#[path = "host_absent.rs"]
mod absent;
#[cfg(not(target_arch = "wasm32"))]
use absent::*;

fn check(status: u32) -> HostResult<()> {
    if status == 0 { Ok(()) } else { Err(HostError(status)) }
}

/// Takes over a block that the host filled after asking [`proxy_on_memory_allocate`](crate::exports) for it.
fn take(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host got this block from `proxy_on_memory_allocate`, which leaks a `Vec<u8>` of exactly this capacity, and
    // hands it over here once.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

/// Writes a line to Envoy's log. A failure to log is not worth failing for.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: pointer and length are those of a live string; the host only reads.
    let _ = unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Nanoseconds since the Unix epoch; 0 where the host has no clock.
pub(crate) fn nanoseconds() -> u64 {
    let mut nanoseconds = 0u64;
    // SAFETY: the host writes one u64.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    if status == 0 { nanoseconds } else { 0 }
}

/// Milliseconds since the Unix epoch; 0 where the host has no clock.
pub(crate) fn now() -> i64 {
    i64::try_from(nanoseconds() / 1_000_000).unwrap_or(0)
}

/// Asks for `proxy_on_tick` every `period` milliseconds; 0 stops it.
pub(crate) fn set_tick_period(period: u32) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { proxy_set_tick_period_milliseconds(period) })
}

/// What all workers share, and what outlives their VMs.
pub(crate) struct Shared;

impl SharedData for Shared {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        let (mut data, mut size, mut cas) = (null_mut(), 0usize, 0u32);
        // SAFETY: pointer and length of a live string; the host writes a pointer to a block from `proxy_on_memory_allocate`, its size and a number.
        let status = unsafe {
            proxy_get_shared_data(key.as_ptr(), key.len(), &raw mut data, &raw mut size, &raw mut cas)
        };
        (status == 0).then(|| (take(data, size), cas))
    }

    fn set(&self, key: &str, value: &[u8], number: u32) -> bool {
        // SAFETY: pointers and lengths of live blocks; the host only reads.
        let status =
            unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), number) };
        if status != 0 && status != CAS_MISMATCH {
            log(Level::Error, &format!("shared data cannot be written: host status {status}"));
        }
        status == 0
    }
}

/// Whether a key has been set in the data that all workers share. It outlives their VMs.
pub(crate) fn has_shared(key: &str) -> bool {
    Shared.get(key).is_some()
}

/// Sets a key in the data that all workers share.
pub(crate) fn set_shared(key: &str) -> bool {
    Shared.set(key, b"1", 0)
}

/// Takes a turn at something that one worker does at a time: whether the last turn was at least `interval` milliseconds ago (or never), and no
/// other worker takes it at this very moment. Two may both have the first.
pub(crate) fn take_turn(key: &str, now: i64, interval: i64) -> bool {
    let known = Shared.get(key);
    if let Some((last, _)) = &known
        && let Ok(last) = last.as_slice().try_into().map(i64::from_le_bytes)
        && !has_come(last.saturating_add(interval), now, interval)
    {
        return false;
    }
    Shared.set(key, &now.to_le_bytes(), known.map_or(0, |(_, cas)| cas))
}

/// Makes the calls that follow act on another context. Fails when that context has gone (the client left).
pub(crate) fn set_effective_context(context: u32) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { proxy_set_effective_context(context) })
}

/// A counter of that name, made by whoever comes first: Envoy shows the sum of all workers.
pub(crate) fn define_counter(name: &str) -> HostResult<u32> {
    let mut id = 0u32;
    // SAFETY: pointer and length of a live string; the host writes one u32. 0 is the ABI's counter.
    check(unsafe { proxy_define_metric(0, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Adds one to a counter.
pub(crate) fn increment_counter(id: u32) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { proxy_increment_metric(id, 1) })
}

/// All headers of a map, in order. Names come from Envoy in lower case; one that is not UTF-8 cannot occur and is dropped.
pub(crate) fn headers(map: HeaderMap) -> HostResult<Pairs> {
    let (mut data, mut size) = (null_mut(), 0usize);
    // SAFETY: the host writes a pointer to a block from `proxy_on_memory_allocate` and its size.
    check(unsafe { proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut size) })?;
    Ok(crate::pairs::decode(&take(data, size)))
}

/// The first header of that name, where it is text.
pub(crate) fn header(map: HeaderMap, name: &str) -> Option<String> {
    let (_, value) = headers(map).ok()?.into_iter().find(|(header, _)| header == name)?;
    String::from_utf8(value).ok()
}

/// Adds a header beside those of the same name.
pub(crate) fn add_header(map: HeaderMap, name: &str, value: &str) -> HostResult<()> {
    // SAFETY: pointers and lengths of live strings; the host only reads.
    check(unsafe {
        proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Removes every header of that name.
pub(crate) fn remove_header(map: HeaderMap, name: &str) -> HostResult<()> {
    // SAFETY: pointer and length of a live string; the host only reads.
    check(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// Puts other headers in place of all that are there.
pub(crate) fn set_headers(map: HeaderMap, headers: &[(&str, &str)]) -> HostResult<()> {
    let headers = crate::pairs::encode(headers);
    // SAFETY: pointer and length of a live block; the host only reads.
    check(unsafe { proxy_set_header_map_pairs(map as u32, headers.as_ptr(), headers.len()) })
}

/// Lets a request that was held go on to its route's cluster.
pub(crate) fn continue_request() -> HostResult<()> {
    // SAFETY: no pointers. 0 is the ABI's request.
    check(unsafe { proxy_continue_stream(0) })
}

/// Ends the stream of the effective context; the client sees a reset.
pub(crate) fn reset_stream() -> HostResult<()> {
    // SAFETY: no pointers. 0 is the ABI's request.
    check(unsafe { proxy_close_stream(0) })
}

/// Puts other bytes in place of the first `size` of a buffer.
pub(crate) fn set_buffer(buffer: Buffer, size: usize, bytes: &[u8]) -> HostResult<()> {
    // SAFETY: pointer and length of a live block; the host only reads.
    check(unsafe { proxy_set_buffer_bytes(buffer as u32, 0, size, bytes.as_ptr(), bytes.len()) })
}

/// The whole of a buffer, `size` bytes as the host announced it.
pub(crate) fn buffer(buffer: Buffer, size: usize) -> HostResult<Vec<u8>> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let (mut data, mut got) = (null_mut(), 0usize);
    // SAFETY: the host writes a pointer to a block from `proxy_on_memory_allocate` and its size.
    check(unsafe { proxy_get_buffer_bytes(buffer as u32, 0, size, &raw mut data, &raw mut got) })?;
    Ok(take(data, got))
}

/// An attribute of the stream, `None` where it does not exist. `path` parts are joined by NUL as the ABI wants it.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0usize);
    // SAFETY: pointer and length of a live string; the host writes a pointer to a block from `proxy_on_memory_allocate` and its size.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    (status == 0).then(|| take(data, size))
}

/// Sets filter state of the stream, which access logs read as `%FILTER_STATE(wasm.<path>:PLAIN)%`.
pub(crate) fn set_property(path: &str, value: &str) -> HostResult<()> {
    // SAFETY: pointers and lengths of live strings; the host only reads.
    check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// Answers the stream of the effective context. Once only; the host refuses a second.
pub(crate) fn send_local_response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> HostResult<()> {
    let details = "coder_kube_filter";
    let headers = crate::pairs::encode(headers);
    // SAFETY: pointers and lengths of live blocks; the host only reads. -1 is "no gRPC status".
    check(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    })
}

/// Starts a callout and returns its token. It belongs to the effective context and ends silently with it.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout_ms: u32,
) -> HostResult<u32> {
    let headers = crate::pairs::encode(headers);
    let trailers = crate::pairs::encode(&[]);
    let mut token = 0u32;
    // SAFETY: pointers and lengths of live blocks; the host reads them and writes one u32.
    check(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &raw mut token,
        )
    })?;
    Ok(token)
}
