//! The instant upstream: one nginx that is Coder (plain HTTP) and kube-apiserver's reviews (TLS), from recorded bytes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::coder;
use super::load::Target;
use crate::command::write_atomically;
use crate::lab::pki::Pki;
use crate::lab::{ports, process};
use crate::progress::step;

/// An upstream that is up.
pub(super) struct Running {
    pub(super) pid: i32,
    pub(super) pki: Pki,
    pub(super) kube_port: u16,
    pub(super) coder_url: String,
}

impl Running {
    /// A path of Coder's, asked for directly.
    pub(super) fn target(&self, path: &str) -> Target {
        Target { url: format!("{}{path}", self.coder_url), headers: Vec::new(), pid: self.pid }
    }
}

/// Starts it; the reviews answer that user `bench` may do everything.
pub(super) fn start(lab: &Path, nginx: &Path) -> Result<Running> {
    step("instant Coder and kube-apiserver", |step| {
        let folder = lab.join("upstream");
        let pki = Pki::create(&lab.join("pki"))?;
        let list = coder::list()?;
        write_atomically(&folder.join("one.json"), coder::one().as_bytes())?;
        write_atomically(&folder.join("list.json"), list.as_bytes())?;
        write_atomically(&folder.join("parameters.json"), coder::PARAMETERS.as_bytes())?;
        let (coder_port, kube_port) = (ports::free()?, ports::free()?);
        let config = folder.join("nginx.conf");
        write_atomically(&config, configuration(&folder, &pki, coder_port, kube_port).as_bytes())?;
        let coder_url = format!("http://127.0.0.1:{coder_port}");
        let server = process::Server { lab, name: "nginx", address: coder_url.clone(), temporary: None };
        let mut command = Command::new(nginx);
        command.arg("-p").arg(&folder).arg("-c").arg(&config).args(["-e", "stderr"]);
        let pid = server.start(&mut command)?;
        process::wait(lab, "nginx", step, Duration::from_secs(10), || {
            ports::answers(coder_port) && ports::answers(kube_port)
        })?;
        let note = format!("{} and {} bytes", coder::one().len(), list.len());
        Ok((Running { pid, pki, kube_port, coder_url }, note))
    })
}

fn configuration(folder: &Path, pki: &Pki, coder_port: u16, kube_port: u16) -> String {
    // As root nginx would change to a user who cannot read the checkout.
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {}/scratch;", folder.display()))
        .join("\n    ");
    let (certificate, key) = (pki.file("kube-apiserver.crt"), pki.file("kube-apiserver.key"));
    let (one, list, root) = (coder::one_path(), coder::LIST_PATH, folder.display());
    let (certificate, key) = (certificate.display(), key.display());
    format!(
        r#"{user}
daemon off;
worker_processes 2;
error_log stderr;
pid {root}/pid;
events {{ worker_connections 4096; }}
http {{
    {scratch}
    access_log off;
    default_type application/json;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    server {{
        listen 127.0.0.1:{coder_port} backlog=4096;
        root {root};
        location = {one} {{ try_files /one.json =500; }}
        location = {list} {{ try_files /list.json =500; }}
        location ^~ /api/v2/workspacebuilds/ {{ try_files /parameters.json =500; }}
    }}
    server {{
        listen 127.0.0.1:{kube_port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location = /apis/authorization.k8s.io/v1/selfsubjectaccessreviews {{
            return 201 '{{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{{"allowed":true}}}}';
        }}
        location = /apis/authentication.k8s.io/v1/selfsubjectreviews {{
            return 201 '{{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","status":{{"userInfo":{{"username":"bench"}}}}}}';
        }}
    }}
}}
"#
    )
}
