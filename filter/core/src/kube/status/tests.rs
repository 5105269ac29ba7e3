//! The wording and the JSON of every constructor.

use super::*;

const WORKSPACES: GroupResource<'_> = GroupResource { group: "g.example.com", resource: "things" };

fn check(status: &Status, code: u16, reason: &str, message: &str) {
    let json: serde_json::Value = serde_json::from_slice(&status.to_json()).unwrap();
    assert_eq!(json["kind"], "Status");
    assert_eq!(json["apiVersion"], "v1");
    assert_eq!(json["status"], "Failure");
    assert_eq!(json["code"], code);
    assert_eq!(json["reason"], reason);
    assert_eq!(json["message"], message);
}

#[test]
fn wording_is_apimachinery_s() {
    let w = WORKSPACES;
    check(&Status::bad_request("no"), 400, "BadRequest", "no");
    check(&Status::unauthorized("Unauthorized"), 401, "Unauthorized", "Unauthorized");
    check(&Status::forbidden(w, "", "why"), 403, "Forbidden", "things.g.example.com is forbidden: why");
    check(
        &Status::forbidden(w, "a", "why"),
        403,
        "Forbidden",
        "things.g.example.com \"a\" is forbidden: why",
    );
    check(&Status::forbidden_path("why"), 403, "Forbidden", "forbidden: why");
    check(&Status::not_found(w, "a"), 404, "NotFound", "things.g.example.com \"a\" not found");
    check(&Status::unknown_path(), 404, "NotFound", "the server could not find the requested resource");
    check(
        &Status::method_not_supported(w, "patch"),
        405,
        "MethodNotAllowed",
        "patch is not supported on resources of kind \"things.g.example.com\"",
    );
    check(
        &Status::method_not_allowed(),
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    );
    check(
        &Status::not_acceptable("application/json"),
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json",
    );
    check(&Status::already_exists(w, "a"), 409, "AlreadyExists", "things.g.example.com \"a\" already exists");
    check(
        &Status::conflict(w, "a", "busy"),
        409,
        "Conflict",
        "Operation cannot be fulfilled on things.g.example.com \"a\": busy",
    );
    check(&Status::expired("old"), 410, "Expired", "old");
    check(
        &Status::request_entity_too_large("limit is 3"),
        413,
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3",
    );
    check(
        &Status::unsupported_media_type("a/b"),
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: a/b",
    );
    check(&Status::too_many_requests("slow down", 1), 429, "TooManyRequests", "slow down");
    check(&Status::internal_error("boom"), 500, "InternalError", "Internal error occurred: boom");
    check(&Status::service_unavailable("down"), 503, "ServiceUnavailable", "down");
    check(&Status::timeout("late"), 504, "Timeout", "Timeout: late");
}

#[test]
fn invalid_joins_its_causes() {
    let kind = GroupResource { group: "g.example.com", resource: "Thing" };
    let one = vec![Cause::required("spec.a", "")];
    check(
        &Status::invalid(kind, "x", one.clone()),
        422,
        "Invalid",
        "Thing.g.example.com \"x\" is invalid: spec.a: Required value",
    );
    let mut two = one;
    two.push(Cause::invalid("spec.b", "q", "must be c"));
    check(
        &Status::invalid(kind, "x", two),
        422,
        "Invalid",
        "Thing.g.example.com \"x\" is invalid: [spec.a: Required value, spec.b: Invalid value: \"q\": must be c]",
    );
    check(&Status::invalid(kind, "x", Vec::new()), 422, "Invalid", "Thing.g.example.com \"x\" is invalid");
}

#[test]
fn causes_are_worded_like_field_errors() {
    for (cause, reason, message) in [
        (Cause::duplicate("f", "v"), "FieldValueDuplicate", "Duplicate value: \"v\""),
        (Cause::forbidden("f", "no"), "FieldValueForbidden", "Forbidden: no"),
        (Cause::required("f", "say it"), "FieldValueRequired", "Required value: say it"),
        (
            Cause::not_supported("f", "v", &["a", "b"]),
            "FieldValueNotSupported",
            "Unsupported value: \"v\": supported values: \"a\", \"b\"",
        ),
    ] {
        let json = serde_json::to_value(&cause).unwrap();
        assert_eq!(json, serde_json::json!({"reason": reason, "message": message, "field": "f"}));
    }
}

#[test]
fn the_body_is_in_kubernetes_order() {
    let status = Status::too_many_requests("m", 7);
    assert_eq!(
        String::from_utf8(status.to_json()).unwrap(),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"m","reason":"TooManyRequests","details":{"retryAfterSeconds":7},"code":429}"#
    );
    assert_eq!(status.retry_after_seconds(), Some(7));
    assert_eq!(Status::service_unavailable("m").retry_after_seconds(), None);
    assert_eq!(Status::too_many_requests("m", 0).retry_after_seconds(), None);
}
