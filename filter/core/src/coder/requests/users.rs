//! Users.

use super::{Request, path};

/// `GET /users/{user}` → `User`. Coder takes aliases and UUIDs: compare the answer with the name. 400 when there is no such user.
pub fn user(name: &str) -> Request {
    Request::get(path(&["users", name]))
}

/// `GET /users/me`: whose token Envoy injects.
pub fn me() -> Request {
    user("me")
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn endpoints() {
        check(me(), "GET /api/v2/users/me");
        check(user("alice"), "GET /api/v2/users/alice");
    }
}
