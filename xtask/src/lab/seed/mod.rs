//! What is in the lab's Coder, all of it made through Coder's REST API, so that coderd and the stand-in hold the same.
//!
//! alice and bob have three running workspaces each (`ws0` plain, `ws1` and `ws2` with an agent), bob one that failed;
//! carol has one in every further state; dave has the many that a measurement asks for.

mod client;
mod templates;
mod workspaces;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use client::{Coder, text};
pub(crate) use templates::RETIRED;

use crate::progress::{Step, step};

const PASSWORD: &str = "Lab-p4ssword!";
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
const OWNER_OF_MANY: &str = "dave";

/// Fills an empty Coder. Returns a token of its first user, who is an owner.
pub(crate) fn seed(url: &str) -> Result<String> {
    step("users, templates, workspaces", |step| {
        let nobody = Coder::new(url, "");
        let credentials = json!({ "email": "admin@example.com", "password": PASSWORD });
        let mut first = json!({ "username": "admin", "name": "Admin", "trial": false });
        if let (Some(first), Some(credentials)) = (first.as_object_mut(), credentials.as_object()) {
            first.extend(credentials.clone());
        }
        nobody.post("/users/first", &first)?;
        let session = text(&nobody.post("/users/login", &credentials)?, "session_token")?;
        let coder = nobody.with_token(&session);
        let organization = organization(&coder)?;
        step.detail("users");
        for name in USERS {
            let user = json!({
                "username": name,
                "email": format!("{name}@example.com"),
                "password": PASSWORD,
                "login_type": "password",
                "organization_ids": [organization],
            });
            coder.post("/users", &user)?;
        }
        step.detail("templates");
        templates::create(&coder, &organization)?;
        step.detail("workspaces");
        workspaces::create(&coder, &organization)?;
        Ok((coder.create_token("lab")?, USERS.join(", ")))
    })
}

/// Adds plain workspaces of dave's to what is there, and waits until all of them run.
pub(crate) fn add_workspaces(url: &str, token: &str, number: usize) -> Result<()> {
    step(&format!("{number} more workspaces"), |step: &Step| {
        let coder = Coder::new(url, token);
        let organization = organization(&coder)?;
        let there = workspaces::count(&coder, OWNER_OF_MANY, "")?;
        workspaces::create_many(&coder, &organization, OWNER_OF_MANY, there..there + number, |created| {
            step.detail(format!("created {created} of {number}"));
        })?;
        let all = there + number;
        loop {
            let running = workspaces::count(&coder, OWNER_OF_MANY, "status:running")?;
            if running >= all {
                return Ok(((), format!("{OWNER_OF_MANY} has {all}")));
            }
            step.detail(format!("running {running} of {all}"));
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    })
}

/// Coder's default organization, by id.
fn organization(coder: &Coder) -> Result<String> {
    let organizations = coder.get("/organizations")?;
    text(organizations.get(0).context("Coder has no organization")?, "id")
}

/// True for a provisioner job that will not change any more.
fn over(job: &Value) -> bool {
    matches!(job["status"].as_str(), Some("succeeded" | "failed" | "canceled"))
}
