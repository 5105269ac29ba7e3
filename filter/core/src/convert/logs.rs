//! Coder's JSON logs become text, one line for each line of output, in the form that newer Coders write themselves.

use crate::coder::{self, AgentLog, JobLog};
use crate::json;
use core::fmt::Write;

/// The log of a build (`GET /workspacebuilds/{id}/logs`) as text: `<time> [<level>] [<source>|<stage>] <output>`.
/// `tail` keeps that many lines at the end.
///
/// # Errors
/// The body is not what Coder sends.
pub fn build_log(body: &[u8], tail: Option<u64>) -> Result<Vec<u8>, json::Error> {
    let lines: Vec<JobLog<'_>> = coder::parse(body)?;
    let mut text = String::with_capacity(body.len());
    for line in &lines {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} [{}] [{}|{}] {}",
            line.created_at,
            line.log_level.as_str(),
            line.log_source.as_str(),
            line.stage.as_str(),
            line.output.trim_end_matches(['\n', '\r']),
        );
    }
    Ok(last_lines(text, tail))
}

/// The log of an agent (`GET /workspaceagents/{id}/logs`) as text: `<time> [<level>] <output>`. `tail` keeps that many
/// lines at the end.
///
/// # Errors
/// The body is not what Coder sends.
pub fn agent_log(body: &[u8], tail: Option<u64>) -> Result<Vec<u8>, json::Error> {
    let lines: Vec<AgentLog<'_>> = coder::parse(body)?;
    let mut text = String::with_capacity(body.len());
    for line in &lines {
        let output = line.output.trim_end_matches(['\n', '\r']);
        let _ = writeln!(text, "{} [{}] {output}", line.created_at, line.level.as_str());
    }
    Ok(last_lines(text, tail))
}

/// The last lines that an import has written (`GET /templateversions/{id}/logs`), for a condition's message: output alone, at most 20 lines and
/// 2048 bytes.
///
/// # Errors
/// The body is not what Coder sends.
pub fn import_log_tail(body: &[u8]) -> Result<String, json::Error> {
    let lines: Vec<JobLog<'_>> = coder::parse(body)?;
    let mut tail: Vec<&str> = Vec::new();
    let mut left = 2048_usize;
    for line in lines.iter().rev().map(|line| line.output.trim_end()).filter(|line| !line.is_empty()).take(20)
    {
        let Some(rest) = left.checked_sub(line.len().saturating_add(1)) else { break };
        left = rest;
        tail.insert(0, line);
    }
    Ok(tail.join("\n"))
}

/// The last `tail` lines of a text that is empty or ends in a newline.
fn last_lines(text: String, tail: Option<u64>) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    let Some(tail) = tail.and_then(|tail| usize::try_from(tail).ok()) else { return bytes };
    let newlines = bytes.iter().enumerate().rev().filter(|(_, c)| **c == b'\n').map(|(at, _)| at);
    // The newline before the first line that stays is the one after `tail` others.
    if let Some(before) = newlines.clone().nth(tail) {
        bytes.drain(..=before);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: &str = r#"[
        {"id":1,"created_at":"2026-11-21T09:55:05.1Z","log_source":"provisioner_daemon","log_level":"info","stage":"Setting up","output":""},
        {"id":2,"created_at":"2026-11-21T09:55:06.1Z","log_source":"provisioner","log_level":"error","stage":"Apply","output":"failed!\n"}]"#;

    #[track_caller]
    fn check(body: &str, tail: Option<u64>, expect: &str) {
        assert_eq!(String::from_utf8(build_log(body.as_bytes(), tail).unwrap()).unwrap(), expect);
    }

    #[test]
    fn build_logs() {
        let first = "2026-11-21T09:55:05Z [info] [provisioner_daemon|Setting up] \n";
        let second = "2026-11-21T09:55:06Z [error] [provisioner|Apply] failed!\n";
        check(BUILD, None, &format!("{first}{second}"));
        check(BUILD, Some(0), "");
        check(BUILD, Some(1), second);
        check(BUILD, Some(2), &format!("{first}{second}"));
        check(BUILD, Some(u64::MAX), &format!("{first}{second}"));
        check("[]", Some(3), "");
        assert!(build_log(b"<html>", None).is_err());
    }

    #[test]
    fn tails_of_imports() {
        assert_eq!(import_log_tail(BUILD.as_bytes()).unwrap(), "failed!");
        let line = |text: &str| format!(r#"{{"created_at":"2026-11-21T09:55:05Z","output":"{text}"}}"#);
        let many = (0..30).map(|n| line(&n.to_string())).collect::<Vec<_>>().join(",");
        assert!(import_log_tail(format!("[{many}]").as_bytes()).unwrap().starts_with("10\n11\n"));
        let long = format!("[{},{}]", line(&"x".repeat(2000)), line(&"y".repeat(100)));
        assert_eq!(import_log_tail(long.as_bytes()).unwrap(), "y".repeat(100));
        assert_eq!(import_log_tail(b"[]").unwrap(), "");
        assert!(import_log_tail(b"<html>").is_err());
    }

    #[test]
    fn agent_logs() {
        let body = r#"[{"id":1,"created_at":"2026-11-21T09:55:05.1Z","output":"a\nb","level":"warn","source_id":"x"}]"#;
        let text = |tail| String::from_utf8(agent_log(body.as_bytes(), tail).unwrap()).unwrap();
        assert_eq!(text(None), "2026-11-21T09:55:05Z [warn] a\nb\n");
        assert_eq!(text(Some(1)), "b\n");
    }
}
