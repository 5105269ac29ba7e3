//! What fits and what does not, and the paths that errors name.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Default, PartialEq, Eq)]
struct Thing<'a> {
    id: Cow<'a, str>,
    size: Option<i64>,
    parts: Vec<Part>,
    rest: Raw<'a>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    on: bool,
    at: u32,
}

object!(Thing<'a> { id } { size, parts, rest as "the rest" });
object!(Part { on } { at } closed);

#[track_caller]
fn check(json: &str, expect: Result<Thing<'_>, &str>) {
    let thing = read::<Thing<'_>>(json.as_bytes()).map_err(|e| e.to_string());
    match (&thing, &expect) {
        (Err(e), Err(expect)) => assert!(e.starts_with(expect), "{json}: {e}"),
        _ => assert_eq!(thing.as_ref().ok(), expect.as_ref().ok(), "{json}: {thing:?}"),
    }
}

#[test]
fn what_fits() {
    let thing = |id| Thing { id: Cow::Borrowed(id), ..Thing::default() };
    check(r#"{"id":"a"}"#, Ok(thing("a")));
    check(r#" {"x":{"id":[1.5,{}]},"id":"a\n","size":null,"parts":null} "#, Ok(thing("a\n")));
    check(r#"{"id":"a","id":"b","i\u0064":"c"}"#, Ok(thing("c")));
    check(r#"{"id":"a","size":-7}"#, Ok(Thing { size: Some(-7), ..thing("a") }));
    check(r#"{"id":"a","the rest":{"b": 1.50}}"#, Ok(Thing { rest: Raw(r#"{"b": 1.50}"#), ..thing("a") }));
    let parts = vec![Part { on: true, at: 0 }, Part { on: false, at: 3 }];
    check(
        r#"{"id":"a","parts":[{}],"parts":[{"on":true},{"at":3,"on":false}]}"#,
        Err("parts[0]: missing field `on`"),
    );
    check(
        r#"{"id":"a","parts":[{"on":true,"at":null},{"at":3,"on":false}]}"#,
        Ok(Thing { parts, ..thing("a") }),
    );
}

#[test]
fn what_does_not() {
    check("{}", Err("missing field `id`"));
    check("[]", Err("invalid type: sequence, expected a map"));
    check(r#"{"id":1}"#, Err("id: invalid type: integer, expected a string"));
    check(r#"{"id":null}"#, Err("id: invalid type: null, expected a string"));
    check(r#"{"id":"a","size":"1"}"#, Err("size: invalid type: string, expected a whole number"));
    check(r#"{"id":"a","size":1.5}"#, Err("size: invalid type: fraction, expected a whole number"));
    check(r#"{"id":"a","size":9223372036854775808}"#, Err("size: invalid type: integer out of range"));
    check(r#"{"id":"a","size":{}}"#, Err("size: invalid type: map, expected a whole number"));
    check(r#"{"id":"a","parts":[{"on":true},{"on":true,"at":-1}]}"#, Err("parts[1].at: -1 is out of range"));
    check(r#"{"id":"a","parts":[{"on":true,"off":1}]}"#, Err("parts[0].off: unknown field `off`"));
    check(r#"{"id":"a""#, Err("EOF"));
    check(r#"{"id":"a"} x"#, Err("trailing characters"));
    assert!(read::<Thing<'_>>(b"{\"id\":\"\xff\"}").is_err());
}

proptest! {
    #[test]
    fn fields_in_their_order(fields: Vec<(String, i64)>) {
        let body: Vec<_> = fields.iter().map(|(k, v)| format!("{}:{v}", serde_json::to_string(k).unwrap())).collect();
        let json = format!("{{{}}}", body.join(","));
        let read: Fields<String, i64> = read(json.as_bytes()).unwrap();
        prop_assert_eq!(read.0, fields);
    }
}
