//! What real clients send, and the corners of quality and parameters.

use super::*;

const TABLE: Form = Form::Table(MetaVersion::V1, IncludeObject::Metadata);
const PARTIAL: Form = Form::PartialObjectMetadata(MetaVersion::V1);

fn check(accept: &str, expect: Result<(Form, Encoding), u16>) {
    let got = negotiate(Some(accept), None, &Query::default());
    let got = got.map(|accepted| (accepted.form, accepted.encoding)).map_err(|status| status.code);
    assert_eq!(got, expect, "{accept}");
}

#[test]
fn forms() {
    use Encoding::{Json, Yaml};
    check("", Ok((Form::Object, Json)));
    check("*/*", Ok((Form::Object, Json)));
    check("*", Ok((Form::Object, Json)));
    check("application/*", Ok((Form::Object, Json)));
    check("application/json", Ok((Form::Object, Json)));
    check("application/json, */*", Ok((Form::Object, Json)));
    check("application/yaml", Ok((Form::Object, Yaml)));
    check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Ok((Form::Object, Json)));
    check("application/vnd.kubernetes.protobuf", Err(406));
    check("application/vnd.kubernetes.protobuf,application/json", Ok((Form::Object, Json)));
    check("application/cbor, application/json;q=0.9", Ok((Form::Object, Json)));
    check("text/plain", Err(406));
    check("application/json;q=0", Err(406));
    check("application/yaml;q=0.5,application/json;q=0.4", Ok((Form::Object, Yaml)));
    check("*/*,application/yaml", Ok((Form::Object, Yaml)));
    check("application/json;stream=watch", Ok((Form::Object, Json)));
    check("application/json;stream=other", Err(406));
    check("application/json;sv=v1", Err(406));
}

#[test]
fn transformations() {
    use Encoding::Json;
    // kubectl get
    check(
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
        Ok((TABLE, Json)),
    );
    check(
        "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
        Ok((Form::Table(MetaVersion::V1beta1, IncludeObject::Metadata), Json)),
    );
    // Metadata informers
    check(
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
        Ok((PARTIAL, Json)),
    );
    check("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Ok((PARTIAL, Json)));
    check("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", Ok((Form::Object, Json)));
    check("application/json;as=Other;v=v1;g=meta.k8s.io", Err(406));
    check("application/json;as=Table", Err(406));
    check(
        "application/json; as=Table; g=meta.k8s.io; v=v1; q=0.5, application/json",
        Ok((Form::Object, Json)),
    );
}

#[test]
fn an_absent_header_is_json() {
    let accepted = negotiate(None, None, &Query::default()).unwrap();
    assert_eq!(accepted, Accepted { form: Form::Object, encoding: Encoding::Json, pretty: false });
}

#[test]
fn include_object_is_checked_for_tables_only() {
    let table = Some("application/json;as=Table;v=v1;g=meta.k8s.io");
    for (value, expect) in [
        ("", Ok(IncludeObject::Metadata)),
        ("Metadata", Ok(IncludeObject::Metadata)),
        ("Object", Ok(IncludeObject::Object)),
        ("None", Ok(IncludeObject::None)),
        ("object", Err(400)),
    ] {
        let query = Query::parse(&format!("includeObject={value}")).unwrap();
        let got = negotiate(table, None, &query).map(|accepted| accepted.form).map_err(|status| status.code);
        assert_eq!(got, expect.map(|include| Form::Table(MetaVersion::V1, include)), "{value}");
        assert!(negotiate(None, None, &query).is_ok());
    }
}

#[test]
fn prettiness() {
    for (accept, user_agent, query, expect) in [
        ("", "", "", false),
        ("", "curl/8.0", "", true),
        ("", "Wget/1", "", true),
        ("", "Mozilla/5.0 (X11)", "", true),
        ("", "kubectl/v1.36", "", false),
        ("", "curl/8.0", "pretty=false", false),
        ("", "", "pretty=true", true),
        ("", "", "pretty=1", true),
        ("", "curl/8.0", "pretty=", true),
        ("application/json;pretty=1", "", "", true),
    ] {
        let accepted = negotiate(Some(accept), Some(user_agent), &Query::parse(query).unwrap()).unwrap();
        assert_eq!(accepted.pretty, expect, "{accept} {user_agent} {query}");
    }
}

#[test]
fn discovery() {
    let v2 = DiscoveryForm::V2.content_type();
    let v2beta1 = DiscoveryForm::V2beta1.content_type();
    for (accept, expect) in [
        ("", Ok(DiscoveryForm::Unaggregated)),
        ("application/json", Ok(DiscoveryForm::Unaggregated)),
        (v2, Ok(DiscoveryForm::V2)),
        (v2beta1, Ok(DiscoveryForm::V2beta1)),
        (&format!("{v2},{v2beta1},application/json"), Ok(DiscoveryForm::V2)),
        (&format!("{v2beta1},{v2},application/json"), Ok(DiscoveryForm::V2beta1)),
        (&format!("application/json,{v2}"), Ok(DiscoveryForm::V2)),
        (&format!("application/vnd.kubernetes.protobuf,{v2},*/*"), Ok(DiscoveryForm::V2)),
        (
            "application/json;as=Other;g=apidiscovery.k8s.io;v=v2,application/json",
            Ok(DiscoveryForm::Unaggregated),
        ),
        ("application/vnd.kubernetes.protobuf", Err(406)),
    ] {
        assert_eq!(negotiate_discovery(Some(accept)).map_err(|status| status.code), expect, "{accept}");
    }
}

#[test]
fn discovery_answers_are_recognised() {
    for form in [DiscoveryForm::Unaggregated, DiscoveryForm::V2, DiscoveryForm::V2beta1] {
        assert_eq!(DiscoveryForm::from_content_type(form.content_type()), Some(form));
    }
    for (content_type, expect) in [
        ("application/json; charset=utf-8", Some(DiscoveryForm::Unaggregated)),
        ("application/vnd.kubernetes.protobuf", None),
        ("text/html", None),
        ("", None),
    ] {
        assert_eq!(DiscoveryForm::from_content_type(content_type), expect, "{content_type}");
    }
}

#[test]
fn text() {
    for (accept, expect) in [
        ("", true),
        ("*/*", true),
        ("text/plain", true),
        ("text/*", true),
        ("application/json, */*", true),
        ("application/json", true),
        ("image/png", false),
    ] {
        assert_eq!(negotiate_text(Some(accept)).is_ok(), expect, "{accept}");
    }
}

#[test]
fn qualities() {
    for (text, expect) in [
        ("1", 1000),
        ("1.000", 1000),
        ("0", 0),
        ("0.5", 500),
        ("0.25", 250),
        ("0.1234", 123),
        (".8", 800),
        ("x", 0),
        ("0.x", 0),
        ("", 0),
    ] {
        assert_eq!(thousandths(text), expect, "{text}");
    }
}
