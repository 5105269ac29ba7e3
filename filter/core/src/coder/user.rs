//! Users (`codersdk.User`), as far as names are resolved with them.

use super::text::Text;
use crate::json::object;

/// A user.
#[derive(Clone, Debug, Default)]
pub struct User<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// Unique, whatever the case.
    pub username: Text<'a>,
}

object!(User<'a> { id, username } {});
