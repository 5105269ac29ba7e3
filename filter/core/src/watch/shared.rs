//! Data that all workers of a process share, and that outlives their VMs: proxy-wasm's shared data, as a parameter.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Values by key. A key cannot be removed, so keys are few or numbered.
pub trait SharedData {
    /// A value, and the number to change it by; nothing where it has never been set.
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Sets a value that has not changed since it was read with that number, or that has never been set; 0 sets it whatever it is. `false` when somebody
    /// else came before.
    fn set(&self, key: &str, value: &[u8], number: u32) -> bool;
}

/// The number for a value that has never been set: no value has it, so that who comes second is refused.
pub(super) const NEVER_SET: u32 = u32::MAX;

/// How often a change is begun again when others come before.
const TRIES: u32 = 32;

/// Changes a value by what it is; `None` leaves it. `false` when it could not be done.
pub(super) fn change(
    shared: &dyn SharedData,
    key: &str,
    change: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
) -> bool {
    for _ in 0..TRIES {
        let (old, number) = shared.get(key).unwrap_or((Vec::new(), NEVER_SET));
        match change(&old) {
            Some(new) if shared.set(key, &new, number) => return true,
            Some(_) => {}
            None => return true,
        }
    }
    false
}

/// Data of one worker that shares with nobody.
#[derive(Default)]
pub struct Alone(RefCell<BTreeMap<String, (Vec<u8>, u32)>>);

impl SharedData for Alone {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(key).cloned()
    }

    fn set(&self, key: &str, value: &[u8], number: u32) -> bool {
        let mut all = self.0.borrow_mut();
        let now = all.get(key).map(|(_, number)| *number);
        if number != 0 && now.is_some_and(|now| number != now) {
            return false;
        }
        all.insert(key.to_owned(), (value.to_vec(), now.unwrap_or_default().wrapping_add(1).max(1)));
        true
    }
}
