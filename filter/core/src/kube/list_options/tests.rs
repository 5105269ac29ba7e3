//! What each query means, and how the forbidden ones are refused.

use super::*;

const FIELDS: [&str; 2] = ["metadata.name", "metadata.namespace"];

fn parse(query: &str) -> Result<ListOptions, Status> {
    ListOptions::parse(&Query::parse(query).unwrap(), &FIELDS)
}

fn accept(query: &str, expect: ListOptions) {
    assert_eq!(parse(query), Ok(expect), "{query}");
}

fn refuse(query: &str, code: u16, message: &str) {
    let status = parse(query).unwrap_err();
    assert_eq!((status.code, status.message.as_str()), (code, message), "{query}");
}

fn token() -> ContinueToken {
    ContinueToken { resource_version: 5, namespace: "n".into(), name: "x".into() }
}

#[test]
fn reads_what_clients_send() {
    let default = ListOptions::default;
    accept("", default());
    accept(
        "limit=500&resourceVersion=0",
        ListOptions { limit: Some(500), resource_version: ResourceVersion::Any, ..default() },
    );
    accept("limit=0&continue=&resourceVersion=&timeoutSeconds=0&unknown=1", default());
    accept(
        &format!("limit=2&continue={}", token().encode()),
        ListOptions { limit: Some(2), continue_token: Some(token()), ..default() },
    );
    accept(
        "resourceVersion=7&resourceVersionMatch=Exact",
        ListOptions {
            resource_version: ResourceVersion::At(7),
            resource_version_match: Some(ResourceVersionMatch::Exact),
            ..default()
        },
    );
    accept(
        "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=302",
        ListOptions {
            watch: true,
            send_initial_events: Some(true),
            resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
            allow_watch_bookmarks: true,
            timeout_seconds: Some(302),
            ..default()
        },
    );
    accept(
        "watch&resourceVersion=9",
        ListOptions { watch: true, resource_version: ResourceVersion::At(9), ..default() },
    );
    let both = parse("labelSelector=a%3Db&fieldSelector=metadata.name%3Dx").unwrap();
    assert_eq!(both.label_selector.exact("a"), Some("b"));
    assert_eq!(both.field_selector.exact("metadata.name"), Some("x"));
    assert!(both.has_selector() && !default().has_selector());
}

#[test]
fn refuses_what_cannot_be_read() {
    refuse("limit=-1", 400, "limit: Invalid value: \"-1\": must be greater than or equal to 0");
    refuse("limit=x", 400, "limit: Invalid value: \"x\": must be an integer");
    refuse(
        "limit=99999999999999999999",
        400,
        "limit: Invalid value: \"99999999999999999999\": must be an integer",
    );
    refuse("timeoutSeconds=1s", 400, "timeoutSeconds: Invalid value: \"1s\": must be an integer");
    refuse("resourceVersion=v1", 400, "resourceVersion: Invalid value: \"v1\": must be a decimal number");
    refuse("labelSelector=,", 400, "found ',', expected: !, identifier, or 'end of string'");
    refuse("fieldSelector=x", 400, "invalid selector: 'x'; can't understand 'x'");
    refuse("fieldSelector=spec.x%3D1", 400, "field label not supported: spec.x");
    refuse(
        "continue=x",
        410,
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter.",
    );
    refuse(
        &format!("resourceVersion=7&continue={}", token().encode()),
        400,
        "specifying resource version is not allowed when using continue",
    );
}

#[test]
fn refuses_what_kubernetes_forbids() {
    let invalid = |query: &str, complaint: &str| {
        refuse(query, 422, &format!("ListOptions.meta.k8s.io \"\" is invalid: {complaint}"));
    };
    invalid(
        "resourceVersionMatch=Exact",
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
    );
    invalid(
        "resourceVersion=0&resourceVersionMatch=Exact",
        "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
    );
    invalid(
        "resourceVersion=1&resourceVersionMatch=exact",
        "resourceVersionMatch: Unsupported value: \"exact\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
    );
    invalid(
        "resourceVersion=1&resourceVersionMatch=Exact&continue=x",
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
    );
    invalid(
        "sendInitialEvents=true",
        "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
    );
    invalid(
        "watch=1&sendInitialEvents=true",
        "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    );
    invalid(
        "watch=1&resourceVersionMatch=NotOlderThan",
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
         provided",
    );
    // As a token that cannot be read it would be 410, and clients of watches ask again and again for those.
    invalid("watch=1&continue=x", "continue: Forbidden: continue is forbidden for watch");
    invalid(
        "resourceVersionMatch=Exact&sendInitialEvents=false",
        "[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, \
         sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list]",
    );
}
