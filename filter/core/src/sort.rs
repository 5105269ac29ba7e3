//! Sorting, with its code there once: std's is 3 kB anew for each type and each order.
//!
//! What is sorted are places, by a comparison that is called through a pointer; the values move once, at the end.

use std::cmp::Ordering;

/// Sorts; what is equal keeps its order.
pub fn sort_by<T>(values: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let mut places: Vec<usize> = (0..values.len()).collect();
    sort_places(&mut places, &|a, b| match (values.get(a), values.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    let mut unsorted: Vec<Option<T>> = std::mem::take(values).into_iter().map(Some).collect();
    values.extend(places.into_iter().filter_map(|place| unsorted.get_mut(place)?.take()));
}

fn sort_places(places: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    places.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_std_sorts(values: Vec<(u8, u32)>) {
            let (mut ours, mut std) = (values.clone(), values);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            std.sort_by_key(|value| value.0);
            prop_assert_eq!(ours, std);
        }
    }
}
