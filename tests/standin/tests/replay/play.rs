//! Plays a script: what it sets up, what it asks, and what was answered.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::archives::{PASSWORD, archive};
use crate::client::{Answer, Client};
use crate::compare::{Names, written};
use crate::script::{Request, Script, Statement};

/// How often a wait looks before it gives up.
const LOOKS: usize = 600;

/// Returns what is written down of every request's answer.
pub(crate) async fn play(script: &Script, owner: &Client) -> Vec<Vec<String>> {
    let run = format!("r{}", &uuid::Uuid::new_v4().simple().to_string()[..7]);
    let mut player = Player {
        owner,
        actors: HashMap::new(),
        actor: "owner".into(),
        names: Names::default(),
        last: Value::Null,
    };
    player.names.set("run", &run);
    let organization = player.owner.call("GET", "/organizations/default", None, Default::default()).await;
    player.names.set("organization", organization.json()["id"].as_str().unwrap());
    let me = player.owner.call("GET", "/users/me", None, Default::default()).await;
    player.names.set("owner", me.json()["id"].as_str().unwrap());
    let mut answers = Vec::new();
    for line in script.lines() {
        match &line.statement {
            Statement::Nothing => {}
            Statement::Do(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                player
                    .act(&words)
                    .await
                    .unwrap_or_else(|error| panic!("line {}: {}: {error}", line.number, line.text));
            }
            Statement::Request(request) => answers.push(player.ask(request).await),
        }
    }
    answers
}

struct Player<'a> {
    owner: &'a Client,
    actors: HashMap<String, Client>,
    actor: String,
    names: Names,
    last: Value,
}

impl Player<'_> {
    async fn ask(&mut self, request: &Request) -> Vec<String> {
        let answer = self.send(&request.method, &request.path, &request.body).await;
        self.last = answer.json();
        written(&answer, &request.fields, &mut self.names)
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let client = self.actors.get(&self.actor).unwrap_or(self.owner);
        let path = self.names.fill(path);
        if let Some(name) = body.strip_prefix('@') {
            return client
                .call(
                    method,
                    &path,
                    Some("application/x-tar"),
                    archive(name, &self.names.fill("$run")).build().into(),
                )
                .await;
        }
        let (content_type, body) = match body.split_once(':') {
            Some((content_type, text)) if content_type.contains('/') && !content_type.contains('{') => {
                (Some(content_type), text)
            }
            _ => (Some("application/json").filter(|_| !body.is_empty()), body),
        };
        client.call(method, &path, content_type, self.names.fill(body).into()).await
    }

    /// A request that must succeed.
    async fn succeed(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(method, path, &body).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status < 300 { Ok(answer.json()) } else { Err(format!("{} {text}", answer.status)) }
    }

    async fn act(&mut self, words: &[&str]) -> Result<(), String> {
        match *words {
            ["user", name] => self.user(name).await,
            ["as", name] => self.become_user(name).await,
            ["upload", name, archive] => {
                let file = self.upload(archive).await?;
                self.keep(name, &file, "hash")
            }
            ["version", name, archive, ref more @ ..] => {
                let (wait, more) = match more {
                    ["nowait", more @ ..] => (false, more),
                    more => (true, more),
                };
                let version = self.version(archive, more).await?;
                self.keep(name, &version, "id")?;
                if wait { self.job(&format!("/templateversions/${name}")).await } else { Ok(()) }
            }
            ["template", name, archive, ref more @ ..] => {
                let version = self.version(archive, &[]).await?;
                let id = version["id"].as_str().unwrap_or_default().to_owned();
                self.job(&format!("/templateversions/{id}")).await?;
                let body =
                    self.with(json!({"name": format!("{name}-$run"), "template_version_id": id}), more)?;
                let template = self.succeed("POST", "/organizations/default/templates", &body).await?;
                self.keep(name, &template, "id")?;
                self.names.set(&format!("{name}.version"), &id);
                Ok(())
            }
            ["workspace", name, owner, template, ref more @ ..] => {
                let body = self.with(json!({"name": name, "template_id": format!("${template}")}), more)?;
                let workspace = self.succeed("POST", &format!("/users/${owner}/workspaces"), &body).await?;
                self.keep(name, &workspace, "id")?;
                self.keep(&format!("{name}.build"), &workspace["latest_build"], "id")?;
                self.job(&format!("/workspacebuilds/${name}.build")).await
            }
            ["wait", path] => self.job(path).await,
            ["until", path, field, value] => {
                let reads = |read: &Value| {
                    let found = field.split('.').try_fold(read, |read, part| read.get(part));
                    found.is_some_and(|found| found.as_str() == Some(value))
                };
                self.poll(path, reads).await
            }
            ["let", name, "=", field] => {
                let found = field.split('.').fold(&self.last, |value, part| match part.parse::<usize>() {
                    Ok(index) => &value[index],
                    Err(_) => &value[part],
                });
                let value = found.as_str().ok_or(format!("no {field} in {}", self.last))?.to_owned();
                self.names.set(name, &value);
                Ok(())
            }
            _ => Err("what?".into()),
        }
    }

    async fn user(&mut self, name: &str) -> Result<(), String> {
        let body = json!({
            "username": format!("{name}-$run"),
            "email": format!("{name}-$run@example.com"),
            "password": PASSWORD,
            "login_type": "password",
            "organization_ids": ["$organization"],
        });
        let user = self.succeed("POST", "/users", &body).await?;
        self.keep(name, &user, "id")
    }

    async fn become_user(&mut self, name: &str) -> Result<(), String> {
        if name != "owner" && !self.actors.contains_key(name) {
            let body = json!({"email": format!("{name}-$run@example.com"), "password": PASSWORD});
            let session = self.succeed("POST", "/users/login", &body).await?;
            let token = session["session_token"].as_str().unwrap_or_default();
            self.actors.insert(name.into(), self.owner.with_token(token));
        }
        self.actor = name.into();
        Ok(())
    }

    async fn upload(&self, name: &str) -> Result<Value, String> {
        let answer = self.send("POST", "/files", &format!("@{name}")).await;
        if answer.status < 300 { Ok(answer.json()) } else { Err(format!("upload: {}", answer.status)) }
    }

    async fn version(&self, archive: &str, more: &[&str]) -> Result<Value, String> {
        let file = self.upload(archive).await?["hash"].clone();
        let body = json!({"storage_method": "file", "file_id": file, "provisioner": "echo", "name": "v1"});
        self.succeed("POST", "/organizations/default/templateversions", &self.with(body, more)?).await
    }

    /// A body with more fields.
    fn with(&self, mut body: Value, more: &[&str]) -> Result<Value, String> {
        for more in more {
            let more: Value = serde_json::from_str(more).map_err(|error| error.to_string())?;
            for (key, value) in more.as_object().ok_or("no object")? {
                body[key] = value.clone();
            }
        }
        Ok(body)
    }

    fn keep(&mut self, name: &str, object: &Value, field: &str) -> Result<(), String> {
        let id = object[field].as_str().ok_or(format!("no {field} in {object}"))?;
        self.names.set(name, id);
        Ok(())
    }

    /// Waits for the end of an object's job.
    async fn job(&self, path: &str) -> Result<(), String> {
        let over = |read: &Value| {
            matches!(read["job"]["status"].as_str(), Some("succeeded" | "failed" | "canceled"))
        };
        self.poll(path, over).await
    }

    async fn poll(&self, path: &str, until: impl Fn(&Value) -> bool) -> Result<(), String> {
        let mut read = Value::Null;
        for _ in 0..LOOKS {
            read = self.send("GET", path, "").await.json();
            if until(&read) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(format!("does not happen: {read}"))
    }
}
