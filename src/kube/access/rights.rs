//! Permissions of callers. Reviews (`kubectl auth can-i`) are answered from rules, which are made from the type table.

use super::{caller::Caller, review::Review};
use crate::{
    grant::Namespace,
    kube::catalog::{
        document::Document,
        namespaces,
        resource_type::{Audience, CORE, GroupVersion, NOT_ALLOWED, ResourceType, SKUPPER, Verb},
        server_path::ServerPath,
        types::TYPES,
    },
    pki::{AdminAccess, AdminScope},
};

/// The verbs of one resource, and the callers who may use them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) group: &'static str,
    /// `PLURAL` or `PLURAL/SUBRESOURCE`.
    pub(crate) resource: String,
    pub(crate) verbs: Vec<Verb>,
    /// The message about verbs that the resource does not have.
    other_verbs: &'static str,
    applies_to: AppliesTo,
}

/// Which callers a rule applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AppliesTo {
    /// Users whose scope permits it, given which users may use the type.
    Permitted(Audience),
    /// Every authenticated caller.
    Everyone,
}

const NAMESPACES: &str = "namespaces";

/// Documents that every authenticated caller may read.
pub(crate) const DOCUMENTS: [&str; 8] =
    ["/api", "/api/*", "/apis", "/apis/*", "/openapi/v2", "/openapi/v3", "/openapi/v3/*", "/version"];

/// The rules for this caller in this namespace; the empty text means all namespaces.
pub(crate) fn rules(caller: &Caller, namespace: &str) -> Vec<Rule> {
    let permitted = |mut rule: Rule| {
        let verbs = rule.verbs.iter().copied().filter(|verb| rule.permits(caller, *verb, namespace)).collect();
        rule.verbs = verbs;
        (!rule.verbs.is_empty()).then_some(rule)
    };
    all_rules().into_iter().filter_map(permitted).collect()
}

/// What a caller asks whether it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    /// The empty text means all namespaces.
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// Whether this caller may do this: the same answer as the request itself would get.
pub(crate) fn allows(caller: &Caller, question: Question<'_>) -> bool {
    let Question { verb, group, resource, subresource, namespace, name } = question;
    // A namespace as an object counts as one within itself, whatever namespace kubectl sends with it.
    let namespace = if (group, resource) == (CORE.group, NAMESPACES) { name } else { namespace };
    rules(caller, namespace)
        .iter()
        .filter(|rule| rule.is_about(group, resource, subresource))
        .any(|rule| rule.verbs.iter().any(|own| own.as_str() == verb))
}

/// Whether this caller may use the verb on a path that is not a resource.
pub(crate) fn allows_path(caller: &Caller, verb: &str, path: &str) -> bool {
    let is_document = verb == "get" && Document::read(path).is_some();
    match caller {
        Caller::Owner => is_document || ServerPath::read(path).is_some_and(|path| path.method() == verb),
        Caller::User(_) => is_document,
    }
}

/// The reason why something is not permitted.
pub(crate) fn refusal(group: &str, resource: &str, subresource: &str) -> String {
    match all_rules().iter().find(|rule| rule.is_about(group, resource, subresource)) {
        Some(rule) => rule.other_verbs.to_owned(),
        None => "this server has no such resource".to_owned(),
    }
}

impl Rule {
    /// Whether this caller may use the verb in this namespace; the empty text means all namespaces.
    fn permits(&self, caller: &Caller, verb: Verb, namespace: &str) -> bool {
        // To list or to create namespaces is to ask for all of them.
        let everywhere = self.is_about(CORE.group, NAMESPACES, "") && verb != Verb::Get;
        let namespace = if everywhere { "" } else { namespace };
        match (caller, self.applies_to) {
            (Caller::Owner, AppliesTo::Permitted(_) | AppliesTo::Everyone) | (Caller::User(_), AppliesTo::Everyone) => {
                true
            }
            (Caller::User(user), AppliesTo::Permitted(audience)) => {
                permits(&user.scope, Some(namespace).filter(|namespace| !namespace.is_empty()), audience, verb)
            }
        }
    }

    /// The names that the rule is limited to for this caller; none when it is not limited.
    pub(crate) fn names<'a>(&self, caller: &'a Caller) -> Vec<&'a str> {
        match caller {
            Caller::User(user) if self.is_about(CORE.group, NAMESPACES, "") => {
                user.scope.namespace.iter().map(Namespace::as_str).collect()
            }
            Caller::Owner | Caller::User(_) => Vec::new(),
        }
    }

    fn is_about(&self, group: &str, resource: &str, subresource: &str) -> bool {
        let (own, own_part) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        (self.group, own, own_part) == (group, resource, subresource)
    }
}

/// Whether this scope permits the verb on a type with this audience, in this namespace or, for `None`, in all.
pub(crate) fn permits(scope: &AdminScope, namespace: Option<&str>, audience: Audience, verb: Verb) -> bool {
    let here = scope.namespace.as_ref().is_none_or(|own| namespace == Some(own.as_str()));
    let writes = match scope.access {
        AdminAccess::ReadWrite => true,
        AdminAccess::ReadOnly => false,
    };
    here && match audience {
        Audience::Scoped => writes || !verb.writes(),
        Audience::Writers => writes,
        Audience::WritersEverywhere => !verb.writes() || (writes && scope.namespace.is_none()),
    }
}

/// The rules of all resources.
fn all_rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for resource_type in TYPES {
        let ResourceType { plural, group_version: GroupVersion { group, .. }, .. } = *resource_type;
        let own = (plural.to_owned(), resource_type.verbs.to_vec());
        let parts = resource_type.subresources.iter();
        let parts = parts.map(|part| (format!("{plural}/{}", part.name), vec![Verb::Get]));
        let all = std::iter::once(own).chain(parts);
        let applies_to = AppliesTo::Permitted(resource_type.audience);
        let all = all.map(|(resource, verbs)| Rule { group, resource, verbs, other_verbs: NOT_ALLOWED, applies_to });
        // Permissions do not depend on versions, so one rule for all versions of a type is enough.
        let new =
            all.filter(|rule| !rules.iter().any(|own: &Rule| own.group == group && own.resource == rule.resource));
        let new: Vec<Rule> = new.collect();
        rules.extend(new);
    }
    let core = |resource: &str, verbs: &[Verb], other_verbs| Rule {
        group: CORE.group,
        resource: resource.to_owned(),
        verbs: verbs.to_vec(),
        other_verbs,
        applies_to: AppliesTo::Permitted(Audience::Scoped),
    };
    rules.push(core(NAMESPACES, &namespaces::VERBS, namespaces::OTHER_VERBS));
    rules.push(core("events", &[Verb::List], NOT_ALLOWED));
    // The ledger of all grants, which is no type of Skupper's.
    rules.push(Rule { group: SKUPPER.group, ..core("redemptions", &[Verb::List], NOT_ALLOWED) });
    let current = Review::ALL.into_iter().filter(|review| review.group_version().version == "v1");
    rules.extend(current.map(|review| Rule {
        group: review.group_version().group,
        resource: review.plural().to_owned(),
        verbs: vec![Verb::Create],
        other_verbs: NOT_ALLOWED,
        applies_to: AppliesTo::Everyone,
    }));
    rules
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pki::AdminUser;

    fn user() -> Caller {
        Caller::User(AdminUser { name: "alice".parse().unwrap(), scope: "grantd:west:write".parse().unwrap() })
    }

    fn owner_may(verb: &str, group: &str, resource: &str, subresource: &str) -> bool {
        let question = Question { verb, group, resource, subresource, namespace: "west", name: "" };
        allows(&Caller::Owner, question)
    }

    #[test]
    fn the_owner_may_do_what_there_is_to_do_and_nothing_else() {
        for verb in ["create", "delete", "get", "list", "patch", "update", "watch"] {
            assert!(owner_may(verb, "skupper.io", "accessgrants", ""), "{verb}");
        }
        assert!(owner_may("get", "skupper.io", "accessgrants", "redemptions"));
        assert!(owner_may("create", "", "namespaces", ""));
        assert!(owner_may("list", "skupper.io", "redemptions", ""));
        assert!(owner_may("create", "authorization.k8s.io", "selfsubjectaccessreviews", ""));
        for (verb, group, resource, subresource) in [
            ("create", "skupper.io", "sites", "status"),
            ("watch", "skupper.io", "accessgrants", "redemptions"),
            ("*", "*", "*", ""),
            ("get", "", "accessgrants", ""),
            ("delete", "skupper.io", "accessgrants", "redemptions"),
            ("get", "skupper.io", "accessgrants/redemptions", ""),
            ("get", "", "pods", ""),
            ("", "", "", ""),
        ] {
            assert!(!owner_may(verb, group, resource, subresource), "{verb} {resource}.{group}/{subresource}");
        }
    }

    #[test]
    fn a_resource_has_one_rule_however_many_versions_it_has() {
        let rules = rules(&Caller::Owner, "west");
        let resources: BTreeSet<_> = rules.iter().map(|rule| (rule.group, &rule.resource)).collect();
        assert_eq!(resources.len(), rules.len(), "{rules:?}");
    }

    #[test]
    fn only_namespaces_are_limited_to_the_names_of_a_users_scope() {
        let user = user();
        for rule in rules(&user, "west") {
            let names: &[&str] = if rule.resource == "namespaces" { &["west"] } else { &[] };
            assert_eq!(rule.names(&user), names, "{}", rule.resource);
        }
    }

    #[test]
    fn documents_may_be_read_and_nothing_else_be_done_with_them() {
        for (verb, path, allowed) in
            [("get", "/version", true), ("get", "/apis", true), ("post", "/version", false), ("get", "/metrics", false)]
        {
            assert_eq!(allows_path(&Caller::Owner, verb, path), allowed, "{verb} {path}");
        }
    }

    #[test]
    fn the_owner_alone_may_acknowledge_a_rollback() {
        let path = "/grantd/v1/acknowledge-rollback";
        assert!(allows_path(&Caller::Owner, "post", path));
        assert!(!allows_path(&Caller::Owner, "get", path) && !allows_path(&user(), "post", path));
    }
}
