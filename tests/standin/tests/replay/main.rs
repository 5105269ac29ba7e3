//! The stand-in Coder held to coderd: scripts of requests with the answers that coderd 2.30 gave (`*.replay`).
//!
//! Each is replayed on a stand-in of its own and, where the environment leads to a real Coder (`CODER_URL`, `CODER_TOKEN` and
//! `LAB_PARTS=real`, as in `.lab/env`), on that one too. With `UPDATE=1` the answers of the real one are written down anew:
//!
//! ```sh
//! cargo xtask lab up; set -a; . .lab/env; set +a
//! UPDATE=1 cargo test -p standin --test replay
//! ```

mod archives;
mod client;
mod compare;
mod play;
mod script;

use std::path::{Path, PathBuf};

use client::Client;
use script::Script;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay")
}

/// Every script, by name; `REPLAY=templates,files` takes those alone.
fn scripts() -> Vec<PathBuf> {
    let wanted = std::env::var("REPLAY").ok();
    let named = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|name| name == stem))
    };
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "replay"))
        .filter(named)
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no script");
    scripts
}

fn updating() -> bool {
    std::env::var("UPDATE").is_ok_and(|update| update == "1")
}

/// Replays every script; what differs is told for all of them.
async fn replay(on: &str, update: bool, client: impl AsyncFn() -> Client) {
    let mut differences = String::new();
    for path in scripts() {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let answers = play::play(&script, &client().await).await;
        if update {
            std::fs::write(&path, script.with(&answers)).unwrap();
        } else {
            differences += &compare::differences(&name, &script, &answers);
        }
    }
    assert!(differences.is_empty(), "{on} answers otherwise than was recorded:\n{differences}");
}

#[tokio::test]
async fn the_standin_answers_as_recorded() {
    if !updating() {
        replay("the stand-in", false, Client::standin).await;
    }
}

#[tokio::test]
async fn coderd_answers_as_recorded() {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable("LAB_PARTS").as_deref(), variable("CODER_URL"), variable("CODER_TOKEN")) {
        (Some("real"), Some(url), Some(token)) => {
            replay("coderd", updating(), async || Client::new(&url, &token)).await;
        }
        _ => {
            assert!(variable("E2E_REQUIRED").is_none(), "no real Coder");
            println!("skipped: the environment leads to no real Coder");
        }
    }
}
