//! Files of a template become an archive: a tar (ustar) that is the same, byte for byte, whenever its files are.
//!
//! Coder unpacks it in order and makes no folders by itself, so every parent folder has an entry before what is in it. Refuses nothing;
//! `convert::paths` says which paths there may be. Headers are filled in here: the crate's own way to set a path changes what it finds odd.

use std::collections::BinaryHeap;
use std::io;
use tar::{Archive, EntryType, Header};

/// Contents by path, sorted. Paths are bytes, because an archive of somebody else's may have any. A list, because a tree takes several times
/// its code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files<'a>(Vec<(Vec<u8>, &'a [u8])>);

impl<'a> Files<'a> {
    /// Adds a file among few. False when there was one, which it replaces.
    pub fn insert(&mut self, path: Vec<u8>, content: &'a [u8]) -> bool {
        match self.place(&path) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    *known = content;
                }
                false
            }
            Err(at) => {
                self.0.insert(at, (path, content));
                true
            }
        }
    }

    /// The content of a file.
    pub fn get(&self, path: &[u8]) -> Option<&'a [u8]> {
        self.0.get(self.place(path).ok()?).map(|(_, content)| *content)
    }

    /// Whether there is a file.
    pub fn contains(&self, path: &[u8]) -> bool {
        self.place(path).is_ok()
    }

    /// All paths and contents.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &'a [u8])> {
        self.0.iter().map(|(path, content)| (path.as_slice(), *content))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, path: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_slice().cmp(path))
    }
}

/// Of equal paths the last counts.
impl<'a> FromIterator<(Vec<u8>, &'a [u8])> for Files<'a> {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, &'a [u8])>>(files: I) -> Self {
        let mut heap = BinaryHeap::new();
        for (place, (path, content)) in files.into_iter().enumerate() {
            heap.push((path, place, content));
        }
        let mut sorted: Vec<(Vec<u8>, &[u8])> = Vec::with_capacity(heap.len());
        for (path, _, content) in heap.into_sorted_vec() {
            match sorted.last_mut() {
                Some((before, known)) if *before == path => *known = content,
                _ => sorted.push((path, content)),
            }
        }
        Self(sorted)
    }
}

/// A tar's unit, in bytes.
const BLOCK: usize = 512;

/// All regular files of an archive, by their path without `./`; of equal paths the last counts, as on unpacking. Contents borrow from the
/// archive.
///
/// # Errors
/// The archive is damaged.
pub fn read(archive: &[u8]) -> io::Result<Files<'_>> {
    let mut files = Vec::new();
    for entry in Archive::new(archive).entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let start = usize::try_from(entry.raw_file_position()).ok();
        let size = usize::try_from(entry.size()).ok();
        let content = start.and_then(|start| archive.get(start..start.checked_add(size?)?));
        let path = entry.path_bytes();
        let mut path: &[u8] = &path;
        while let Some(rest) = path.strip_prefix(b"./") {
            path = rest;
        }
        files.push((path.to_vec(), content.ok_or(io::ErrorKind::UnexpectedEof)?));
    }
    Ok(files.into_iter().collect())
}

/// A file as it is shown: text without NUL, under a path that is text. All others are not shown.
pub fn shown<'a>(path: &[u8], content: &'a [u8]) -> Option<(String, &'a str)> {
    let text = std::str::from_utf8(content).ok().filter(|text| !text.contains('\0'))?;
    Some((String::from_utf8(path.to_vec()).ok()?, text))
}

/// Whether a file is shown.
pub fn is_shown(path: &[u8], content: &[u8]) -> bool {
    !content.contains(&0) && std::str::from_utf8(content).is_ok() && std::str::from_utf8(path).is_ok()
}

/// How long the archive of these files is at least, in bytes; cheap to know before it is made.
pub fn size(files: &Files<'_>) -> usize {
    let blocks = |(_, content): (&[u8], &[u8])| content.len().div_ceil(BLOCK).saturating_add(1);
    files.iter().map(blocks).fold(2, usize::saturating_add).saturating_mul(BLOCK)
}

/// Makes the archive: entries in the order of their paths, modification times 0, files with mode 0644 (0755 where they begin with `#!`: a
/// script is there to be run), folders with 0755. A path that is too long for ustar goes before its entry, as GNU's tar does it.
pub fn build(files: &Files<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(size(files));
    let mut before: &[u8] = &[];
    for (path, content) in files.iter() {
        // Paths are sorted: what one shares with the one before has its folders already.
        for (at, _) in path.iter().enumerate().filter(|(_, c)| **c == b'/') {
            let folder = path.get(..=at).unwrap_or_default();
            if !before.starts_with(folder) {
                append(&mut out, folder, EntryType::Directory, 0o755, &[]);
            }
        }
        let mode = if content.starts_with(b"#!") { 0o755 } else { 0o644 };
        append(&mut out, path, EntryType::Regular, mode, content);
        before = path;
    }
    // Two empty blocks are the end.
    out.resize(out.len().saturating_add(2 * BLOCK), 0);
    out
}

fn append(out: &mut Vec<u8>, path: &[u8], entry_type: EntryType, mode: u32, content: &[u8]) {
    let mut header = Header::new_ustar();
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    if let Some(ustar) = header.as_ustar_mut()
        && !(put(&mut ustar.name, path) || split(path, &mut ustar.prefix, &mut ustar.name))
    {
        let mut name = path.to_vec();
        name.push(0);
        append(out, b"././@LongLink", EntryType::GNULongName, 0o644, &name);
    }
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// Writes a path at one of its slashes into ustar's two fields, if they are long enough.
fn split(path: &[u8], prefix: &mut [u8], name: &mut [u8]) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, c)| **c == b'/').map(|(at, _)| at);
    // The first that leaves a name short enough leaves the shortest prefix.
    let at = slashes.into_iter().find(|at| path.len().saturating_sub(*at) <= name.len().saturating_add(1));
    let halves = at.and_then(|at| path.split_at_checked(at));
    let Some((first, [_, rest @ ..])) = halves else { return false };
    !first.is_empty() && !rest.is_empty() && put(prefix, first) && put(name, rest)
}

/// Writes text into a field that is empty, if it is long enough.
fn put(field: &mut [u8], text: &[u8]) -> bool {
    match field.get_mut(..text.len()) {
        Some(place) => {
            place.copy_from_slice(text);
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn files<'a>(files: &[(&str, &'a str)]) -> Files<'a> {
        files.iter().map(|(path, text)| (path.as_bytes().to_vec(), text.as_bytes())).collect()
    }

    /// Entries as another reader sees them: path, mode, content.
    #[track_caller]
    fn check(input: &[(&str, &str)], expect: &[(&str, u32, &str)]) {
        let archive = build(&files(input));
        assert_eq!(archive.len() % BLOCK, 0);
        let mut entries = Vec::new();
        for entry in Archive::new(archive.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            io::Read::read_to_string(&mut entry, &mut content).unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            assert_eq!(entry.header().entry_type().is_dir(), path.ends_with('/'));
            entries.push((path, entry.header().mode().unwrap(), content));
        }
        let entries: Vec<_> =
            entries.iter().map(|(path, mode, text)| (path.as_str(), *mode, text.as_str())).collect();
        assert_eq!(entries, expect);
    }

    #[test]
    fn every_parent_has_an_entry() {
        check(&[], &[]);
        check(
            &[("main.tf", "x"), ("a/b/c.sh", "#!/bin/sh"), ("a/d", ""), ("a-b", ""), ("a.b/c", "")],
            &[
                ("a-b", 0o644, ""),
                ("a.b/", 0o755, ""),
                ("a.b/c", 0o644, ""),
                ("a/", 0o755, ""),
                ("a/b/", 0o755, ""),
                ("a/b/c.sh", 0o755, "#!/bin/sh"),
                ("a/d", 0o644, ""),
                ("main.tf", 0o644, "x"),
            ],
        );
    }

    #[test]
    fn long_paths() {
        let (long, longer) = ("d".repeat(90), "e".repeat(200));
        let split = format!("{long}/{long}/x");
        let whole = format!("{longer}/x");
        let folder = format!("{longer}/");
        check(
            &[(&split, "1"), (&whole, "2")],
            &[
                (&format!("{long}/"), 0o755, ""),
                (&format!("{long}/{long}/"), 0o755, ""),
                (&split, 0o644, "1"),
                (&folder, 0o755, ""),
                (&whole, 0o644, "2"),
            ],
        );
    }

    #[test]
    fn damaged() {
        let whole = build(&files(&[("a", &"x".repeat(2000))]));
        assert!(read(&whole[..1000]).is_err());
        assert!(read(&[b'x'; 600]).is_err());
        assert!(read(b"").unwrap().is_empty());
    }

    fn any_files() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
        let path = proptest::collection::vec("[a-zü.]{1,70}", 1..6)
            .prop_map(|parts| parts.join("/"))
            .prop_filter("cleaned", |path| path.split('/').all(|part| part != "."));
        proptest::collection::btree_map(path, proptest::collection::vec(any::<u8>(), 0..1200), 0..8)
    }

    fn borrowed(files: &BTreeMap<String, Vec<u8>>) -> Files<'_> {
        files.iter().map(|(path, content)| (path.clone().into_bytes(), content.as_slice())).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(files in any_files()) {
            let files = borrowed(&files);
            let archive = build(&files);
            prop_assert!(archive.len() >= size(&files));
            prop_assert_eq!(read(&archive).unwrap(), files);
        }

        #[test]
        fn equal_files_are_equal_bytes(a in any_files(), b in any_files()) {
            prop_assert_eq!(build(&borrowed(&a)), build(&borrowed(&a.clone())));
            prop_assert_eq!(build(&borrowed(&a)) == build(&borrowed(&b)), a == b);
        }

        #[test]
        fn what_is_shown_is_the_text_of_it(files in any_files()) {
            let archive = build(&borrowed(&files));
            let shown = crate::convert::files::files(&archive).unwrap();
            let text = files.iter().filter(|(path, content)| is_shown(path.as_bytes(), content));
            prop_assert!(text.map(|(path, content)| (path.as_str(), content.as_slice()))
                .eq(shown.0.iter().map(|(path, text)| (path.as_ref(), text.as_bytes()))));
        }
    }
}
