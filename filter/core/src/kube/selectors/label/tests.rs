//! The grammar by table, matching, and the round trip of what is displayed.

use proptest::prelude::*;

use super::*;

/// Checks how a selector is displayed again, or how it is refused.
fn check(input: &str, expect: Result<&str, &str>) {
    let got = LabelSelector::parse(input)
        .map(|selector| selector.to_string())
        .map_err(|status| status.message.clone());
    assert_eq!(got.as_deref().map_err(String::as_str), expect, "{input}");
}

#[test]
fn accepts() {
    check("", Ok(""));
    check(" \t", Ok(""));
    check("x", Ok("x"));
    check("!x", Ok("!x"));
    check("x=a", Ok("x=a"));
    check("x = a , y", Ok("x=a,y"));
    check("x==a", Ok("x==a"));
    check("x!=a", Ok("x!=a"));
    check("x=", Ok("x="));
    check("x=,y=1", Ok("x=,y=1"));
    check("x>1", Ok("x>1"));
    check(
        "x<-1",
        Err(
            "unable to parse requirement: values[0][x]: Invalid value: \"-1\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345')",
        ),
    );
    check("x in (b,a,b)", Ok("x in (b,a,b)"));
    check("x in(a)", Ok("x in (a)"));
    check("x notin (a,,c)", Ok("x notin (a,,c)"));
    check("x in ()", Ok("x in ()"));
    check("x in (,)", Ok("x in (,)"));
    check("x in (,a)", Ok("x in (,a)"));
    check("y=2,x=1", Ok("y=2,x=1"));
    check("in in (in,notin)", Ok("in in (in,notin)"));
    check("notin=in", Ok("notin=in"));
    check("example.com/Name=v_1.x-Y", Ok("example.com/Name=v_1.x-Y"));
}

#[test]
fn refuses() {
    check(",", Err("found ',', expected: !, identifier, or 'end of string'"));
    check("x,", Err("found '', expected: identifier after ','"));
    check("x,,y", Err("found ',', expected: identifier after ','"));
    check("x y", Err("unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"));
    check("x=a b", Err("found 'b', expected: ',' or 'end of string'"));
    check("!", Err("unable to parse requirement: found '', expected: identifier"));
    check("!x=a", Err("found '=', expected: ',' or 'end of string'"));
    check("x in a", Err("unable to parse requirement: found 'a' expected: '('"));
    check("x in (a b)", Err("unable to parse requirement: found 'b', expected: ',' or ')'"));
    check("x in (a", Err("unable to parse requirement: found '', expected: ',' or ')'"));
    check("x=(", Err("unable to parse requirement: found '(', expected: identifier"));
    check(
        "/x",
        Err("unable to parse requirement: <nil>: Invalid value: \"/x\": prefix part must be non-empty"),
    );
    check(
        "a/",
        Err("unable to parse requirement: <nil>: Invalid value: \"a/\": name part must be non-empty"),
    );
    for bad in ["A.com/x", "a/b/c", "-x", "x-", "é"] {
        assert!(LabelSelector::parse(bad).is_err(), "{bad}");
    }
    check(
        "x>a",
        Err(
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    );
    assert!(LabelSelector::parse(&"k".repeat(64)).is_err());
    assert!(LabelSelector::parse(&format!("k={}", "v".repeat(64))).is_err());
    assert!(LabelSelector::parse(&format!("{}=v", "k".repeat(63))).is_ok());
}

#[test]
fn matching() {
    let lookup = |key: &str| match key {
        "a" => Some("1"),
        "e" => Some(""),
        _ => None,
    };
    for (selector, expect) in [
        ("", true),
        ("a=1", true),
        ("a==2", false),
        ("a!=2", true),
        ("z!=1", true),
        ("z=", false),
        ("e=", true),
        ("a", true),
        ("!a", false),
        ("!z", true),
        ("a in (0,1)", true),
        ("a notin (1)", false),
        ("z notin (1)", true),
        ("a>0", true),
        ("a>1", false),
        ("a<2", true),
        ("e<2", false),
        ("z<2", false),
        ("a=1,!e", false),
    ] {
        assert_eq!(LabelSelector::parse(selector).unwrap().matches(&lookup), expect, "{selector}");
    }
}

#[test]
fn exact_values() {
    let selector = LabelSelector::parse("a=1,b in (2,2),c in (3,4),d!=5,e,b!=9").unwrap();
    let exact = ["a", "b", "c", "d", "e", "f"].map(|key| selector.exact(key));
    assert_eq!(exact, [Some("1"), Some("2"), None, None, None, None]);
}

fn any_requirement() -> impl Strategy<Value = Requirement> {
    let text = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,5}[A-Za-z0-9])?";
    let key = (prop::option::of("[a-z]{1,3}(\\.[a-z]{1,3})?"), text)
        .prop_map(|(prefix, name)| prefix.map_or(name.clone(), |prefix| format!("{prefix}/{name}")));
    let value = prop_oneof![Just(String::new()), text.prop_map(String::from)];
    let set =
        prop::collection::btree_set(value.clone(), 1..4).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    let one = value.prop_map(|value| vec![value]);
    let number = (0..1000_i64).prop_map(|number| vec![number.to_string()]);
    let relation = prop_oneof![
        (prop_oneof![Just(Operator::In), Just(Operator::NotIn)], set),
        (prop_oneof![Just(Operator::Equals), Just(Operator::DoubleEquals), Just(Operator::NotEquals)], one),
        (prop_oneof![Just(Operator::GreaterThan), Just(Operator::LessThan)], number),
        (prop_oneof![Just(Operator::Exists), Just(Operator::DoesNotExist)], Just(Vec::new())),
    ];
    (key, relation).prop_map(|(key, (operator, values))| Requirement { key, operator, values })
}

proptest! {
    #[test]
    fn what_is_displayed_parses_to_the_same(requirements in prop::collection::vec(any_requirement(), 0..5)) {
        let selector = LabelSelector { requirements };
        prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn negations_are_complements(requirement in any_requirement(), value in prop::option::of("[a-c1]{0,2}")) {
        let complement = match requirement.operator {
            Operator::Equals | Operator::DoubleEquals => Operator::NotEquals,
            Operator::In => Operator::NotIn,
            Operator::Exists => Operator::DoesNotExist,
            _ => return Ok(()),
        };
        let negated = Requirement { operator: complement, ..requirement.clone() };
        prop_assert_ne!(requirement.matches(value.as_deref()), negated.matches(value.as_deref()));
    }

    #[test]
    fn any_text_is_read_or_refused(input in "\\PC{0,40}") {
        let _ = LabelSelector::parse(&input);
    }
}
