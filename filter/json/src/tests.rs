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

#[derive(Debug, Default, PartialEq)]
struct Wish {
    name: String,
    rows: Vec<Row>,
    tags: Fields<String, String>,
    tree: Value,
    any: Skip,
}

#[derive(Debug, Default, PartialEq)]
struct Row {
    a: Option<i64>,
}

object!(Wish {} { name, rows, tags, tree, any });
object!(Row {} { a });

fn told(findings: Vec<Finding>) -> Vec<String> {
    findings.iter().map(|Finding { problem, path }| format!("{problem:?} {path}")).collect()
}

#[test]
fn what_is_unknown_or_repeated() {
    let check = |json: &str, expect: &[&str]| {
        let findings = read_strictly(json.as_bytes(), &mut Wish::default());
        assert_eq!(findings.map(told), Ok(expect.iter().map(|&text| text.to_owned()).collect()), "{json}");
    };
    check(r#"{"name":"a","rows":[{"a":1}],"tags":{"x":"1","y":"1"},"tree":{"a":{"a":[]}}}"#, &[]);
    check(r#"{"x":{"y":1,"y":1},"name":"a"}"#, &["Unknown x"]);
    check(
        r#"{"rows":[{},{"b":1,"a":2,"c":3}],"z":1}"#,
        &["Unknown rows[1].b", "Unknown rows[1].c", "Unknown z"],
    );
    check(r#"{"name":"a","nam\u0065":"b"}"#, &["Duplicate name"]);
    check(r#"{"x":1,"x":2}"#, &["Unknown x"]);
    check(r#"{"rows":[{"b":1}],"rows":[{"b":1}]}"#, &["Unknown rows[0].b", "Duplicate rows"]);
    check(r#"{"tags":{"k/l":"1","m":"2","k/l":"3"}}"#, &["Duplicate tags.k/l"]);
    check(
        r#"{"tree":{"a":1,"a":[{"b":[0,{"c":1,"c":2}]}],"d":1.5}}"#,
        &["Duplicate tree.a", "Duplicate tree.a[0].b[1].c"],
    );
    check(r#"{"any":{"a":1,"a":[1.5]}}"#, &[]);
}

#[test]
fn of_a_repeated_field_the_last_counts() {
    let mut wish = Wish::default();
    read_strictly(
        br#"{"name":"a","tags":{"k":"1","l":"2","k":"3"},"tree":{"a":1,"a":2},"name":"b"}"#,
        &mut wish,
    )
    .unwrap();
    let tags = [("l", "2"), ("k", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!((wish.name.as_str(), wish.tags.0.as_slice()), ("b", &tags[..]));
    assert_eq!(wish.tree, serde_json::json!({"a": 2}));
}

#[test]
fn findings_have_an_end() {
    let many = |name: fn(usize) -> String| {
        let fields: Vec<_> = (0..200).map(|place| format!("\"{}\":\"\"", name(place))).collect();
        format!("{{{}}}", fields.join(","))
    };
    let unknown = read_strictly(many(|place| format!("x{place}")).as_bytes(), &mut Wish::default());
    assert_eq!(unknown.map(|findings| findings.len()), Ok(100));
    let repeated = format!("{{\"tags\":{}}}", many(|_| "k".to_owned()));
    let error = read_strictly(repeated.as_bytes(), &mut Wish::default()).unwrap_err();
    assert!(error.problem.starts_with("too many fields") && error.path == "tags", "{error}");
    let long = |name: &str| {
        let json = format!("{{\"{name}\":[{}{{}}]}}", "{},".repeat(300_000));
        read_strictly(json.as_bytes(), &mut Wish::default())
            .map_err(|error| error.problem.starts_with("too many values"))
    };
    assert_eq!(
        ["rows", "tree", "any", "x"].map(|name| long(name).map(|findings| findings.len())),
        [Err(true), Err(true), Ok(0), Ok(1)]
    );
}

#[test]
fn errors_say_whether_it_is_json_at_all() {
    let check = |json: &[u8], path: &str, is_syntax: bool| {
        let error = read_strictly(json, &mut Wish::default()).unwrap_err();
        assert_eq!((error.path.as_str(), error.is_syntax), (path, is_syntax), "{error}");
    };
    check(br#"{"rows":[{"a":"1"}]}"#, "rows[0].a", false);
    check(b"", "", true);
    check(b"\xef\xbb\xbf{}", "", true);
    check(b"\xff", "", true);
    check(b"{} {}", "", true);
    check("[".repeat(200).as_bytes(), "", false);
    check(format!("{{\"tree\":{}", "[".repeat(200)).as_bytes(), "tree", true);
}

proptest! {
    /// What is read strictly is what is read.
    #[test]
    fn findings_change_nothing(fields: Vec<(String, i64)>) {
        let object: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name, value.into())).collect();
        let json = Value::Object(object).to_string();
        let plain: Fields<String, i64> = read(json.as_bytes()).unwrap();
        let mut strict: Fields<String, i64> = Fields::default();
        prop_assert_eq!(read_strictly(json.as_bytes(), &mut strict), Ok(Vec::new()));
        prop_assert_eq!(plain, strict);
        let mut tree = Value::Null;
        prop_assert_eq!(read_strictly(json.as_bytes(), &mut tree), Ok(Vec::new()));
        prop_assert_eq!(Ok(tree), serde_json::from_str::<Value>(&json).map_err(|_| ()));
    }
}
