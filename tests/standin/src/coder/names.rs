//! Coder's rules for names (`codersdk/name.go`), and the names it makes up for template versions.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A user's, workspace's or template's name: letters, digits and single hyphens between them, at most 32.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 32 && name != "new" && name != "create" && words(name, &['-'])
}

/// A template version's name: also dots and underscores, at most 64.
pub(crate) fn is_version_name(name: &str) -> bool {
    name.len() <= 64 && words(name, &['-', '_', '.'])
}

/// A display name: anything that does not begin or end with a space, at most 64.
pub(crate) fn is_display_name(name: &str) -> bool {
    name.len() <= 64 && name.trim() == name
}

/// A name for a template version that was given none; like Coder's, but no two are the same.
pub(crate) fn version_name() -> String {
    const FIRST: [&str; 8] = ["angry", "bold", "clever", "drab", "eager", "focused", "gallant", "happy"];
    const SECOND: [&str; 8] =
        ["babbage", "curie", "darwin", "euler", "franklin", "gauss", "hopper", "lovelace"];
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    format!("{}_{}{}", FIRST[made % 8], SECOND[made / 8 % 8], made / 64)
}

fn words(name: &str, separators: &[char]) -> bool {
    name.split(separators).all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::{is_name, is_version_name, version_name};

    #[test]
    fn names_follow_coders_rule() {
        let check = |name: &str, expect: bool| assert_eq!(is_name(name), expect, "{name}");
        check("ws0", true);
        check("A-b-9", true);
        check("", false);
        check("new", false);
        check("-a", false);
        check("a--b", false);
        check("a_b", false);
        check(&"x".repeat(33), false);
        assert!(is_version_name("k8s-0.1_a") && !is_version_name("a b"));
        assert!(is_version_name(&version_name()));
    }
}
