//! The check that the module asks its host for the proxy-wasm ABI 0.2.1 and for nothing else: no WASI, no
//! JavaScript glue. Envoy would refuse such a module only when it loads it, and other hosts in other ways.

use anyhow::{Context, Result, bail};
use wasmparser::{Parser, Payload, TypeRef};

/// The functions of ABI 0.2.1, as <https://github.com/proxy-wasm/spec> lists them.
const FUNCTIONS: [&str; 40] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
    "proxy_unregister_shared_queue",
];
const VERSION: &str = "proxy_abi_version_0_2_1";

/// Fails naming every import that is not the ABI's, or when the module does not say which ABI it speaks.
pub(super) fn check(module: &[u8]) -> Result<()> {
    let (mut strangers, mut versioned) = (Vec::new(), false);
    for payload in Parser::new(0).parse_all(module) {
        match payload.context("not a wasm module")? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    let known = import.module == "env"
                        && matches!(import.ty, TypeRef::Func(_))
                        && FUNCTIONS.contains(&import.name);
                    if !known {
                        strangers.push(format!("{}.{}", import.module, import.name));
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    versioned |= export?.name == VERSION;
                }
            }
            _ => {}
        }
    }
    if !strangers.is_empty() {
        bail!("the module imports what is not the proxy-wasm ABI: {}", strangers.join(", "));
    }
    if !versioned {
        bail!("the module does not export {VERSION}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with one imported function of type `() -> ()` and, when asked, the export that names the ABI.
    fn module(import: Option<(&str, &str)>, versioned: bool) -> Vec<u8> {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let section = |id: u8, body: Vec<u8>| [vec![id, u8::try_from(body.len()).unwrap()], body].concat();
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend(section(1, vec![1, 0x60, 0, 0]));
        if let Some((module, name)) = import {
            bytes.extend(section(2, [vec![1], text(module), text(name), vec![0, 0]].concat()));
        }
        bytes.extend(section(3, vec![1, 0]));
        if versioned {
            let index = u8::from(import.is_some());
            bytes.extend(section(7, [vec![1], text(VERSION), vec![0, index]].concat()));
        }
        bytes.extend(section(10, vec![1, 2, 0, 0x0b]));
        bytes
    }

    fn check_module(import: Option<(&str, &str)>, versioned: bool, expect: &str) {
        let outcome =
            check(&module(import, versioned)).map_or_else(|error| error.to_string(), |()| String::new());
        assert_eq!(outcome, expect, "{import:?}");
    }

    #[test]
    fn only_the_abi_is_let_in() {
        check_module(Some(("env", "proxy_log")), true, "");
        check_module(None, true, "");
        check_module(None, false, "the module does not export proxy_abi_version_0_2_1");
        let strange = "the module imports what is not the proxy-wasm ABI: ";
        check_module(
            Some(("wasi_snapshot_preview1", "fd_write")),
            true,
            &format!("{strange}wasi_snapshot_preview1.fd_write"),
        );
        check_module(Some(("env", "proxy_unheard_of")), true, &format!("{strange}env.proxy_unheard_of"));
        check_module(
            Some(("__wbindgen_placeholder__", "x")),
            true,
            &format!("{strange}__wbindgen_placeholder__.x"),
        );
    }
}
