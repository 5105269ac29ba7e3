//! HTTP/2 over TLS: several requests at once on one connection, and streams read piece by piece with their times.

use crate::{
    Endpoint,
    message::{Head, Request, Response},
};
use bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Longer than any answer or any watch of the suite.
const TIMEOUT: Duration = Duration::from_secs(90);

/// One piece of a body and when it came, from the start of the request.
pub type Piece = (Duration, Bytes);

/// Sends all requests at once on one connection; responses come in the order of the requests.
///
/// # Panics
/// When the connection fails, does not negotiate `h2`, or a stream is reset.
pub fn send(endpoint: &Endpoint, requests: &[Request]) -> Vec<Response> {
    let answers = stream(endpoint, requests);
    let join = |(head, pieces): (Head, Vec<Piece>)| Response {
        head,
        body: pieces.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect(),
    };
    answers.into_iter().map(join).collect()
}

/// As [`send`], but keeps the pieces of each body apart with the time each arrived.
///
/// # Panics
/// As [`send`].
pub fn stream(endpoint: &Endpoint, requests: &[Request]) -> Vec<(Head, Vec<Piece>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let all = tokio::time::timeout(TIMEOUT, send_all(endpoint, requests)).await;
        all.expect("HTTP/2 answers in time").unwrap_or_else(|e| panic!("HTTP/2: {e}"))
    })
}

/// Sends a request's head, and its body after a pause. The response, and when it came, from the head on.
///
/// # Panics
/// As [`send`], and when the stream is reset after a whole response: there are clients that lose the response then.
pub fn send_slowly(endpoint: &Endpoint, request: &Request, pause: Duration) -> (Duration, Response) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let all = tokio::time::timeout(TIMEOUT, send_head_first(endpoint, request, pause)).await;
        all.expect("HTTP/2 answers in time").unwrap_or_else(|e| panic!("HTTP/2: {e}"))
    })
}

async fn send_head_first(
    endpoint: &Endpoint,
    request: &Request,
    pause: Duration,
) -> Result<(Duration, Response), Error> {
    let (client, driver) = connect(endpoint).await?;
    let mut client = client.ready().await?;
    let (response, mut body) = client.send_request(http_request(endpoint, request)?, false)?;
    let start = Instant::now();
    let rest = Bytes::from(request.body.clone());
    let slowly = async {
        tokio::time::sleep(pause).await;
        // Whoever has answered by now does not take it any more.
        let sent = body.send_data(rest, true);
        (body, sent)
    };
    let timed = async {
        let response = response.await;
        (start.elapsed(), response)
    };
    let ((came, response), (mut body, sent)) = tokio::join!(timed, slowly);
    let (head, pieces) = read(start, response?).await?;
    sent?;
    let reset = std::future::poll_fn(|context| body.poll_reset(context));
    if let Ok(Ok(reason)) = tokio::time::timeout(Duration::from_millis(200), reset).await {
        return Err(format!("the stream was reset after its response: {reason}").into());
    }
    driver.abort();
    let body = pieces.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
    Ok((came, Response { head, body }))
}

/// A connection, and what drives it until it is aborted.
pub(crate) async fn connect(
    endpoint: &Endpoint,
) -> Result<(h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<()>), Error> {
    let (config, name) = endpoint.tls(b"h2").ok_or("HTTP/2 needs TLS here")?;
    let tcp = TcpStream::connect(endpoint.address()).await?;
    let tls = tokio_rustls::TlsConnector::from(Arc::clone(&config)).connect(name, tcp).await?;
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err("the server did not choose h2".into());
    }
    let (client, connection) = h2::client::Builder::new()
        // Bodies are read one after the other: no stream may wait for another's to be read.
        .initial_connection_window_size(1 << 30)
        .initial_window_size(1 << 26)
        .handshake::<_, Bytes>(tls)
        .await?;
    let driver = tokio::spawn(async move {
        // An error of the connection also reaches every stream that is still open.
        drop(connection.await);
    });
    Ok((client, driver))
}

async fn send_all(endpoint: &Endpoint, requests: &[Request]) -> Result<Vec<(Head, Vec<Piece>)>, Error> {
    let (mut client, driver) = connect(endpoint).await?;
    let mut pending = Vec::new();
    for request in requests {
        client = client.ready().await?;
        let head = http_request(endpoint, request)?;
        let (response, mut body) = client.send_request(head, request.body.is_empty())?;
        if !request.body.is_empty() {
            body.send_data(Bytes::from(request.body.clone()), true)?;
        }
        pending.push((Instant::now(), response));
    }
    let mut answers = Vec::new();
    for (start, response) in pending {
        answers.push(read(start, response.await?).await?);
    }
    driver.abort();
    Ok(answers)
}

async fn read(start: Instant, response: http::Response<h2::RecvStream>) -> Result<(Head, Vec<Piece>), Error> {
    let head = head(&response);
    let mut body = response.into_body();
    let mut pieces = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        pieces.push((start.elapsed(), piece));
    }
    Ok((head, pieces))
}

/// Status and headers of a response.
pub(crate) fn head<T>(response: &http::Response<T>) -> Head {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Head { status: response.status().as_u16(), headers: response.headers().iter().map(header).collect() }
}

/// A request's head with the endpoint's headers, as the `http` crate takes it.
pub(crate) fn http_request(endpoint: &Endpoint, request: &Request) -> Result<http::Request<()>, Error> {
    let uri = format!("{}://{}{}", endpoint.scheme(), endpoint.authority(), request.target);
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(uri);
    for (name, value) in endpoint.default_headers().iter().filter(|(name, _)| !request.has(name)) {
        builder = builder.header(name, value);
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    Ok(builder.body(())?)
}
