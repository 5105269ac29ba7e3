//! Free ports on loopback, chosen when a lab starts.
//!
//! Below the range from which the kernel takes the local ends of connections, so that nobody takes one between the
//! choice and the server's own bind.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use anyhow::{Result, bail};

const FIRST: u16 = 20000;
const COUNT: u16 = 12000;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port nobody listens on, never the same twice in one run.
pub(crate) fn free() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Runs that start together begin at different places.
    let offset = u16::from_str_radix(&super::secret()?[..4], 16)? % COUNT;
    for step in 0..COUNT {
        let port = FIRST + (offset + step) % COUNT;
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port on loopback")
}

/// True once somebody accepts connections there.
pub(crate) fn answers(port: u16) -> bool {
    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}
