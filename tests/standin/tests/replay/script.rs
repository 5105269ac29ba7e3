//! The scripts' form. A statement begins at the first column, the recorded answer to it is indented:
//!
//! ```text
//! # a comment
//! user alice                          makes a user; $alice is the id, as everywhere below
//! as alice                            who asks from here on; `as owner` is the first user
//! upload file ARCHIVE                 the archives have names (archives.rs)
//! version v ARCHIVE {…}               uploads and imports, and waits for its end (not for `nowait`)
//! template t ARCHIVE {…}              the same and a template of it; $t and $t.version
//! workspace w alice t {…}             makes one and waits for its build; $w and $w.build
//! wait /workspacebuilds/$b            until its job is at its end
//! until /workspaces/$w .health x      until a field reads so
//! GET /workspaces/$w | name health.healthy
//!   200 {"name":"w","health.healthy":true}
//! let b = latest_build.id             from the last answer
//! ```
//!
//! `$run` is a word that is different each time; names that must be unique carry it. After a `|` stand the fields to
//! compare, without it all of them are. A body is JSON, `@ARCHIVE`, or `type/subtype:text`.

use std::fmt::Write as _;

/// A script, with the answers that were recorded.
pub(crate) struct Script {
    lines: Vec<Line>,
}

/// One line with what follows it.
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: String,
    pub(crate) statement: Statement,
    /// Of requests: the recorded answer, its lines without their indentation.
    pub(crate) recorded: Vec<String>,
}

/// What a line asks for.
pub(crate) enum Statement {
    Nothing,
    /// `user`, `as`, `upload`, … with their words.
    Do(Vec<String>),
    Request(Request),
}

/// A request that is recorded.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) fields: Vec<String>,
}

const VERBS: [&str; 9] = ["user", "as", "upload", "version", "template", "workspace", "wait", "until", "let"];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

impl Script {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines: Vec<Line> = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let number = index + 1;
            if let Some(recorded) = text.strip_prefix("  ") {
                let last = lines.last_mut().filter(|line| matches!(line.statement, Statement::Request(_)));
                last.ok_or(format!("line {number}: an answer to nothing"))?.recorded.push(recorded.into());
                continue;
            }
            let statement = statement(text).ok_or_else(|| format!("line {number}: {text}"))?;
            lines.push(Line { number, text: text.into(), statement, recorded: Vec::new() });
        }
        Ok(Self { lines })
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The script's text with other answers, one for each request.
    pub(crate) fn with(&self, answers: &[Vec<String>]) -> String {
        let mut text = String::new();
        let mut answers = answers.iter();
        for line in &self.lines {
            writeln!(text, "{}", line.text).unwrap();
            if matches!(line.statement, Statement::Request(_)) {
                for answer in answers.next().into_iter().flatten() {
                    writeln!(text, "  {answer}").unwrap();
                }
            }
        }
        text
    }
}

fn statement(text: &str) -> Option<Statement> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    if text.is_empty() || text.starts_with('#') {
        return Some(Statement::Nothing);
    }
    if VERBS.contains(&word) {
        // The last word may be a JSON object with spaces in it.
        let (plain, json) = rest.split_once(" {").map_or((text, None), |(plain, json)| {
            (&text[..word.len() + 1 + plain.len()], Some(format!("{{{json}")))
        });
        return Some(Statement::Do(plain.split_whitespace().map(String::from).chain(json).collect()));
    }
    if !METHODS.contains(&word) {
        return None;
    }
    let (request, fields) = rest.rsplit_once(" | ").unwrap_or((rest, ""));
    let (path, body) = request.split_once(' ').unwrap_or((request, ""));
    Some(Statement::Request(Request {
        method: word.into(),
        path: path.into(),
        body: body.into(),
        fields: fields.split_whitespace().map(String::from).collect(),
    }))
}
