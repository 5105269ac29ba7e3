//! The ABI's serialised header maps: a count, then the sizes, then names and values each followed by NUL. Little-endian `u32`s.
//! Pure; a map that is cut short decodes to what is whole in it.

use crate::host::Pairs;

/// Serialises headers for the host.
pub(crate) fn encode(pairs: &[(&str, &str)]) -> Vec<u8> {
    let text: usize =
        pairs.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(10)).sum();
    let mut bytes = Vec::with_capacity(text.saturating_add(4));
    let size = |bytes: &mut Vec<u8>, n: usize| bytes.extend(u32::try_from(n).unwrap_or(0).to_le_bytes());
    size(&mut bytes, pairs.len());
    for (name, value) in pairs {
        size(&mut bytes, name.len());
        size(&mut bytes, value.len());
    }
    for (name, value) in pairs {
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend(value.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// Reads what the host serialised.
pub(crate) fn decode(bytes: &[u8]) -> Pairs {
    let Some((count, mut sizes)) = number(bytes) else { return Pairs::new() };
    let Some(mut text) = count.checked_mul(8).and_then(|n| sizes.get(n..)) else { return Pairs::new() };
    let mut pairs = Pairs::with_capacity(count);
    for _ in 0..count {
        let Some((name_size, rest)) = number(sizes) else { break };
        let Some((value_size, rest)) = number(rest) else { break };
        sizes = rest;
        let Some((name, rest)) = chunk(text, name_size) else { break };
        let Some((value, rest)) = chunk(rest, value_size) else { break };
        text = rest;
        if let Ok(name) = std::str::from_utf8(name) {
            pairs.push((name.to_owned(), value.to_vec()));
        }
    }
    pairs
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*head)).ok()?, rest))
}

/// `size` bytes and what follows the NUL after them.
fn chunk(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (chunk, rest) = bytes.split_at_checked(size)?;
    Some((chunk, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let pairs = [(":path", "/a"), ("x", ""), ("y", "ä")];
        let expect: Pairs = pairs.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        assert_eq!(decode(&encode(&pairs)), expect);
    }

    #[test]
    fn cut_short_is_not_fatal() {
        let bytes = encode(&[("a", "b"), ("c", "d")]);
        for n in 0..bytes.len() {
            assert!(decode(&bytes[..n]).len() <= 2);
        }
    }
}
