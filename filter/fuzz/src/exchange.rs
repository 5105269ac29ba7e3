//! Whole exchanges against a Coder and a kube-apiserver that answer whatever they like.
//!
//! The input is a request (`GET /target`, then a line for each header), then answers, each begun by a line `=== 200 type` and followed by
//! its body. `=== lost` is a call that broke. Reviews are always allowed; the other calls get the answers in turn, the last again and again.
//! With a header `newest-first` the last of several calls is answered first.

use super::driver;
use coder_kube_core::exchange::{Answer, Lost, Outcome, Reply};
use serde_json::Value;
use yaml_rust2::YamlLoader;

const SEPARATOR: &[u8] = b"\n=== ";

/// Every exchange ends in a reply that a client of Kubernetes can read.
pub fn exchange(data: &[u8]) {
    let mut parts = split(data).into_iter();
    let head = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (first, headers) = head.split_once('\n').unwrap_or((&head, ""));
    let (method, target) = first.split_once(' ').unwrap_or_default();
    let headers: Vec<_> = headers.lines().filter_map(|line| line.split_once(": ")).collect();
    let answers: Vec<Outcome> = parts.map(answer).collect();

    let newest_first = headers.iter().any(|(name, _)| *name == "newest-first");
    let mut given = 0;
    let reply = driver::run(
        &driver::filter(2),
        driver::NOW,
        driver::request(method, target, &headers),
        newest_first,
        |call| {
            driver::allow(call).unwrap_or_else(|| {
                given += 1;
                answers.get(given - 1).or(answers.last()).cloned().unwrap_or(Err(Lost::NotSent))
            })
        },
    );
    let Some(reply) = reply else { return };
    let passed_on = |answer: &Outcome| {
        answer.as_ref().is_ok_and(|answer| (answer.status, &answer.body) == (reply.status, &reply.body))
    };
    // What kube-apiserver refuses is passed on as it is.
    if !answers.iter().any(passed_on) {
        check(&reply, target);
    }
}

fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = data.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        parts.push(&data[..at]);
        data = &data[at + SEPARATOR.len()..];
    }
    parts.push(data);
    parts
}

fn answer(part: &[u8]) -> Outcome {
    let at = part.iter().position(|byte| *byte == b'\n').unwrap_or(part.len());
    let head = String::from_utf8_lossy(&part[..at]);
    let (status, kind) = head.split_once(' ').unwrap_or((&head, "application/json"));
    let status = status.parse().ok().filter(|status| (200..600).contains(status)).ok_or(Lost::Unknown)?;
    let headers = ["content-type", "retry-after"].map(|name| (name.to_owned(), kind.as_bytes().to_vec()));
    Ok(Answer { status, headers: headers.into(), body: part.get(at + 1..).unwrap_or_default().to_vec() })
}

fn check(reply: &Reply, target: &str) {
    assert!((200..600).contains(&reply.status), "{reply:?}");
    let kind =
        reply.headers.iter().find(|(name, _)| *name == "content-type").map(|(_, value)| value.as_str());
    let text = || String::from_utf8_lossy(&reply.body);
    match kind {
        None => assert!(reply.status == 304 && reply.body.is_empty()),
        Some(_) if reply.status >= 400 => {
            let json: Value =
                serde_json::from_slice(&reply.body).unwrap_or_else(|e| panic!("{e}: {}", text()));
            assert_eq!(
                (&json["kind"], &json["apiVersion"], &json["status"]),
                (&"Status".into(), &"v1".into(), &"Failure".into())
            );
            assert_eq!(json["code"], reply.status);
        }
        Some("application/yaml") => {
            YamlLoader::load_from_str(&text()).unwrap_or_else(|e| panic!("{e}:\n{}", text()));
        }
        Some("text/plain; charset=utf-8") => assert!(std::str::from_utf8(&reply.body).is_ok()),
        Some(_) => {
            let json: Value =
                serde_json::from_slice(&reply.body).unwrap_or_else(|e| panic!("{e}: {}", text()));
            versions(&json, target);
        }
    }
}

/// Versions are positive and below 2⁶³, and a list's is not below its items'.
fn versions(json: &Value, target: &str) {
    let version = |value: &Value| {
        let version =
            value["metadata"]["resourceVersion"].as_str()?.parse::<u64>().expect("a version is a number");
        assert!((1..1 << 63).contains(&version), "{version}");
        Some(version)
    };
    let Some(list) = version(json) else { return };
    let items = json["items"].as_array().into_iter().flatten();
    let rows = json["rows"].as_array().into_iter().flatten().map(|row| &row["object"]);
    let newest = items.chain(rows).filter_map(version).max();
    // A later page keeps the version of the first, whatever has changed since.
    assert!(
        target.contains("continue=") || newest.is_none_or(|newest| newest <= list),
        "{newest:?} is above {list}"
    );
}
