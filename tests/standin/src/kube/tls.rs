//! TLS of the kube listener. Client certificates are asked for and taken from anybody: like kube-apiserver, it is for
//! authentication to judge them, so that a bad one is a 401 and no broken connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::config::TlsConfig;

/// The certificates a client presented, its own first. Empty on plain connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer(pub(crate) Arc<Vec<CertificateDer<'static>>>);

/// Why TLS cannot be set up.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind it should.
    File(PathBuf, String),
    /// Certificate, key and authorities do not fit.
    Setup(Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Setup(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TlsError {}

/// Accepts connections: HTTP/2 and HTTP/1.1.
pub(crate) fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| TlsError::File(config.key.clone(), error.to_string()))?;
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_client_cert_verifier(Arc::new(Anybody { provider }))
        .with_single_cert(certificates(&config.cert)?, key)
        .map_err(TlsError::Setup)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// A certificate authority that says whether it signed a client's certificate.
#[derive(Clone)]
pub(crate) struct Authority(Arc<dyn ClientCertVerifier>);

impl Authority {
    pub(crate) fn load(path: &Path) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(TlsError::Setup)?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TlsError::File(path.into(), error.to_string()))?;
        Ok(Self(verifier))
    }

    pub(crate) fn signed(&self, peer: &Peer) -> bool {
        let Some((own, others)) = peer.0.split_first() else { return false };
        self.0.verify_client_cert(own, others, UnixTime::now()).is_ok()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failure = |error: String| TlsError::File(path.into(), error);
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| failure(error.to_string()))?.collect();
    let certificates = certificates.map_err(|error| failure(error.to_string()))?;
    if certificates.is_empty() { Err(failure("no certificate".into())) } else { Ok(certificates) }
}

/// Takes every client certificate whose key its holder has.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
