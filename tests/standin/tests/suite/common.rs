//! A running stand-in with certificates of its own, and the smallest clients that can ask it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use echo_archive::Archive;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::{Value, json};
use standin::{Config, Handle};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The stand-in, and where its certificates are.
pub(crate) struct Lab {
    handle: Handle,
    pki: PathBuf,
    /// The first user's session token, once [`Lab::seeded`] has made that user.
    pub(crate) token: String,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.pki);
    }
}

/// An answer read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// How a client speaks to kube-apiserver.
#[derive(Clone, Copy, Default)]
pub(crate) struct As<'a> {
    /// Name of the client certificate: `admin`, `front-proxy`, `stranger`.
    pub(crate) certificate: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) http1: bool,
}

impl Lab {
    /// Starts an empty one with short jobs.
    pub(crate) async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// Starts an empty one; `coder` adds to Coder's configuration.
    pub(crate) async fn start_with(coder: Value) -> Self {
        let pki = std::env::temp_dir().join(format!("standin-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&pki).unwrap();
        make_certificates(&pki);
        let file = |name: &str| pki.join(name).to_str().unwrap().to_owned();
        let mut config = json!({
            "coder": {"address": "127.0.0.1:0", "clock": {"pending_ms": 1, "running_ms": 5, "canceling_ms": 20}},
            "kube": {
                "address": "127.0.0.1:0",
                "tls": {
                    "cert": file("server.crt"),
                    "key": file("server.key"),
                    "client_ca": file("ca.crt"),
                    "front_proxy_ca": file("front-proxy-ca.crt"),
                    "front_proxy_names": ["front-proxy"],
                },
                "tokens": [
                    {"token": "admin-token", "user": "admin", "groups": ["system:masters"]},
                    {"token": "alice-token", "user": "alice", "uid": "alice-uid", "groups": ["devs"]},
                    {"token": "reader-token", "user": "reader"},
                    {"token": "filter-token", "user": "filter"},
                ],
                "rules": [{
                    "name": "filter",
                    "users": ["filter"],
                    "verbs": ["get", "list", "watch", "patch", "update"],
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "names": ["bell", "poller"],
                    "namespaces": ["bells"],
                }, {
                    "name": "reader",
                    "users": ["reader"],
                    "verbs": ["get", "list"],
                    "apiGroups": [""],
                    "resources": ["pods"],
                    "namespaces": ["coder"],
                }],
                "namespaces": ["default", "coder"],
                "pods": [{"namespace": "coder", "name": "coder-0"}],
                "leases": [{"namespace": "bells", "name": "bell"}, {"namespace": "bells", "name": "poller"}],
            },
        });
        for (key, value) in coder.as_object().unwrap() {
            config["coder"][key] = value.clone();
        }
        let config: Config = serde_json::from_value(config).unwrap();
        let handle = standin::run(config).await.unwrap();
        Self { handle, pki, token: String::new() }
    }

    /// Starts one with the users admin, alice and bob.
    pub(crate) async fn seeded() -> Self {
        Self::seeded_with(json!({})).await
    }

    /// The same, with more in Coder's configuration.
    pub(crate) async fn seeded_with(coder: Value) -> Self {
        let mut lab = Self::start_with(coder).await;
        let first =
            json!({"email": "admin@example.com", "username": "admin", "password": "SomeSecurePassword!1"});
        assert_eq!(lab.post("/users/first", first.clone()).await.status, 201);
        lab.token =
            lab.post("/users/login", first).await.json()["session_token"].as_str().unwrap().to_owned();
        let organization = lab.get("/organizations/coder").await.json()["id"].clone();
        for name in ["alice", "bob"] {
            let user = json!({
                "email": format!("{name}@example.com"),
                "username": name,
                "password": "SomeSecurePassword!1",
                "organization_ids": [organization],
            });
            assert_eq!(lab.post("/users", user).await.status, 201);
        }
        lab
    }

    /// Imports an archive and makes a template of it; returns the template's and the version's ids.
    pub(crate) async fn template(&self, name: &str, archive: &Archive) -> (String, String) {
        let version = self.import(archive, json!({})).await;
        self.imported(&version).await;
        let template = self
            .post("/organizations/coder/templates", json!({"name": name, "template_version_id": version}));
        let template = template.await;
        assert_eq!(template.status, 201, "{template:?}");
        (id(&template.json()), version)
    }

    /// Uploads an archive and starts its import; returns the version's id.
    pub(crate) async fn import(&self, archive: &Archive, more: Value) -> String {
        let file =
            self.call("POST", "/api/v2/files", Some("application/x-tar"), archive.build().into()).await;
        let mut body =
            json!({"storage_method": "file", "file_id": file.json()["hash"], "provisioner": "echo"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let version = self.post("/organizations/coder/templateversions", body).await;
        assert_eq!(version.status, 201, "{version:?}");
        id(&version.json())
    }

    /// Waits for a version's import to end.
    pub(crate) async fn imported(&self, version: &str) -> Value {
        self.ended(&format!("/templateversions/{version}")).await
    }

    /// Creates a workspace and waits for its build to end; returns the workspace.
    pub(crate) async fn workspace(&self, owner: &str, name: &str, template: &str) -> Value {
        let body = json!({"name": name, "template_id": template});
        let workspace = self.post(&format!("/users/{owner}/workspaces"), body).await;
        assert_eq!(workspace.status, 201, "{workspace:?}");
        let workspace = workspace.json();
        self.built(&workspace["latest_build"]).await;
        self.get(&format!("/workspaces/{}", id(&workspace))).await.json()
    }

    /// Makes a build and waits for its end.
    pub(crate) async fn build(&self, workspace: &Value, body: Value) -> Value {
        let build = self.post(&format!("/workspaces/{}/builds", id(workspace)), body).await;
        assert_eq!(build.status, 201, "{build:?}");
        self.built(&build.json()).await
    }

    /// Waits for a build to end.
    pub(crate) async fn built(&self, build: &Value) -> Value {
        self.ended(&format!("/workspacebuilds/{}", id(build))).await
    }

    async fn ended(&self, path: &str) -> Value {
        for _ in 0..6000 {
            let value = self.get(path).await.json();
            if !["pending", "running", "canceling"].contains(&value["job"]["status"].as_str().unwrap()) {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{path} does not end");
    }

    /// `GET` below `/api/v2`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", &format!("/api/v2{path}"), None, Bytes::new()).await
    }

    /// `POST` below `/api/v2`.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body).await
    }

    /// Any method with a JSON body, below `/api/v2`.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = serde_json::to_vec(&body).unwrap();
        self.call(method, &format!("/api/v2{path}"), Some("application/json"), body.into()).await
    }

    /// Any request to Coder's listener.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Answer {
        self.try_call(method, path, content_type, body).await.unwrap()
    }

    /// Any request to Coder's listener, which may go unanswered.
    pub(crate) async fn try_call(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, hyper::Error> {
        let mut request = Request::builder().method(method).uri(path).header("host", "coder");
        if !self.token.is_empty() {
            request = request.header("coder-session-token", &self.token);
        }
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let stream = TcpStream::connect(self.handle.coder()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        collect(sender.send_request(request.body(Full::new(body)).unwrap()).await?).await
    }

    /// A request to kube-apiserver with these headers.
    pub(crate) async fn kube(
        &self,
        who: As<'_>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        collect(self.open(who, method, path, headers, body).await).await.unwrap()
    }

    /// A request to kube-apiserver whose answer may stream.
    pub(crate) async fn open(
        &self,
        who: As<'_>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(self.handle.kube()).await.unwrap();
        let server = ServerName::try_from("localhost").unwrap();
        let stream = self.connector(who).connect(server, stream).await.unwrap();
        let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
        if who.http1 {
            request = Request::builder().method(method).uri(path).header("host", "localhost");
        }
        if let Some(token) = who.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { serde_json::to_vec(&body).unwrap().into() };
        if headers.iter().all(|(name, _)| *name != "content-type") {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Full::new(body)).unwrap();
        let stream = TokioIo::new(stream);
        if who.http1 {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection.with_upgrades());
            return sender.send_request(request).await.unwrap();
        }
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    fn connector(&self, who: As<'_>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.pki.join("ca.crt")).unwrap()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match who.certificate {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let certificate =
                    CertificateDer::from_pem_file(self.pki.join(format!("{name}.crt"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.pki.join(format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = vec![if who.http1 { b"http/1.1".to_vec() } else { b"h2".to_vec() }];
        TlsConnector::from(Arc::new(config))
    }
}

/// An object's id.
pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id in {object}")).to_owned()
}

async fn collect(response: Response<Incoming>) -> Result<Answer, hyper::Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Two authorities; a server, an administrator, a front proxy, and a stranger that signed for itself.
fn make_certificates(folder: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), issuer.pem()).unwrap();
        issuer
    };
    let (ca, front_proxy_ca) = (authority("ca"), authority("front-proxy-ca"));
    let leaf =
        |file: &str, name: &str, group: Option<&str>, issuer: Option<&CertifiedIssuer<'_, KeyPair>>| {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            if let Some(group) = group {
                params.distinguished_name.push(DnType::OrganizationName, group);
            }
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate().unwrap();
            let certificate = match issuer {
                Some(issuer) => params.signed_by(&key, issuer).unwrap(),
                None => params.self_signed(&key).unwrap(),
            };
            std::fs::write(folder.join(format!("{file}.crt")), certificate.pem()).unwrap();
            std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
        };
    leaf("server", "kube-apiserver", None, Some(&ca));
    leaf("admin", "admin", Some("system:masters"), Some(&ca));
    leaf("front-proxy", "front-proxy", None, Some(&front_proxy_ca));
    leaf("stranger", "admin", Some("system:masters"), None);
}
