//! Where a client connects and with what credentials; TLS by rustls with the lab's own CA and nothing else.

use crate::{
    Http1,
    message::{Request, Response},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// A server and the credentials to use there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    host: String,
    port: u16,
    tls: bool,
    server_name: Option<String>,
    roots: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    headers: Vec<(String, String)>,
    /// TLS settings by protocol, kept so that connections resume sessions as those of real clients do.
    configs: Arc<Mutex<BTreeMap<Vec<u8>, Arc<ClientConfig>>>>,
}

impl Endpoint {
    /// From `http://host:port` or `https://host:port`; a path is ignored.
    ///
    /// # Panics
    /// When the URL is neither.
    pub fn from_url(url: &str) -> Endpoint {
        let (tls, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => panic!("not an http or https URL: {url}"),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().expect("the URL's port is a number")),
            None => (authority, if tls { 443 } else { 80 }),
        };
        Endpoint {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            tls,
            server_name: None,
            roots: RootCertStore::empty(),
            identity: None,
            headers: Vec::new(),
            configs: Arc::default(),
        }
    }

    /// Trusts the certificates in this PEM text.
    ///
    /// # Panics
    /// When it holds none, or one that cannot be read.
    #[must_use]
    pub fn with_ca(mut self, pem: &[u8]) -> Endpoint {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            self.roots.add(certificate.expect("a PEM certificate")).expect("a CA certificate");
        }
        assert!(!self.roots.is_empty(), "no certificate in the CA file");
        self.configs = Arc::default();
        self
    }

    /// Presents this client certificate.
    ///
    /// # Panics
    /// When either PEM text cannot be read.
    #[must_use]
    pub fn with_identity(mut self, certificate: &[u8], key: &[u8]) -> Endpoint {
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_slice(key).expect("a PEM private key");
        self.identity = Some((chain.expect("PEM certificates"), Arc::new(key)));
        self.configs = Arc::default();
        self
    }

    /// Expects this name in the server's certificate instead of the URL's host.
    #[must_use]
    pub fn with_server_name(mut self, name: &str) -> Endpoint {
        self.server_name = Some(name.into());
        self
    }

    /// Sends this header with every request that does not set it itself.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Endpoint {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends this bearer token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Endpoint {
        self.with_header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends these as the caller: by impersonation, or as kube-apiserver says it where this speaks as kube-apiserver does.
    #[must_use]
    pub fn acting_as(mut self, user: &str, groups: &[&str]) -> Endpoint {
        let remote = |name: &str| name.starts_with("X-Remote-");
        let speaks_as_proxy = self.headers.iter().any(|(name, _)| remote(name));
        self.headers.retain(|(name, _)| !remote(name));
        let (user_header, group_header) = if speaks_as_proxy {
            ("X-Remote-User", "X-Remote-Group")
        } else {
            ("Impersonate-User", "Impersonate-Group")
        };
        groups.iter().fold(self.with_header(user_header, user), |endpoint, group| {
            endpoint.with_header(group_header, group)
        })
    }

    /// `host:port`, as in a `Host` header.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Host and port to connect to.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The scheme of its URLs.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Headers that go with every request, credentials among them.
    pub fn default_headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// One request on a connection of its own, over HTTP/1.1.
    ///
    /// # Errors
    /// When the connection fails or ends before the response does.
    pub fn try_send(&self, request: &Request) -> io::Result<Response> {
        let mut client = Http1::connect(self)?;
        client.send(request)?;
        client.read_response(&request.method)
    }

    /// As [`Endpoint::try_send`].
    ///
    /// # Panics
    /// Where that is an error.
    pub fn send(&self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|e| panic!("{} {}: {e}", request.method, request.target))
    }

    /// A GET.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    /// What TLS needs for one connection that speaks `alpn`; `None` for plain HTTP.
    pub fn tls(&self, alpn: &[u8]) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        if !self.tls {
            return None;
        }
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        let config = configs.entry(alpn.to_vec()).or_insert_with(|| Arc::new(self.config(alpn))).clone();
        let name = self.server_name.clone().unwrap_or_else(|| self.host.clone());
        Some((config, ServerName::try_from(name).expect("a host name or address")))
    }

    fn config(&self, alpn: &[u8]) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring offers the default TLS versions")
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .expect("the client certificate fits its key"),
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        config
    }
}
