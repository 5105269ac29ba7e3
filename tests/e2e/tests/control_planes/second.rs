//! A second Coder, in this process: the stand-in's, with an owner and tokens of its own, by HTTP and by HTTPS.

use e2e::{Endpoint, Request, Response};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, sync::Arc};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

/// See the module. It is gone, with every connection, when this is dropped.
pub(crate) struct Second {
    runtime: Option<Runtime>,
    _handle: standin::Handle,
    folder: PathBuf,
    /// Base URLs.
    pub(crate) http: String,
    pub(crate) https: String,
    /// The file of the CA that has signed for `localhost`.
    pub(crate) ca: PathBuf,
    session: String,
}

impl Second {
    pub(crate) fn start() -> Second {
        let folder = std::env::temp_dir().join(format!("coder-kube-second-{}", e2e::scratch::unique()));
        fs::create_dir_all(&folder).unwrap();
        let (certificate, key, ca) = certificates();
        let file = |name: &str, text: &str| {
            fs::write(folder.join(name), text).unwrap();
            folder.join(name)
        };
        let (cert_file, key_file, ca) =
            (file("server.crt", &certificate), file("server.key", &key), file("ca.crt", &ca));
        let config = json!({
            "coder": { "address": "127.0.0.1:0" },
            "kube": { "address": "127.0.0.1:0", "tls": { "cert": cert_file, "key": key_file } },
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = serde_json::from_value(config).unwrap();
        let handle = runtime.block_on(standin::run(config)).unwrap();
        let address = handle.coder();
        let https = runtime.block_on(tls(&certificate, &key, address));
        let mut second = Second {
            runtime: Some(runtime),
            _handle: handle,
            folder,
            http: format!("http://{address}"),
            https: format!("https://localhost:{https}"),
            ca,
            session: String::new(),
        };
        let owner = json!({"email": "o@example.com", "username": "owner", "password": "S3cond-p4ssword!"});
        let first = second.send(&Request::post("/api/v2/users/first", &owner));
        assert_eq!(first.status(), 201, "{}", first.excerpt());
        let login = second.send(&Request::post("/api/v2/users/login", &owner));
        second.session = login.json()["session_token"].as_str().unwrap().to_owned();
        second
    }

    /// As the owner, past everything.
    pub(crate) fn send(&self, request: &Request) -> Response {
        Endpoint::from_url(&self.http).with_header("Coder-Session-Token", &self.session).send(request)
    }

    /// A new token of the owner's.
    pub(crate) fn token(&self) -> String {
        let name = json!({"token_name": e2e::scratch::unique()});
        let made = self.send(&Request::post("/api/v2/users/me/keys/tokens", &name));
        assert_eq!(made.status(), 201, "{}", made.excerpt());
        made.json()["key"].as_str().unwrap().to_owned()
    }

    /// Makes a token worthless.
    pub(crate) fn revoke(&self, token: &str) {
        let id = token.split('-').next().unwrap();
        let revoked = self.send(&Request::new("DELETE", &format!("/api/v2/users/me/keys/{id}")));
        assert_eq!(revoked.status(), 204, "{}", revoked.excerpt());
    }

    /// Names of its templates.
    pub(crate) fn templates(&self) -> Vec<String> {
        let all: Value = self.send(&Request::get("/api/v2/templates")).json();
        let name = |template: &Value| template["name"].as_str().unwrap().to_owned();
        all.as_array().unwrap().iter().map(name).collect()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A certificate for `localhost`, its key, and who has signed it.
fn certificates() -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "Second Coder's CA");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    (certificate.pem(), key.serialize_pem(), ca.pem())
}

/// Listens by TLS and leads to that address. Returns the port.
async fn tls(certificate: &str, key: &str, to: std::net::SocketAddr) -> u16 {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (Ok(mut client), Ok(mut coder)) =
                    (acceptor.accept(stream).await, TcpStream::connect(to).await)
                else {
                    return;
                };
                drop(copy_bidirectional(&mut client, &mut coder).await);
            });
        }
    });
    port
}
