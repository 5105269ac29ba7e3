//! What each method and path means, and which paths are refused.

use proptest::prelude::*;

use super::*;

/// Checks a request by a one-line form: `verb group/version resource[/sub] [in namespace] [name]`, a status code, or
/// the name of another variant.
fn check(method: &str, target: &str, expect: &str) {
    let (path, query) = Query::split(target).unwrap();
    let got = match parse(method, path, &query) {
        Ok(RequestInfo::NonResource) => "none".to_owned(),
        Ok(RequestInfo::Group { group }) => format!("group {group}"),
        Ok(RequestInfo::Version { group, version }) => format!("version {group}/{version}"),
        Ok(RequestInfo::Resource(r)) => {
            let mut line = format!("{} {}/{} {}", r.verb.as_str(), r.group, r.version, r.resource);
            r.subresource.iter().for_each(|sub| line.push_str(&format!("/{sub}")));
            r.namespace.iter().for_each(|namespace| line.push_str(&format!(" in {namespace}")));
            r.name.iter().for_each(|name| line.push_str(&format!(" {name}")));
            line
        }
        Err(status) => status.code.to_string(),
    };
    assert_eq!(got, expect, "{method} {target}");
}

#[test]
fn paths() {
    check("GET", "/", "none");
    check("GET", "/apis", "none");
    check("GET", "/apis/", "none");
    check("GET", "/api/v1/pods", "none");
    check("GET", "apis/g/v1/r", "none");
    check("GET", "/apis/g", "group g");
    check("GET", "/apis/g/", "group g");
    check("GET", "/apis/g/v1", "version g/v1");
    check("GET", "/apis/g/v1/", "version g/v1");
    check("GET", "/apis/g/v1/r", "list g/v1 r");
    check("GET", "/apis/g/v1/r/", "list g/v1 r");
    check("GET", "/apis/g/v1/r/x", "get g/v1 r x");
    check("GET", "/apis/g/v1/namespaces/n/r", "list g/v1 r in n");
    check("GET", "/apis/g/v1/namespaces/n/r/", "list g/v1 r in n");
    check("GET", "/apis/g/v1/namespaces/n/r/x", "get g/v1 r in n x");
    check("GET", "/apis/g/v1/namespaces/n/r/x/", "get g/v1 r in n x");
    check("GET", "/apis/g/v1/namespaces/n/r/x/log", "get g/v1 r/log in n x");
    check("GET", "/apis/g/v1/namespaces/n/r/x/log/more", "404");
    check("GET", "/apis/g/v1/r/x/log/more", "404");
    check("GET", "/apis/g/v1/namespaces", "list g/v1 namespaces");
    check("GET", "/apis/g/v1/namespaces/n", "get g/v1 namespaces in n n");
    check("GET", "/apis/g/v1/watch/namespaces/n/r", "404");
    check("GET", "/apis/g/v1/watch/r", "get g/v1 watch r");
    check("GET", "/apis/g/v1/namespaces/n/r/a%20b", "get g/v1 r in n a b");
    check("GET", "/apis/g/v1/namespaces/n/r/a%3Fb", "get g/v1 r in n a?b");
}

#[test]
fn methods_are_verbs() {
    check("GET", "/apis/g/v1/r?watch=true", "watch g/v1 r");
    check("GET", "/apis/g/v1/r?watch=1", "watch g/v1 r");
    check("GET", "/apis/g/v1/r?watch=", "watch g/v1 r");
    check("GET", "/apis/g/v1/r?watch=false", "list g/v1 r");
    check("GET", "/apis/g/v1/r?watch=0", "list g/v1 r");
    check("GET", "/apis/g/v1/r/x?watch=true", "get g/v1 r x");
    check("POST", "/apis/g/v1/namespaces/n/r", "create g/v1 r in n");
    check("POST", "/apis/g/v1/namespaces/n/r/x", "405");
    check("POST", "/apis/g/v1/namespaces/n/r/x/sub", "create g/v1 r/sub in n x");
    check("PUT", "/apis/g/v1/namespaces/n/r/x", "update g/v1 r in n x");
    check("PUT", "/apis/g/v1/namespaces/n/r", "405");
    check("PATCH", "/apis/g/v1/namespaces/n/r/x/scale", "patch g/v1 r/scale in n x");
    check("PATCH", "/apis/g/v1/namespaces/n/r", "405");
    check("DELETE", "/apis/g/v1/namespaces/n/r/x", "delete g/v1 r in n x");
    check("DELETE", "/apis/g/v1/namespaces/n/r", "deletecollection g/v1 r in n");
    for method in ["HEAD", "OPTIONS", "TRACE", "get", ""] {
        check(method, "/apis/g/v1/r", "405");
        check(method, "/apis/g/v1", "405");
        check(method, "/apis/g", "405");
    }
    check("POST", "/apis/g/v1", "405");
}

#[test]
fn a_name_in_the_field_selector_is_what_is_authorised() {
    check("GET", "/apis/g/v1/r?fieldSelector=metadata.name%3Dx", "list g/v1 r x");
    check("GET", "/apis/g/v1/r?watch=1&fieldSelector=metadata.name%3Dx,a%3Db", "watch g/v1 r x");
    check("GET", "/apis/g/v1/r?fieldSelector=metadata.name!%3Dx", "list g/v1 r");
    check("GET", "/apis/g/v1/r?fieldSelector=metadata.name%3D", "list g/v1 r");
    check("GET", "/apis/g/v1/r?fieldSelector=metadata.name%3Da/b", "list g/v1 r");
    check("GET", "/apis/g/v1/r?fieldSelector=broken", "list g/v1 r");
    check("DELETE", "/apis/g/v1/r?fieldSelector=metadata.name%3Dx", "deletecollection g/v1 r");
}

#[test]
fn ambiguous_paths_are_refused() {
    for path in [
        "/apis//v1/r",
        "/apis//",
        "/apis/g//r",
        "/apis/g/v1//r",
        "/apis/g/v1/r//",
        "/apis/g/v1/namespaces//r",
        "/apis/g/v1/namespaces/n/r//log",
        "/apis/g/v1/../v1/r",
        "/apis/g/v1/./r",
        "/apis/g/v1/%2e%2e/r",
        "/apis/g/v1/%2E/r",
        "/apis/g/v1/namespaces/n/r/a%2fb",
        "/apis/g/v1/namespaces/n/r/a%252fb",
        "/apis/g/v1/namespaces/n/r/a%00",
        "/apis/g/v1/namespaces/n/r/a%0d%0ab",
        "/apis/g/v1/namespaces/n/r/%ff",
    ] {
        check("GET", path, "404");
    }
    check("GET", "/apis/g/v1/namespaces/n/r/%zz", "400");
}

proptest! {
    #[test]
    fn no_part_is_ever_ambiguous(path in "/apis/[a-z%2efF./]{0,30}") {
        if let Ok(RequestInfo::Resource(r)) = parse("GET", &path, &Query::default()) {
            let parts = [Some(r.group), Some(r.version), Some(r.resource), r.namespace, r.name, r.subresource];
            prop_assert!(parts.iter().flatten().all(|part| is_path_segment(part)));
        }
    }
}
