//! Coder's REST API, as far as seeding needs it. The same calls go to coderd and to the stand-in.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A session of Coder.
#[derive(Clone)]
pub(crate) struct Coder {
    base: String,
    token: String,
    agent: ureq::Agent,
}

impl Coder {
    pub(crate) fn new(base: &str, token: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None)
            .build();
        Self { base: base.to_owned(), token: token.to_owned(), agent: config.into() }
    }

    /// The same Coder, spoken to with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let request = self.agent.get(self.url(path)).header("Coder-Session-Token", &self.token);
        answer("GET", path, request.call()?)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.post(self.url(path)).header("Coder-Session-Token", &self.token);
        answer("POST", path, request.send_json(body)?)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.put(self.url(path)).header("Coder-Session-Token", &self.token);
        answer("PUT", path, request.send_json(body)?)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.patch(self.url(path)).header("Coder-Session-Token", &self.token);
        answer("PATCH", path, request.send_json(body)?)
    }

    /// Uploads a template archive; returns the file's id.
    pub(crate) fn upload(&self, archive: &[u8]) -> Result<String> {
        let request = self.agent.post(self.url("/files")).header("Coder-Session-Token", &self.token);
        let sent = request.content_type("application/x-tar").send(archive)?;
        text(&answer("POST", "/files", sent)?, "hash")
    }

    /// A token that outlives every lab.
    pub(crate) fn create_token(&self, name: &str) -> Result<String> {
        let lifetime = Duration::from_secs(160 * 3600).as_nanos() as u64;
        text(
            &self.post("/users/me/keys/tokens", &json!({ "token_name": name, "lifetime": lifetime }))?,
            "key",
        )
    }

    /// Reads a path until it says what is waited for.
    pub(crate) fn wait_for(&self, path: &str, until: impl Fn(&Value) -> bool) -> Result<Value> {
        let started = Instant::now();
        loop {
            let read = self.get(path)?;
            if until(&read) {
                return Ok(read);
            }
            if started.elapsed() > PATIENCE {
                bail!("Coder: {path} does not become what it should be: {read}");
            }
            std::thread::sleep(Duration::from_millis(80));
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v2{path}", self.base)
    }
}

/// A string of an answer.
pub(crate) fn text(value: &Value, field: &str) -> Result<String> {
    value[field]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("Coder's answer has no {field}: {value}"))
}

fn answer(method: &str, path: &str, mut response: ureq::http::Response<ureq::Body>) -> Result<Value> {
    let status = response.status();
    let body = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap_or_default();
    if !status.is_success() {
        bail!("Coder: {method} {path}: {status}: {body}");
    }
    Ok(serde_json::from_str(&body).unwrap_or(Value::Null))
}
