//! Subjects as OpenSSL and BoringSSL print them, and the round trip of any name.

use proptest::prelude::*;

use super::*;

fn check(subject: &str, expect: Result<(&str, &[&str]), SubjectError>) {
    let got = parse(subject);
    let got = got.as_ref().map(|user| (user.name.as_str(), user.groups.iter().map(String::as_str).collect()));
    let expect = expect.map(|(name, groups)| (name, groups.to_vec()));
    assert_eq!(got.map_err(|error| *error), expect, "{subject}");
}

#[test]
fn names_and_groups() {
    check("CN=alice", Ok(("alice", &[])));
    check("CN=alice,O=dev", Ok(("alice", &["dev"])));
    check("O=dev,CN=alice", Ok(("alice", &["dev"])));
    check("CN=alice,O=ops,O=dev", Ok(("alice", &["dev", "ops"])));
    check("CN=alice,O=ops+O=dev", Ok(("alice", &["dev", "ops"])));
    check("O=dev+CN=alice", Ok(("alice", &["dev"])));
    check("CN=alice , O = dev", Ok(("alice", &["dev"])));
    check("CN=alice;O=dev", Ok(("alice", &["dev"])));
    check(
        "CN=system:node:a.b,O=system:nodes,OU=x,C=DE,emailAddress=a@b",
        Ok(("system:node:a.b", &["system:nodes"])),
    );
    check("CN=last,OU=x,CN=first", Ok(("last", &[])));
    check("OID.2.5.4.3=alice,2.5.4.10=dev", Ok(("alice", &["dev"])));
    check("CN=a,O=", Ok(("a", &[""])));
}

#[test]
fn escapes() {
    check(r"CN=a\,b\+c\\d\=e", Ok((r"a,b+c\d=e", &[])));
    check(r#"CN=\"a\""#, Ok(("\"a\"", &[])));
    check(r"CN=\ a\ ", Ok((" a ", &[])));
    check("CN= a  ", Ok(("a", &[])));
    check(r"CN=\#a", Ok(("#a", &[])));
    check(r"CN=Ren\C3\A9,O=\C3\A9", Ok(("René", &["é"])));
    check("CN=René", Ok(("René", &[])));
    check("CN=a=b", Ok(("a=b", &[])));
    check(r#"CN="a,b+c",O="x\"y" "#, Ok(("a,b+c", &["x\"y"])));
    check("CN=#0c05616c696365", Ok(("alice", &[])));
    check("CN=#1305616C696365,O=#160161", Ok(("alice", &["a"])));
    check("CN=a,1.2.3.4=#0500", Ok(("a", &[])));
}

#[test]
fn one_uid() {
    let uid = |subject: &str| parse(subject).map(|user| user.uid);
    assert_eq!(uid("CN=a,1.3.6.1.4.1.57683.2=#0c0131"), Ok("1".to_owned()));
    assert_eq!(uid("CN=a,1.3.6.1.4.1.57683.2=x"), Ok("x".to_owned()));
    assert_eq!(uid("CN=a,1.3.6.1.4.1.57683.2=x,1.3.6.1.4.1.57683.2=y"), Err(SubjectError::Uid));
    assert_eq!(uid("CN=a,1.3.6.1.4.1.57683.2="), Err(SubjectError::Uid));
    assert_eq!(uid("CN=a,UID=ldap"), Ok(String::new()));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for subject in ["", "CN=", "O=dev", "OU=x,O=y"] {
        check(subject, Err(SubjectError::NoCommonName));
    }
    for subject in [
        "CN",
        "=a",
        "CN=a,",
        "CN=a+",
        "CN=a,,O=b",
        "CN=a,O",
        r"CN=a\",
        r"CN=a\x",
        r"CN=a\C",
        "CN=\"a",
        "CN=\"a\"b",
        "CN=a\"b\"",
        "CN=#",
        "CN=#0",
        "CN=#0c0161z",
        "C N=a",
        "/CN=a/O=b",
    ] {
        check(subject, Err(SubjectError::Syntax));
    }
    for subject in [
        r"CN=\FF",
        r"CN=a\0Ab",
        r"CN=a\00",
        "CN=a,O=\u{7}",
        "CN=#0500",
        "CN=#0c026",
        "CN=#0c0261",
        "CN=#0c8461",
    ] {
        let error = parse(subject).unwrap_err();
        assert!(matches!(error, SubjectError::Value | SubjectError::Syntax), "{subject}: {error:?}");
    }
}

/// Escapes as RFC 2253 asks, and some things that it only allows.
fn escaped(text: &str, style: u8) -> String {
    match style % 3 {
        0 => text.bytes().map(|byte| format!("\\{byte:02X}")).collect(),
        1 => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        _ => text
            .chars()
            .map(|c| {
                if matches!(c, ',' | ';' | '+' | '"' | '\\' | '<' | '>' | '=' | '#' | ' ') {
                    format!("\\{c}")
                } else {
                    c.to_string()
                }
            })
            .collect(),
    }
}

proptest! {
    #[test]
    fn round_trip(
        name in "\\PC{1,12}",
        groups in prop::collection::vec(("\\PC{0,8}", any::<u8>(), prop::sample::select(vec![",", "+", ";", " , "])), 0..5),
        style in any::<u8>(),
    ) {
        prop_assume!(!name.chars().chain(groups.iter().flat_map(|(g, ..)| g.chars())).any(char::is_control));
        let mut subject = format!("CN={}", escaped(&name, style));
        for (group, style, separator) in groups.iter().rev() {
            subject.push_str(&format!("{separator}O={}", escaped(group, *style)));
        }
        let user = parse(&subject).unwrap();
        prop_assert_eq!(user.name, name);
        prop_assert_eq!(user.groups, groups.into_iter().map(|(group, ..)| group).collect::<Vec<_>>());
    }

    #[test]
    fn any_text_is_read_or_refused(subject in "\\PC{0,30}", tail in "[CNO=,+;#\"\\\\0-9a-f ]{0,20}") {
        let _ = parse(&subject);
        let _ = parse(&tail);
    }
}
