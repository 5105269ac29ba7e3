//! A template's archive becomes `spec.files`: path → text.
//!
//! Shows, never unpacks: only regular files, and of those only text. Paths are shown as the archive has them, without
//! a leading `./`.

use super::archive::{self, Files, shown};
use crate::kube::meta::StringMap;
use std::borrow::Cow;
use std::io;

/// Reads a tar archive (`GET /files/{id}`; Coder keeps uploads as tar) and shows its [`text`].
///
/// # Errors
/// The archive is damaged.
pub fn files(archive: &[u8]) -> io::Result<StringMap<'_>> {
    Ok(text(&archive::read(archive)?))
}

/// The files that are shown: those that are text, under paths that are.
pub fn text<'a>(files: &Files<'a>) -> StringMap<'a> {
    let shown = files.iter().filter_map(|(path, content)| shown(path, content));
    StringMap(shown.map(|(path, text)| (Cow::Owned(path), Cow::Borrowed(text))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[track_caller]
    fn check(entries: &[(&str, tar::EntryType, &[u8])], expect: &[(&str, &str)]) {
        let archive = archive(entries);
        let files = files(&archive).unwrap();
        let files: Vec<_> = files.0.iter().map(|(path, text)| (path.as_ref(), text.as_ref())).collect();
        assert_eq!(files, expect);
    }

    #[test]
    fn text_files_alone() {
        use tar::EntryType::{Directory, Regular, Symlink};
        let long = format!("{}/x.tf", "d".repeat(120));
        check(
            &[
                ("./main.tf", Regular, b"a"),
                ("modules", Directory, b""),
                ("modules/x.tf", Regular, "ü".as_bytes()),
                ("link", Symlink, b""),
                ("logo.png", Regular, b"\x89PNG"),
                ("nul", Regular, b"a\0b"),
                (&long, Regular, b"long"),
            ],
            &[(&long, "long"), ("main.tf", "a"), ("modules/x.tf", "ü")],
        );
        check(&[("a", Regular, b"1"), ("a", Regular, b"2")], &[("a", "2")]);
        check(&[("a", Regular, b"1"), ("a", Regular, b"\xff")], &[]);
    }

    #[test]
    fn damaged() {
        let whole = archive(&[("a", tar::EntryType::Regular, &[b'x'; 2000])]);
        assert!(files(&whole[..1000]).is_err());
        assert!(files(&[b'x'; 600]).is_err());
        assert!(files(b"").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(at in 0usize..1536, byte: u8, cut in 0usize..2048) {
            let mut bytes = archive(&[("a/b", tar::EntryType::Regular, b"text")]);
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            bytes.truncate(cut);
            let _ = files(&bytes);
        }
    }
}
