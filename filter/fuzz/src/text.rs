//! Parsers of what clients and operators write: requests, selectors, `Accept`, subjects, tokens, names, times, configuration.

use super::driver;
use coder_kube_core::api::v1alpha1::GROUP;
use coder_kube_core::config::Config;
use coder_kube_core::convert::selectable::{TEMPLATE_FIELDS, WORKSPACE_FIELDS, push_down};
use coder_kube_core::exchange::{Certificate, Place, Request, Verdict};
use coder_kube_core::kube::continue_token::ContinueToken;
use coder_kube_core::kube::encoding::encode;
use coder_kube_core::kube::headers;
use coder_kube_core::kube::list_options::ListOptions;
use coder_kube_core::kube::negotiation::{Encoding, negotiate, negotiate_discovery, negotiate_text};
use coder_kube_core::kube::query::Query;
use coder_kube_core::kube::request_info::{self, RequestInfo};
use coder_kube_core::kube::selectors::{FieldSelector, LabelSelector};
use coder_kube_core::kube::status::Status;
use coder_kube_core::kube::{percent, subject as subjects};
use coder_kube_core::names::{TemplateName, WorkspaceName};
use coder_kube_core::time::Timestamp;
use serde_json::Value;

pub(super) fn utf8(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

/// A refusal is one that Kubernetes' clients can read.
pub(super) fn refused(status: &Status) {
    let json: Value = serde_json::from_slice(&status.to_json()).expect("a Status is JSON");
    assert_eq!((&json["kind"], &json["status"]), (&"Status".into(), &"Failure".into()));
    assert!((400..600).contains(&status.code) && json["code"] == status.code, "{json}");
}

/// The first line is method and target, the others are headers: what place is it, and what is asked for?
pub fn request(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let (method, target) = utf8(lines.next().unwrap_or_default()).split_once(' ').unwrap_or_default();
    let mut all = vec![(":method".to_owned(), method.into()), (":path".to_owned(), target.into())];
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let name = utf8(&line[..at]).to_ascii_lowercase();
        all.push((name, line.get(at + 1..).unwrap_or_default().trim_ascii().to_vec()));
    }
    let certificate = all.iter().find(|(name, _)| name == "certificate");
    let certificate =
        certificate.map(|(_, value)| Certificate { subject: value.clone(), ..Certificate::default() });
    let request = Request::new(all.clone(), certificate);
    let (place, path) = (request.place(), request.path().to_owned());
    match request.query() {
        Err(status) => refused(&status),
        Ok(query) => {
            for fields in [WORKSPACE_FIELDS, TEMPLATE_FIELDS] {
                match ListOptions::parse(&query, fields) {
                    Ok(options) => assert!(options.limit != Some(0) && options.timeout_seconds != Some(0)),
                    Err(status) => refused(&status),
                }
            }
            match request_info::parse(method, &path, &query) {
                Ok(info) => understood(&info, place, &query),
                Err(status) => refused(&status),
            }
        }
    }
    if let Verdict::Forward(changes) = driver::filter(1).receive(request, driver::NOW, 0) {
        assert_eq!(place, None);
        let stays = |name: &str| !changes.remove.iter().any(|gone| gone.eq_ignore_ascii_case(name));
        assert!(all.iter().all(|(name, _)| !headers::is_reserved(name) || !stays(name)));
        let certified = all.iter().any(|(name, _)| name == "certificate");
        assert!(!changes.add.is_empty() || !certified, "a certificate without a user goes nowhere");
    }
}

fn understood(info: &RequestInfo, place: Option<Place>, query: &Query) {
    let segment = |text: &str| {
        assert!(!matches!(text, "" | "." | ".."), "{info:?}");
        assert!(
            !text.contains('/') && !text.contains('%') && !text.chars().any(char::is_control),
            "{info:?}"
        );
    };
    let group = match info {
        RequestInfo::NonResource => {
            assert_ne!(place, Some(Place::Group));
            return;
        }
        RequestInfo::Group { group } => group,
        RequestInfo::Version { group, version } => {
            segment(version);
            group
        }
        RequestInfo::Resource(request) => {
            let parts = [&request.namespace, &request.name, &request.subresource];
            parts
                .into_iter()
                .flatten()
                .chain([&request.version, &request.resource])
                .for_each(|text| segment(text));
            // What is authorised is one name only when nothing else can be listed.
            if let (Some(name), Some(selector)) = (&request.name, query.get("fieldSelector"))
                && request.verb.as_str() == "list"
            {
                let selector = FieldSelector::parse(selector).expect("it was read before");
                assert!(!selector.matches(&|field| (field == "metadata.name").then_some("\0")), "{name}");
            }
            &request.group
        }
    };
    segment(group);
    assert_eq!(place == Some(Place::Group), place.is_some() && group == GROUP, "{info:?}");
}

/// One selector, read as labels and as fields: what is read prints as something that reads the same.
pub fn selectors(data: &[u8]) {
    let input = utf8(data);
    let (labels, fields) = (LabelSelector::parse(input), FieldSelector::parse(input));
    match &labels {
        Ok(labels) => {
            assert_eq!(LabelSelector::parse(&labels.to_string()).as_ref(), Ok(labels), "{input:?}");
            assert!(!labels.is_empty() || labels.matches(&|_| None));
        }
        Err(status) => refused(status),
    }
    match &fields {
        Ok(fields) => assert_eq!(FieldSelector::parse(&fields.to_string()).as_ref(), Ok(fields), "{input:?}"),
        Err(status) => refused(status),
    }
    let query = push_down(&labels.unwrap_or_default(), &fields.unwrap_or_default());
    let query = query.map(|query| query.to_string()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':');
    assert!(query.split(' ').all(|term| term.chars().all(plain)), "{query}");
}

/// Lines: `Accept`, `User-Agent`, query.
pub fn negotiation(data: &[u8]) {
    let mut lines = utf8(data).split('\n');
    let (accept, agent) = (lines.next(), lines.next());
    let query = Query::parse(lines.next().unwrap_or_default()).unwrap_or_default();
    match negotiate(accept, agent, &query) {
        Err(status) => refused(&status),
        Ok(accepted) => {
            let document = r#"{"a":["b",{"c":"\"{}"},[],{}],"d":1}"#;
            let encoded = encode(document.into(), &accepted);
            if accepted.encoding == Encoding::Json {
                let read = |json: &[u8]| serde_json::from_slice::<Value>(json).expect("it is JSON");
                assert_eq!(read(&encoded), read(document.as_bytes()));
            }
            // Whoever takes an object takes the text of a log.
            assert!(negotiate_text(accept).is_ok());
        }
    }
    for status in [negotiate_discovery(accept).err(), negotiate_text(accept).err()].into_iter().flatten() {
        refused(&status);
    }
}

/// The subject of a client certificate: its user, written again, is the same user.
pub fn subject(data: &[u8]) {
    let Ok(user) = subjects::parse(utf8(data)) else { return };
    assert!(!user.name.is_empty());
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let mut again: Vec<String> =
        user.groups.iter().rev().map(|group| format!("O={}", escaped(group))).collect();
    if !user.uid.is_empty() {
        again.push(format!("1.3.6.1.4.1.57683.2={}", escaped(&user.uid)));
    }
    again.push(format!("CN={}", escaped(&user.name)));
    assert_eq!(subjects::parse(&again.join(",")).as_ref(), Ok(&user));
    for (name, value) in user.front_proxy_headers() {
        assert!(headers::is_reserved(&name) && !value.chars().any(char::is_control), "{name}: {value:?}");
    }
}

/// A continue token, given out again, is the same token.
pub fn continue_token(data: &[u8]) {
    match ContinueToken::decode(utf8(data)) {
        Ok(token) => assert_eq!(ContinueToken::decode(&token.encode()), Ok(token)),
        Err(status) => assert_eq!(status.code, 410),
    }
}

/// The plugin's configuration is read, or refused with a field's name.
pub fn config(data: &[u8]) {
    match Config::parse(data) {
        Err(error) => assert!(!error.field.is_empty() && !error.problem.is_empty(), "{error}"),
        Ok(config) => {
            assert!(config.limits.request_timeout() > 0 && config.limits.list_page_size > 0);
            for plane in &config.control_planes {
                assert_eq!(config.control_plane(&plane.namespace), Some(plane));
                assert!(!plane.dashboard_url.ends_with('/'), "{plane:?}");
            }
        }
    }
}

/// Names print as they were read; percent decoding is done once and leaves UTF-8.
pub fn names(data: &[u8]) {
    let input = utf8(data);
    if let Ok(name) = WorkspaceName::parse(input) {
        assert_eq!(name.to_string(), input);
    }
    if let Ok(name) = TemplateName::parse(input) {
        assert_eq!(name.to_string(), input);
    }
    for plus_is_space in [false, true] {
        if let Ok(decoded) = percent::decode(input, plus_is_space) {
            let encoded: String = decoded.bytes().map(|byte| format!("%{byte:02X}")).collect();
            assert_eq!(percent::decode(&encoded, plus_is_space), Ok(decoded));
        }
    }
}

/// A moment's text says the moment, in whole seconds.
pub fn time(data: &[u8]) {
    let Some(moment) = Timestamp::parse(utf8(data)) else { return };
    assert_eq!(moment, Timestamp::from_millis(moment.millis()));
    let shown = Timestamp::parse(moment.as_str()).expect("what is written is read");
    assert_eq!(shown.millis(), moment.millis() - moment.millis().rem_euclid(1000));
}
