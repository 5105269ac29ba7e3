//! The smallest client of a Coder, and a stand-in to ask.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use standin::{Config, Handle};
use tokio::net::TcpStream;

use crate::archives::PASSWORD;

/// A Coder and its first user's token.
pub(crate) struct Client {
    address: String,
    pub(crate) token: String,
    /// A stand-in lives as long as its client.
    _standin: Option<(Handle, Certificate)>,
}

/// An answer read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The folder of the stand-in's certificate, which nobody looks at here.
struct Certificate(std::path::PathBuf);

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Client {
    /// Any Coder.
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, token: token.to_owned(), _standin: None }
    }

    /// A stand-in of its own, with nothing but its first user.
    pub(crate) async fn standin() -> Self {
        let folder = std::env::temp_dir().join(format!("standin-replay-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, private) = (folder.join("server.crt"), folder.join("server.key"));
        std::fs::write(&cert, key.cert.pem()).unwrap();
        std::fs::write(&private, key.signing_key.serialize_pem()).unwrap();
        let config: Config = serde_json::from_value(json!({
            "coder": {"address": "127.0.0.1:0", "clock": {"pending_ms": 5, "running_ms": 10, "canceling_ms": 20}},
            "kube": {"address": "127.0.0.1:0", "tls": {"cert": cert, "key": private}},
        }))
        .unwrap();
        let handle = standin::run(config).await.unwrap();
        let address = handle.coder().to_string();
        let mut client =
            Self { address, token: String::new(), _standin: Some((handle, Certificate(folder))) };
        let first =
            json!({"email": "admin@example.com", "username": "admin", "name": "Admin", "password": PASSWORD})
                .to_string();
        client.call("POST", "/users/first", Some("application/json"), first.clone().into()).await;
        let login = client.call("POST", "/users/login", Some("application/json"), first.into()).await;
        client.token = login.json()["session_token"].as_str().unwrap().to_owned();
        client
    }

    /// The same Coder, asked by somebody else.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { address: self.address.clone(), token: token.to_owned(), _standin: None }
    }

    /// A request below `/api/v2`.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Answer {
        let uri = format!("/api/v2{path}");
        let mut request = hyper::Request::builder().method(method).uri(uri).header("host", &self.address);
        if !self.token.is_empty() {
            request = request.header("coder-session-token", &self.token);
        }
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok());
        Answer {
            status: parts.status.as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: body.collect().await.unwrap().to_bytes(),
        }
    }
}
