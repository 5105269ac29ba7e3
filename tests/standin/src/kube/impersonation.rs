//! `Impersonate-*`: acting as somebody else, for those who may.

use axum::http::HeaderMap;

use super::authentication::{User, extra};
use super::authorization::Authorizer;
use super::request::{Attributes, Resource, Target};
use super::status::Status;

/// What service accounts' user names begin with.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// The user a request acts as.
pub(crate) fn impersonate(
    authorizer: &Authorizer,
    user: User,
    attributes: &Attributes,
    headers: &HeaderMap,
) -> Result<User, Status> {
    let all = |name: &str| -> Vec<String> {
        headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok()).map(String::from).collect()
    };
    let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
    let wanted = User {
        name: one("impersonate-user"),
        uid: one("impersonate-uid"),
        groups: all("impersonate-group"),
        extra: extra(headers, "impersonate-extra-"),
    };
    if wanted == User::default() {
        return Ok(user);
    }
    if wanted.name.is_empty() {
        let groups = wanted.groups.iter().map(|group| format!("{group:?}")).collect::<Vec<_>>().join(", ");
        let groups = if groups.is_empty() { "[]string(nil)".into() } else { format!("[]string{{{groups}}}") };
        return Err(Status::bad_request(format!(
            "requested &user.DefaultInfo{{Name:\"\", UID:{:?}, Groups:{groups}, Extra:map[string][]string(nil)}} without \
             impersonating a user name",
            wanted.uid
        )));
    }
    if !may(authorizer, &user, &wanted) {
        // Kubernetes 1.36 tries constrained impersonation first, and words its refusal.
        let verb = format!("impersonate-on:user-info:{}", attributes.verb);
        return Err(Attributes { verb, target: attributes.target.clone() }.forbidden(&user));
    }
    Ok(with_service_account_groups(wanted).authenticated())
}

/// A service account that is impersonated without groups gets its own.
fn with_service_account_groups(mut user: User) -> User {
    let account = user.name.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':'));
    if let Some((namespace, _)) = account.filter(|_| user.groups.is_empty()) {
        user.groups = vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")];
    }
    user
}

fn may(authorizer: &Authorizer, user: &User, wanted: &User) -> bool {
    const AUTHENTICATION: &str = "authentication.k8s.io";
    let allowed = |group: &str, resource: &str, subresource: &str, name: &str| {
        let resource = Resource {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: name.into(),
            namespace: String::new(),
        };
        let attributes = Attributes { verb: "impersonate".into(), target: Target::Resource(resource) };
        authorizer.decide(user, &attributes).is_some()
    };
    let named = match wanted.name.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':')) {
        Some((_, name)) => allowed("", "serviceaccounts", "", name),
        None => allowed("", "users", "", &wanted.name),
    };
    let grouped = wanted.groups.iter().all(|group| allowed("", "groups", "", group));
    let identified = wanted.uid.is_empty() || allowed(AUTHENTICATION, "uids", "", &wanted.uid);
    let mut extras =
        wanted.extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
    named
        && grouped
        && identified
        && extras.all(|(key, value)| allowed(AUTHENTICATION, "userextras", key, value))
}
