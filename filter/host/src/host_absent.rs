//! The imports where there is no host (native checks and unit tests): each answers `Unimplemented` and touches nothing.
#![allow(clippy::too_many_arguments)]

const UNIMPLEMENTED: u32 = 12;

macro_rules! absent {
    ($($name:ident($($argument:ty),*);)*) => {
        $(pub(super) unsafe fn $name($(_: $argument),*) -> u32 { UNIMPLEMENTED })*
    };
}

absent! {
    proxy_log(u32, *const u8, usize);
    proxy_get_current_time_nanoseconds(*mut u64);
    proxy_set_tick_period_milliseconds(u32);
    proxy_get_shared_data(*const u8, usize, *mut *mut u8, *mut usize, *mut u32);
    proxy_set_shared_data(*const u8, usize, *const u8, usize, u32);
    proxy_set_effective_context(u32);
    proxy_define_metric(u32, *const u8, usize, *mut u32);
    proxy_increment_metric(u32, i64);
    proxy_get_header_map_pairs(u32, *mut *mut u8, *mut usize);
    proxy_add_header_map_value(u32, *const u8, usize, *const u8, usize);
    proxy_remove_header_map_value(u32, *const u8, usize);
    proxy_get_buffer_bytes(u32, usize, usize, *mut *mut u8, *mut usize);
    proxy_set_buffer_bytes(u32, usize, usize, *const u8, usize);
    proxy_set_header_map_pairs(u32, *const u8, usize);
    proxy_continue_stream(u32);
    proxy_close_stream(u32);
    proxy_get_property(*const u8, usize, *mut *mut u8, *mut usize);
    proxy_set_property(*const u8, usize, *const u8, usize);
    proxy_send_local_response(u32, *const u8, usize, *const u8, usize, *const u8, usize, i32);
    proxy_http_call(*const u8, usize, *const u8, usize, *const u8, usize, *const u8, usize, u32, *mut u32);
}
