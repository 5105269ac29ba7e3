//! Who may: `system:masters` everything, everybody what every cluster lets them, and the configured rules. The words of the
//! reasons are RBAC's.

use super::authentication::{AUTHENTICATED, UNAUTHENTICATED, User};
use super::request::{Attributes, Resource, Target};
use crate::config::Rule;

/// Decides by rules that never change.
pub(crate) struct Authorizer {
    rules: Vec<Rule>,
}

impl Authorizer {
    pub(crate) fn new(configured: Vec<Rule>) -> Self {
        let mut rules = usual_rules();
        rules.extend(configured);
        Self { rules }
    }

    /// Why it is allowed (empty for those who may everything); `None` when it is not.
    pub(crate) fn decide(&self, user: &User, attributes: &Attributes) -> Option<String> {
        if user.groups.iter().any(|group| group == "system:masters") {
            return Some(String::new());
        }
        let rule = self.rules.iter().find(|rule| rule.is_for(user) && rule.allows(attributes))?;
        let name = if rule.name.is_empty() { "standin" } else { &rule.name };
        let subject = match rule.users.iter().find(|held| **held == user.name || *held == "*") {
            Some(user) => format!("User {user:?}"),
            None => {
                let group = rule.groups.iter().find(|group| user.groups.contains(group));
                format!("Group {:?}", group.map_or("*", String::as_str))
            }
        };
        let place = match &attributes.target {
            Target::Resource(resource) if !rule.namespaces.is_empty() => {
                format!("RoleBinding \"{name}/{}\" of Role", resource.namespace)
            }
            _ => format!("ClusterRoleBinding {name:?} of ClusterRole"),
        };
        Some(format!("RBAC: allowed by {place} {name:?} to {subject}"))
    }

    /// The rules for a user, in a namespace.
    pub(crate) fn rules_for<'a>(
        &'a self,
        user: &'a User,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| {
            rule.is_for(user)
                && (rule.namespaces.is_empty() || rule.namespaces.iter().any(|held| held == namespace))
        })
    }
}

impl Rule {
    fn is_for(&self, user: &User) -> bool {
        has(&self.users, &user.name)
            || self.groups.iter().any(|group| group == "*" || user.groups.contains(group))
    }

    fn allows(&self, attributes: &Attributes) -> bool {
        has(&self.verbs, &attributes.verb)
            && match &attributes.target {
                Target::Path(path) => {
                    self.non_resource_urls.iter().any(|pattern| match pattern.strip_suffix('*') {
                        Some(prefix) => path.starts_with(prefix),
                        None => pattern == path,
                    })
                }
                Target::Resource(resource) => self.covers(resource),
            }
    }

    fn covers(&self, resource: &Resource) -> bool {
        let full = resource.full_name();
        let any_of = format!("*/{}", resource.subresource);
        has(&self.api_groups, &resource.group)
            && (has(&self.resources, &full)
                || (!resource.subresource.is_empty() && self.resources.contains(&any_of)))
            && (self.names.is_empty() || self.names.contains(&resource.name))
            && (self.namespaces.is_empty() || self.namespaces.contains(&resource.namespace))
    }
}

fn has(list: &[String], item: &str) -> bool {
    list.iter().any(|held| held == "*" || held == item)
}

/// What every cluster's default roles allow to everybody.
fn usual_rules() -> Vec<Rule> {
    let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    let reviews = |group: &str, resources: &[&str]| Rule {
        name: "system:basic-user".into(),
        groups: list(&[AUTHENTICATED]),
        verbs: list(&["create"]),
        api_groups: list(&[group]),
        resources: list(resources),
        ..Rule::default()
    };
    const PUBLIC: [&str; 5] = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let mut discovery = list(&["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"]);
    discovery.extend(list(&PUBLIC));
    // In the order of their names, which is the order in which RBAC finds them.
    vec![
        reviews("authorization.k8s.io", &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
        reviews("authentication.k8s.io", &["selfsubjectreviews"]),
        Rule {
            name: "system:discovery".into(),
            groups: list(&[AUTHENTICATED]),
            verbs: list(&["get"]),
            non_resource_urls: discovery,
            ..Rule::default()
        },
        Rule {
            name: "system:public-info-viewer".into(),
            groups: list(&[AUTHENTICATED, UNAUTHENTICATED]),
            verbs: list(&["get"]),
            non_resource_urls: list(&PUBLIC),
            ..Rule::default()
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: Rule, namespace: &str, name: &str, expect: bool) {
        let user = User { name: "dev".into(), groups: vec!["devs".into()], ..User::default() };
        let resource = Resource {
            group: "g".into(),
            resource: "things".into(),
            subresource: "log".into(),
            namespace: namespace.into(),
            name: name.into(),
            ..Resource::default()
        };
        let attributes = Attributes { verb: "get".into(), target: Target::Resource(resource) };
        assert_eq!(
            Authorizer::new(vec![rule.clone()]).decide(&user, &attributes).is_some(),
            expect,
            "{rule:?}"
        );
    }

    #[test]
    fn rules_match_as_rbac_does() {
        let one = |text: &str| vec![text.to_owned()];
        let rule = Rule {
            groups: one("devs"),
            verbs: one("get"),
            api_groups: one("g"),
            resources: one("things/log"),
            ..Rule::default()
        };
        check(rule.clone(), "a", "b", true);
        check(Rule { resources: one("*"), ..rule.clone() }, "a", "b", true);
        check(Rule { resources: one("*/log"), ..rule.clone() }, "a", "b", true);
        check(Rule { resources: one("things"), ..rule.clone() }, "a", "b", false);
        check(Rule { namespaces: one("a"), ..rule.clone() }, "a", "b", true);
        check(Rule { namespaces: one("a"), ..rule.clone() }, "c", "b", false);
        check(Rule { names: one("x"), ..rule.clone() }, "a", "b", false);
        check(Rule { groups: one("ops"), ..rule }, "a", "b", false);
    }
}
