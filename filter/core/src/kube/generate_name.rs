//! Names that the server makes up for `metadata.generateName`: five characters behind it, as k8s.io/apiserver/pkg/storage/names does it.

/// No vowels and nothing that looks like one, so that no words come out (k8s.io/apimachinery/pkg/util/rand).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many characters are added.
pub const SUFFIX: usize = 5;

/// The characters to add. Equal seeds give equal ones; any difference between seeds will do.
#[must_use]
pub fn suffix(seed: u64) -> String {
    let mut state = seed;
    let mut next = || {
        // SplitMix64, by Sebastiano Vigna.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ mixed.wrapping_shr(30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed.wrapping_shr(27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed.wrapping_shr(31)
    };
    let letters = u64::try_from(ALPHABET.len()).unwrap_or(1).max(1);
    (0..SUFFIX)
        .filter_map(|_| {
            let place = usize::try_from(next().checked_rem(letters)?).ok()?;
            ALPHABET.get(place).map(|letter| char::from(*letter))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn five_letters_that_differ() {
        let suffixes: BTreeSet<String> = (0..1000).map(suffix).collect();
        assert!(
            suffixes.iter().all(|text| text.len() == SUFFIX && text.bytes().all(|c| ALPHABET.contains(&c)))
        );
        // 27^5 is fourteen million.
        assert!(suffixes.len() > 998, "{}", suffixes.len());
        let letters: BTreeSet<u8> = suffixes.iter().flat_map(|text| text.bytes()).collect();
        assert_eq!(letters.len(), ALPHABET.len());
        assert_eq!(suffix(7), suffix(7));
    }
}
