//! A template's archive becomes `spec.files`: path → text.
//!
//! Shows, never unpacks: only regular files, and of those only text. Paths are shown as the archive has them, without
//! a leading `./`.

use crate::kube::meta::StringMap;
use std::borrow::Cow;
use std::io::{self, Read};
use tar::Archive;

/// Reads a tar archive (`GET /files/{id}`; Coder keeps uploads as tar). Files that are not UTF-8 or hold NUL, and what
/// is no regular file, are left out; of equal paths the last counts, as on unpacking.
///
/// # Errors
/// The archive is damaged.
pub fn files(archive: &[u8]) -> io::Result<StringMap<'static>> {
    let mut files: Vec<(Cow<'static, str>, Cow<'static, str>)> = Vec::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Ok(path) = String::from_utf8(entry.path_bytes().into_owned()) else { continue };
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        let path = path.trim_start_matches("./");
        let text = String::from_utf8(content).ok().filter(|text| !text.contains('\0'));
        // Archives are mostly sorted, so that this mostly appends.
        match (files.binary_search_by(|(earlier, _)| (**earlier).cmp(path)), text) {
            (Ok(at), Some(text)) => {
                if let Some((_, earlier)) = files.get_mut(at) {
                    *earlier = Cow::Owned(text);
                }
            }
            (Ok(at), None) => drop(files.remove(at)),
            (Err(at), Some(text)) => files.insert(at, (Cow::Owned(path.to_owned()), Cow::Owned(text))),
            (Err(_), None) => {}
        }
    }
    Ok(StringMap(files))
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
        let files = files(&archive(entries)).unwrap();
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
