//! The names of our objects: `<organization>.<template>` and `<organization>.<user>.<workspace>`.
//!
//! Holds Coder's own rule for one segment (`codersdk.NameValid`) and what is canonical. Knows nothing of
//! requests: what a bad name means (404 or 422) is for the caller to say.

use core::fmt;

/// Coder's bound for one segment, in bytes.
pub const SEGMENT_MAX: usize = 32;

/// Why a text is not a canonical name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// There are not exactly as many segments as the kind has.
    Segments {
        /// How many there must be.
        expected: usize,
    },
    /// A segment is empty.
    Empty,
    /// A segment has more than [`SEGMENT_MAX`] bytes.
    TooLong,
    /// A segment has other characters than letters, digits and single hyphens between them.
    Characters,
    /// A segment has upper case letters: canonical names have none.
    UpperCase,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segments { expected: 2 } => f.write_str("must be <organization>.<template>"),
            Self::Segments { .. } => f.write_str("must be <organization>.<user>.<workspace>"),
            Self::Empty => f.write_str("a segment must not be empty"),
            Self::TooLong => write!(f, "a segment must be at most {SEGMENT_MAX} characters"),
            Self::Characters => f.write_str("a segment must be alphanumeric, with single hyphens in between"),
            Self::UpperCase => f.write_str("must be lower case"),
        }
    }
}

/// The name of a `CoderWorkspace`. Segments are lower case and follow Coder's rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceName {
    /// Coder's organization.
    pub organization: String,
    /// The owner's user name.
    pub user: String,
    /// The workspace, unique among its owner's.
    pub workspace: String,
}

impl WorkspaceName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let [organization, user, workspace] = segments::<3>(name)?;
        Ok(Self { organization: organization.into(), user: user.into(), workspace: workspace.into() })
    }
}

impl fmt::Display for WorkspaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.organization, self.user, self.workspace)
    }
}

/// The name of a `CoderTemplate`. Segments are lower case and follow Coder's rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateName {
    /// Coder's organization.
    pub organization: String,
    /// The template, unique in its organization.
    pub template: String,
}

impl TemplateName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let [organization, template] = segments::<2>(name)?;
        Ok(Self { organization: organization.into(), template: template.into() })
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.organization, self.template)
    }
}

/// Joins Coder's spellings to a canonical name; `None` when one of them is no name by Coder's rule (then the
/// object cannot be represented).
pub fn join(segments: &[&str]) -> Option<String> {
    let length = segments.iter().map(|s| s.len().saturating_add(1)).sum();
    let mut name = String::with_capacity(length);
    for (i, part) in segments.iter().enumerate() {
        if !matches!(segment(part), Ok(()) | Err(NameError::UpperCase)) {
            return None;
        }
        if i > 0 {
            name.push('.');
        }
        name.push_str(part);
    }
    name.make_ascii_lowercase();
    Some(name)
}

/// Checks one canonical segment.
pub fn segment(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > SEGMENT_MAX {
        return Err(NameError::TooLong);
    }
    let mut before = b'-';
    let mut upper = false;
    for &c in text.as_bytes() {
        if !(c.is_ascii_alphanumeric() || (c == b'-' && before != b'-')) {
            return Err(NameError::Characters);
        }
        upper |= c.is_ascii_uppercase();
        before = c;
    }
    if before == b'-' {
        return Err(NameError::Characters);
    }
    if upper { Err(NameError::UpperCase) } else { Ok(()) }
}

/// A name that begins so and ends with a suffix. Where its last segment would be too long for Coder, what comes before the suffix is cut.
pub fn generated(beginning: &str, suffix: &str) -> String {
    let (front, last) =
        match beginning.rfind('.').and_then(|dot| beginning.split_at_checked(dot.saturating_add(1))) {
            Some((front, last)) => (front, last),
            None => ("", beginning),
        };
    let room = last.floor_char_boundary(SEGMENT_MAX.saturating_sub(suffix.len()));
    [front, last.get(..room).unwrap_or_default(), suffix].concat()
}

/// Coder gives nothing these names, which collide with its dashboard's routes. (`New` it would allow, so they
/// are refused when something is created and not when it is read.)
pub fn is_reserved(segment: &str) -> bool {
    matches!(segment, "new" | "create")
}

/// Whether Coder may read this segment as something else than a name: its aliases `me` and `default`, and 32
/// hexadecimal digits, which it takes for a UUID.
pub fn is_ambiguous(segment: &str) -> bool {
    let uuid = segment.len() == 32 && segment.bytes().all(|c| c.is_ascii_hexdigit());
    uuid || segment.eq_ignore_ascii_case("me") || segment.eq_ignore_ascii_case("default")
}

fn segments<const N: usize>(name: &str) -> Result<[&str; N], NameError> {
    let mut found = [""; N];
    let mut parts = name.split('.');
    for slot in &mut found {
        *slot = parts.next().ok_or(NameError::Segments { expected: N })?;
    }
    if parts.next().is_some() {
        return Err(NameError::Segments { expected: N });
    }
    found.iter().try_for_each(|part| segment(part))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(input: &str, expect: Result<(&str, &str, &str), NameError>) {
        let got = WorkspaceName::parse(input);
        let got = got.as_ref().map(|n| (n.organization.as_str(), n.user.as_str(), n.workspace.as_str()));
        assert_eq!(got, expect.as_ref().map(|t| *t), "{input}");
    }

    #[test]
    fn workspace_names() {
        check("coder.alice.ws0", Ok(("coder", "alice", "ws0")));
        check("a-1.b.c", Ok(("a-1", "b", "c")));
        check("coder.alice", Err(NameError::Segments { expected: 3 }));
        check("coder.alice.ws0.x", Err(NameError::Segments { expected: 3 }));
        check("coder..ws0", Err(NameError::Empty));
        check("coder.Alice.ws0", Err(NameError::UpperCase));
        check("coder.alice.new", Ok(("coder", "alice", "new")));
        check("coder.alice.a--b", Err(NameError::Characters));
        check("coder.alice.-b", Err(NameError::Characters));
        check("coder.alice.b-", Err(NameError::Characters));
        check("coder.alice.b_c", Err(NameError::Characters));
        check("coder.alice.ü", Err(NameError::Characters));
        check(&format!("coder.alice.{}", "a".repeat(32)), Ok(("coder", "alice", &"a".repeat(32))));
        check(&format!("coder.alice.{}", "a".repeat(33)), Err(NameError::TooLong));
    }

    #[test]
    fn coder_spells_with_capitals_and_we_do_not() {
        assert_eq!(join(&["Coder", "alICE", "WS0"]).as_deref(), Some("coder.alice.ws0"));
        assert_eq!(join(&["coder", "prebuilds", "a_b"]), None);
        assert_eq!(join(&["coder", ""]), None);
    }

    #[test]
    fn made_up() {
        let check =
            |beginning: &str, expect: &str| assert_eq!(generated(beginning, "x2b4c"), expect, "{beginning}");
        check("coder.alice.dev-", "coder.alice.dev-x2b4c");
        check("coder.alice.", "coder.alice.x2b4c");
        check("dev", "devx2b4c");
        check("", "x2b4c");
        check(&format!("coder.alice.{}", "a".repeat(40)), &format!("coder.alice.{}x2b4c", "a".repeat(27)));
        check(&format!("{}.dev", "a".repeat(40)), &format!("{}.devx2b4c", "a".repeat(40)));
        check(&format!("coder.{}", "ü".repeat(20)), &format!("coder.{}x2b4c", "ü".repeat(13)));
    }

    #[test]
    fn reserved() {
        assert!(is_reserved("new") && is_reserved("create") && !is_reserved("news"));
    }

    #[test]
    fn aliases() {
        for (segment, expect) in
            [("me", true), ("Default", true), ("0123456789abcdef0123456789abcdef", true), ("alice", false)]
        {
            assert_eq!(is_ambiguous(segment), expect, "{segment}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(parts in prop::array::uniform3("[a-z0-9]{1,5}(-[a-z0-9]{1,8}){0,2}")) {
            let refs: Vec<&str> = parts.iter().map(String::as_str).collect();
            let joined = join(&refs);
            prop_assume!(joined.is_some());
            let joined = joined.unwrap();
            let name = WorkspaceName::parse(&joined).unwrap();
            prop_assert_eq!(name.to_string(), joined);
        }

        #[test]
        fn what_parses_is_canonical(text in "[a-zA-Z0-9.-]{0,40}") {
            if let Ok(name) = TemplateName::parse(&text) {
                prop_assert_eq!(join(&[&name.organization, &name.template]), Some(text));
            }
        }
    }
}
