//! The two listeners: plain HTTP for Coder, TLS for kube-apiserver. Every request passes the faults before its router.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use crate::config::Config;
use crate::faults::{Dropped, Faults, Side};
use crate::kube::tls::{self, Peer};
use crate::kube::watch::Watches;
use crate::{coder, control, kube};

/// The running stand-in. It stops, with every connection, when this is dropped.
pub struct Handle {
    coder: SocketAddr,
    kube: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Handle {
    /// Where Coder listens (plain HTTP).
    pub fn coder(&self) -> SocketAddr {
        self.coder
    }

    /// Where kube-apiserver listens (TLS).
    pub fn kube(&self) -> SocketAddr {
        self.kube
    }
}

/// Why the stand-in cannot start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen(SocketAddr, std::io::Error),
    /// A certificate or key cannot be used.
    Tls(tls::TlsError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "{address}: {error}"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

/// Starts both servers. They listen when this returns.
pub async fn run(config: Config) -> Result<Handle, StartError> {
    let coder_listener = listen(config.coder.address).await?;
    let kube_listener = listen(config.kube.address).await?;
    let acceptor = tls::acceptor(&config.kube.tls).map_err(StartError::Tls)?;
    let (coder, kube) = (address(&coder_listener), address(&kube_listener));

    let faults = Faults::default();
    let app = coder::App::new(&config.coder, coder);
    let coder_router = coder::router(app.clone());
    let watches = Watches::default();
    let control_router = control::router(faults.clone(), app, watches.clone());
    let kube_router = kube::router(config.kube, kube, watches).map_err(StartError::Tls)?;

    let mut tasks = JoinSet::new();
    let coder_faults = faults.clone();
    tasks.spawn(accept(coder_listener, move |stream| {
        let (faults, coder, control) = (coder_faults.clone(), coder_router.clone(), control_router.clone());
        async move { serve(stream, faults, Side::Coder, coder, Some(control), Peer::default()).await }
    }));
    tasks.spawn(accept(kube_listener, move |stream| {
        let (faults, router, acceptor) = (faults.clone(), kube_router.clone(), acceptor.clone());
        async move { serve_tls(stream, acceptor, faults, router).await }
    }));
    Ok(Handle { coder, kube, _tasks: tasks })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound listener has an address")
}

async fn accept<F, R>(listener: TcpListener, connected: F)
where
    F: Fn(tokio::net::TcpStream) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                connections.spawn(connected(stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_tls(stream: tokio::net::TcpStream, acceptor: TlsAcceptor, faults: Faults, router: Router) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    serve(stream, faults, Side::Kube, router, None, Peer(Arc::new(chain))).await;
}

async fn serve<S>(stream: S, faults: Faults, side: Side, router: Router, control: Option<Router>, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (faults, mut router, control, peer) =
            (faults.clone(), router.clone(), control.clone(), peer.clone());
        async move {
            let mut request = read(request).await?;
            request.extensions_mut().insert(peer);
            if let Some(mut control) = control.filter(|_| request.uri().path().starts_with("/standin/")) {
                return Ok(infallible(control.call(request).await));
            }
            faults.answer(side, request, async move |request| infallible(router.call(request).await)).await
        }
    });
    // An error here is a client that went away, or a fault: neither is worth a word.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

/// Reads a request to its end before anybody answers it: a client that is still sending can miss an early answer.
async fn read(request: Request<Incoming>) -> Result<Request<Body>, Dropped> {
    if request.headers().contains_key(header::UPGRADE) {
        return Ok(request.map(Body::new));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn infallible<T>(result: Result<T, std::convert::Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
