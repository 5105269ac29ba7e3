//! A tiny HTTP/1.1 server of the suite's own, which kube-apiserver's pod proxy reaches: it shows what came through, and upgrades.
//!
//! It answers every request with the request's own body and, in `X-Target`, the request target as it arrived; a request that
//! asks for an upgrade gets its `101`, and every byte back after that.

use crate::Lab;
use serde_json::json;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

/// The server, with a Pod that stands for it; the Pod is deleted when this value is dropped.
#[derive(Debug)]
pub struct UpgradeTarget<'lab> {
    lab: &'lab Lab,
    pod: String,
    port: u16,
}

impl<'lab> UpgradeTarget<'lab> {
    /// Starts the server and creates the Pod, past Envoy. `None`, after a line that says so, where that cannot be.
    ///
    /// # Panics
    /// When kube-apiserver refuses the Pod.
    pub fn start(lab: &'lab Lab, name: &str) -> Option<UpgradeTarget<'lab>> {
        if !lab.is_real("proxying to a Pod") {
            return None;
        }
        let Some(address) = own_address() else {
            crate::skip("this machine has only loopback addresses, to which kube-apiserver does not proxy");
            return None;
        };
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                thread::spawn(move || drop(serve(connection)));
            }
        });
        let pod = format!("e2e-{name}-{}", std::process::id());
        let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": "default"},
            "spec": {"containers": [{"name": "c", "image": "none"}]}});
        lab.kubectl_direct().input(manifest.to_string()).run("create -f -").ok();
        let target = UpgradeTarget { lab, pod, port };
        let address = address.to_string();
        let status = json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}});
        let patch = format!("--patch={status}");
        let arguments =
            ["patch", "pod", "-n", "default", &target.pod, "--subresource=status", "--type=merge", &patch];
        lab.kubectl_direct().run_args(&arguments).ok();
        Some(target)
    }

    /// The path at kube-apiserver that leads to `rest` at this server.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/default/pods/{}:{}/proxy{rest}", self.pod, self.port)
    }
}

impl Drop for UpgradeTarget<'_> {
    fn drop(&mut self) {
        let command = format!("delete pod -n default {} --force --grace-period=0 --wait=false", self.pod);
        drop(self.lab.kubectl_direct().run(&command));
    }
}

/// An address of this machine that is not loopback. Connecting a datagram socket sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn serve(mut connection: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end() {
                "" => break,
                text => lines.push(text.to_owned()),
            }
        }
        let target = lines.first().and_then(|l| l.split(' ').nth(1)).unwrap_or_default().to_owned();
        let header = |name: &str| {
            let mut pairs = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
            pairs.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
        };
        if let Some(protocol) = header("upgrade") {
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nX-Target: {target}\r\n\r\n"
            );
            connection.write_all(answer.as_bytes())?;
            io::copy(&mut reader, &mut connection)?;
            return Ok(());
        }
        let length = header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        let body = if header("transfer-encoding").is_some() {
            read_chunks(&mut reader)?
        } else {
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            body
        };
        let head = format!("HTTP/1.1 200 OK\r\nX-Target: {target}\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.write_all(head.as_bytes())?;
        connection.write_all(&body)?;
    }
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        let start = body.len();
        body.resize(start + size, 0);
        reader.read_exact(&mut body[start..])?;
        reader.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(body);
        }
    }
}
