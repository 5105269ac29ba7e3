//! Versions that the filter makes: their names, which say what is in them, and their messages, which say that they are to be promoted.
//!
//! Both are kept by Coder, so that every replica finds them, also after a restart. Decides from what it is shown; promotes nothing.

use crate::coder::{Template, TemplateVersion};
use std::borrow::Cow;
use twox_hash::XxHash64;

/// What the names of our versions begin with.
const PREFIX: &str = "k8s-";
/// Length of each of the two hashes in a name, in hexadecimal digits.
const DIGITS: usize = 16;
/// What the messages of our versions begin with.
const MESSAGE: &str = "coder-kube-filter";
/// What stands between that and the id of the version that is to be replaced.
const MARK: &str = ": to be promoted once imported, in place of ";
/// The provisioners that Coder knows.
pub const PROVISIONERS: [&str; 2] = ["terraform", "echo"];

/// Tags by name, sorted.
pub type Tags<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The name of a version with this archive, provisioner and tags (sorted by name): `k8s-`, a hash of the archive, and one of the rest.
pub fn name(archive: &[u8], provisioner: &str, tags: &[(Cow<'_, str>, Cow<'_, str>)]) -> String {
    format!("{PREFIX}{:016x}{:016x}", XxHash64::oneshot(0, archive), settings(provisioner, tags))
}

fn settings(provisioner: &str, tags: &[(Cow<'_, str>, Cow<'_, str>)]) -> u64 {
    let mut text = provisioner.as_bytes().to_vec();
    for part in tags.iter().flat_map(|(name, value)| [name, value]) {
        text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    XxHash64::oneshot(0, &text)
}

/// Whether a version was named so here. A name that was taken by one that cannot be used has a number behind it: `k8s-…-2`.
pub fn has_name(version: &TemplateVersion<'_>, name: &str) -> bool {
    match version.name.strip_prefix(name) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok()),
        None => false,
    }
}

/// The first name of that kind that none of the template's versions has.
pub fn free_name(versions: &[TemplateVersion<'_>], name: &str) -> String {
    let taken = |name: &str| versions.iter().any(|version| version.name.as_str() == name);
    let mut free = name.to_owned();
    for number in 2_u32.. {
        if !taken(&free) {
            break;
        }
        free = format!("{name}-{number}");
    }
    free
}

/// Whether the filter has made a version of that name.
pub fn is_ours(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX).and_then(|rest| rest.get(..DIGITS.saturating_mul(2)));
    digits.is_some_and(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// Provisioner and tags that a version was asked to have. Coder tells neither: it keeps the provisioner of a template's first version, and
/// adds to a job's tags what the files themselves ask for. The names of our versions tell, where they have the hash of a guess.
pub fn asked<'a>(version: &'a TemplateVersion<'_>, template: &'a Template<'_>) -> (&'a str, Tags<'a>) {
    let own = |(name, _): &(Cow<'_, str>, _)| !matches!(&**name, "scope" | "owner");
    let tags: Tags<'a> =
        version.job.tags().into_iter().filter(own).map(|(name, value)| (name, value.into_cow())).collect();
    let hash = version.name.strip_prefix(PREFIX).and_then(|rest| rest.get(DIGITS..DIGITS.saturating_mul(2)));
    let hash = hash.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    for provisioner in std::iter::once(template.provisioner.as_str()).chain(PROVISIONERS) {
        if hash == Some(settings(provisioner, &tags)) {
            return (provisioner, tags);
        }
        if hash == Some(settings(provisioner, &[])) {
            return (provisioner, Tags::new());
        }
    }
    (&template.provisioner, tags)
}

/// The message of a version that is to be promoted in place of the one that is active now.
pub fn mark(active: &str) -> String {
    format!("{MESSAGE}{MARK}{active}")
}

/// The message of a version that was to be promoted.
pub fn unmarked() -> &'static str {
    MESSAGE
}

/// The message of a version for a template that is yet to be made.
pub fn made_for(name: &str) -> String {
    format!("{MESSAGE}: for {name}")
}

/// The id of the version that a marked one is to replace.
fn replaces<'a>(version: &'a TemplateVersion<'_>) -> Option<&'a str> {
    version.message.strip_prefix(MESSAGE)?.strip_prefix(MARK)
}

/// Whether a version is marked to be promoted.
pub fn is_marked(version: &TemplateVersion<'_>) -> bool {
    replaces(version).is_some()
}

/// The version that is asked for and not active yet: the newest that is marked, unless the active one is newer, or something else has been made
/// active since (then whoever did that has the last word). `versions` are the template's, oldest first.
pub fn wanted<'v, 'a>(versions: &'v [TemplateVersion<'a>], active: &str) -> Option<&'v TemplateVersion<'a>> {
    let place = |id: &str| versions.iter().position(|version| version.id.as_str() == id);
    let (at, wanted) =
        versions.iter().enumerate().rfind(|(_, version)| is_marked(version) && !version.archived)?;
    let now = place(active)?;
    let replaced = replaces(wanted)?;
    // Between the mark and now an older one of ours may have been promoted, which was on its way when the mark was set.
    let ours = |at: usize| versions.get(at).is_some_and(|version| is_ours(&version.name));
    let expected = replaced == active || (ours(now) && place(replaced).is_some_and(|then| then < now));
    (now < at && expected).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coder::Text;

    fn version(id: &'static str, name: &'static str, message: &str) -> TemplateVersion<'static> {
        let text = |text: &str| -> Text<'static> { Text::from(text.to_owned().leak() as &'static str) };
        TemplateVersion {
            id: id.into(),
            name: name.into(),
            message: text(message),
            ..TemplateVersion::default()
        }
    }

    const A: &str = "k8s-00000000000000000000000000000000";

    #[test]
    fn names_say_what_is_in_a_version() {
        let tags = |tags: &[(&'static str, &'static str)]| -> Tags<'static> {
            tags.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).collect()
        };
        let names = [
            name(b"x", "terraform", &[]),
            name(b"y", "terraform", &[]),
            name(b"x", "echo", &[]),
            name(b"x", "terraform", &tags(&[("a", "b")])),
            name(b"x", "terraform", &tags(&[("ab", "")])),
            name(b"x", "terraform", &tags(&[("", "ab")])),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(is_ours(name) && name.len() == 36, "{name}");
            assert!(!names[..at].contains(name));
        }
        assert_eq!(name(b"x", "terraform", &[]), names[0]);
        assert!(!is_ours("k8s-x") && !is_ours("vigorous_curie") && !is_ours(""));
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let versions = [version("1", A, ""), version("2", "k8s-00000000000000000000000000000000-2", "")];
        assert_eq!(free_name(&versions, "k8s-1"), "k8s-1");
        assert_eq!(free_name(&versions, A), format!("{A}-3"));
        assert!(versions.iter().all(|version| has_name(version, A)));
        assert!(
            !has_name(&version("1", "k8s-1-x", ""), "k8s-1")
                && !has_name(&version("1", "k8s-12", ""), "k8s-1")
        );
    }

    #[track_caller]
    fn check_wanted(versions: &[(&'static str, &'static str, String)], active: &str, expect: Option<&str>) {
        let versions: Vec<_> =
            versions.iter().map(|(id, name, message)| version(id, name, message)).collect();
        assert_eq!(wanted(&versions, active).map(|version| version.id.as_str()), expect);
    }

    #[test]
    fn the_newest_that_is_marked_is_wanted() {
        let none = String::new;
        let plain = |id| (id, "x", none());
        check_wanted(&[], "1", None);
        check_wanted(&[plain("1"), plain("2")], "1", None);
        check_wanted(&[plain("1"), ("2", A, mark("1"))], "1", Some("2"));
        check_wanted(&[plain("1"), ("2", A, mark("1")), ("3", A, mark("1"))], "1", Some("3"));
        check_wanted(&[plain("1"), ("2", A, mark("1")), plain("3")], "1", Some("2"));
        // The active one is newer.
        check_wanted(&[plain("1"), ("2", A, mark("1")), plain("3")], "3", None);
        check_wanted(&[("2", A, mark("1")), plain("3")], "3", None);
        // It is active.
        check_wanted(&[plain("1"), ("2", A, mark("1"))], "2", None);
        // An older one of ours was promoted meanwhile.
        check_wanted(&[plain("1"), ("2", A, unmarked().into()), ("3", A, mark("1"))], "2", Some("3"));
        // Somebody has made another one active, by hand.
        check_wanted(&[plain("0"), plain("1"), ("2", A, mark("1"))], "0", None);
        check_wanted(&[plain("1"), plain("2"), ("3", A, mark("1"))], "2", None);
        check_wanted(&[("0", A, none()), plain("1"), ("2", A, mark("1"))], "0", None);
        // The mark of the newest alone counts.
        check_wanted(&[plain("1"), ("2", A, mark("1")), ("3", A, mark("x"))], "1", None);
    }

    #[test]
    fn what_was_asked_for() {
        let job = |tags: &str| {
            format!(r#"{{"id":"","created_at":"2026-11-21T09:55:05Z","status":"pending","tags":{tags}}}"#)
        };
        let check = |name: &str, tags: &str, expect: (&str, &[(&str, &str)])| {
            let job = job(tags);
            let version = TemplateVersion {
                name: name.into(),
                job: crate::coder::parse(job.as_bytes()).unwrap(),
                ..TemplateVersion::default()
            };
            let template = Template { provisioner: "terraform".into(), ..Template::default() };
            let (provisioner, tags) = asked(&version, &template);
            let tags: Vec<_> = tags.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
            assert_eq!((provisioner, tags.as_slice()), expect);
        };
        let tags = [(Cow::Borrowed("a"), Cow::Borrowed("b"))];
        let all = r#"{"a":"b","owner":"","scope":"organization"}"#;
        check("x", all, ("terraform", &[("a", "b")]));
        check(&name(b"x", "terraform", &[]), all, ("terraform", &[]));
        check(&name(b"x", "terraform", &tags), all, ("terraform", &[("a", "b")]));
        check(&name(b"x", "echo", &tags), all, ("echo", &[("a", "b")]));
        check(&name(b"x", "echo", &[]), r#"{"owner":"","scope":"organization"}"#, ("echo", &[]));
    }
}
