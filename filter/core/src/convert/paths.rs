//! Paths in `spec.files`: which there may be, and what they are once cleaned.
//!
//! Complains about all of them at once, in the words of Kubernetes' own validation. Sees no archive.

use super::archive::Files;
use crate::kube::status::{Cause, CauseType};
use std::borrow::Cow;

/// Most files that a template may have.
pub const FILES_MAX: usize = 2000;
/// Longest path, in bytes.
const PATH_MAX: usize = 1024;
/// Longest name of a file or folder, in bytes: that of common file systems.
const NAME_MAX: usize = 255;

/// Checks and cleans the paths of files (`./a` and `a//b` are `a` and `a/b`): texts by path.
///
/// # Errors
/// A cause for each path that there may not be, under `spec.files[path]`.
pub fn clean<'a>(files: &'a [(Cow<'_, str>, Cow<'_, str>)]) -> Result<Files<'a>, Vec<Cause>> {
    let mut causes = Vec::new();
    if files.len() > FILES_MAX {
        causes.push(Cause {
            cause_type: Some(CauseType::FieldValueInvalid),
            message: format!("Too many: {}: must have at most {FILES_MAX} items", files.len()),
            field: "spec.files".to_owned(),
        });
        return Err(causes);
    }
    let mut cleaned = Files::default();
    for (path, text) in files {
        match clean_path(path) {
            Err(problem) => causes.push(Cause::invalid(&field(path), path, problem)),
            Ok(clean) => {
                if !cleaned.insert(clean.into_bytes(), text.as_bytes()) {
                    causes.push(Cause::duplicate(&field(path), path));
                }
            }
        }
    }
    for (path, _) in cleaned.iter() {
        if let Some(file) = parents(path).find(|parent| cleaned.contains(parent)) {
            let (path, file) = (String::from_utf8_lossy(path), String::from_utf8_lossy(file));
            causes.push(Cause::invalid(&field(&path), &path, &format!("{file} is a file")));
        }
    }
    if causes.is_empty() { Ok(cleaned) } else { Err(causes) }
}

/// The field that holds a path's text.
pub fn field(path: &str) -> String {
    format!("spec.files[{path}]")
}

/// The folders that a path lies in, as paths.
pub fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, c)| **c == b'/').filter_map(|(at, _)| path.get(..at))
}

fn clean_path(path: &str) -> Result<String, &'static str> {
    match () {
        () if path.is_empty() => return Err("must not be empty"),
        () if path.len() > PATH_MAX => return Err("must be at most 1024 bytes"),
        () if path.starts_with('/') => return Err("must be relative"),
        () if path.ends_with('/') => return Err("must name a file, not a folder"),
        () if path.contains('\\') => return Err("must have slashes, not backslashes"),
        () if path.chars().any(char::is_control) => return Err("must not have control characters"),
        () => {}
    }
    let mut clean = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => return Err("must not have .. in it"),
            part if part.len() > NAME_MAX => return Err("must not have a name of more than 255 bytes in it"),
            part => {
                if !clean.is_empty() {
                    clean.push('/');
                }
                clean.push_str(part);
            }
        }
    }
    if clean.is_empty() { Err("must name a file, not a folder") } else { Ok(clean) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cleaned(paths: &[&str]) -> Result<Vec<String>, Vec<(String, String)>> {
        let files: Vec<(Cow<'_, str>, Cow<'_, str>)> =
            paths.iter().map(|path| ((*path).into(), "".into())).collect();
        match clean(&files) {
            Ok(files) => {
                Ok(files.iter().map(|(path, _)| String::from_utf8(path.to_vec()).unwrap()).collect())
            }
            Err(causes) => Err(causes.into_iter().map(|cause| (cause.field, cause.message)).collect()),
        }
    }

    #[track_caller]
    fn check(paths: &[&str], expect: &[&str]) {
        assert_eq!(cleaned(paths), Ok(expect.iter().map(|path| (*path).to_owned()).collect()), "{paths:?}");
    }

    #[track_caller]
    fn refused(paths: &[&str], expect: &[(&str, &str)]) {
        let causes = cleaned(paths).unwrap_err();
        assert_eq!(causes.len(), expect.len(), "{causes:?}");
        for ((field, message), (path, problem)) in causes.iter().zip(expect) {
            assert!(*field == format!("spec.files[{path}]") && message.contains(problem), "{causes:?}");
        }
    }

    #[test]
    fn paths_are_cleaned() {
        check(&[], &[]);
        check(
            &["main.tf", "./b", "a//c", "a/./d", ".hidden", "..x", "a b/ü"],
            &["..x", ".hidden", "a b/ü", "a/c", "a/d", "b", "main.tf"],
        );
        check(&["a", "a.b", "ab/c"], &["a", "a.b", "ab/c"]);
    }

    #[test]
    fn paths_are_refused() {
        refused(&[""], &[("", "must not be empty")]);
        refused(
            &["/a", "ok", "a\\b", "a\nb"],
            &[("/a", "relative"), ("a\\b", "backslash"), ("a\nb", "control")],
        );
        refused(&["../a", "a/..", "a/../b"], &[("../a", ".."), ("a/..", ".."), ("a/../b", "..")]);
        refused(
            &["a/", ".", "./."],
            &[("a/", "not a folder"), (".", "not a folder"), ("./.", "not a folder")],
        );
        refused(&["a", "./a"], &[("./a", "Duplicate value")]);
        refused(&["a", "a/b", "a/b/c"], &[("a/b", "a is a file"), ("a/b/c", "a is a file")]);
        refused(&[&"x".repeat(256)], &[(&"x".repeat(256), "255 bytes")]);
        refused(&[&"x/".repeat(513)], &[(&"x/".repeat(513), "1024 bytes")]);
    }

    #[test]
    fn there_are_at_most_two_thousand() {
        let names: Vec<String> = (0..2001).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(cleaned(&names[..2000]).is_ok());
        assert_eq!(cleaned(&names).unwrap_err().len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_clean_stays(paths in prop::collection::vec("[a./\\\\\u{1}]{0,6}", 0..4)) {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            if let Ok(clean) = cleaned(&paths) {
                let clean: Vec<&str> = clean.iter().map(String::as_str).collect();
                prop_assert_eq!(clean.len(), paths.len());
                for path in &clean {
                    prop_assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")));
                }
                prop_assert_eq!(cleaned(&clean).unwrap(), clean);
            }
        }
    }
}
