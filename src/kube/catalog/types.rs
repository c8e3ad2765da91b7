//! The type table: all types that this API serves. Discovery, routing and messages are made from it.
//!
//! A new kind needs one entry, in its own file in this directory, and its behaviour in [`kinds`](crate::kube::kinds), which
//! the compiler demands; further, an object kind in the store, and a label in the metrics.

use super::{
    access_grant::ACCESS_GRANTS,
    access_token::ACCESS_TOKENS,
    link::LINKS,
    link_v1alpha1::LINKS_V1ALPHA1,
    resource_type::{GroupVersion, ResourceType},
    secret::SECRETS,
    site::SITES,
};

/// Every type, in the order of discovery; the preferred version of a group comes first.
pub(crate) static TYPES: [&ResourceType; 6] =
    [&ACCESS_GRANTS, &SITES, &ACCESS_TOKENS, &LINKS, &LINKS_V1ALPHA1, &SECRETS];

/// The versions of a group, the preferred one first; empty for a group that is not served.
pub(crate) fn versions(group: &str) -> Vec<GroupVersion> {
    group_versions().into_iter().filter(|version| version.group == group).collect()
}

/// The groups that are served besides the core group.
pub(crate) fn groups() -> Vec<&'static str> {
    let mut groups = Vec::new();
    for group in TYPES.into_iter().map(|resource| resource.group_version.group) {
        if !group.is_empty() && !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// The type of this plural name.
pub(crate) fn find(group_version: GroupVersion, plural: &str) -> Option<&'static ResourceType> {
    TYPES.into_iter().find(|t| t.group_version == group_version && t.plural == plural)
}

/// The groups, each in its versions, that have types.
pub(crate) fn group_versions() -> Vec<GroupVersion> {
    let mut all = Vec::new();
    for resource in TYPES {
        if !all.contains(&resource.group_version) {
            all.push(resource.group_version);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{
        super::resource_type::{SKUPPER, SKUPPER_V1ALPHA1, qualified},
        *,
    };

    #[test]
    fn no_two_types_answer_to_one_name() {
        let mut seen = std::collections::BTreeMap::new();
        for resource in TYPES {
            let names = [resource.plural, resource.singular].into_iter().chain(resource.short_names.iter().copied());
            for name in names {
                // All versions of a type share its names.
                let kind = seen.entry(name).or_insert_with(|| resource.qualified_kind());
                assert_eq!(*kind, resource.qualified_kind(), "{name} names two types");
            }
        }
    }

    #[test]
    fn each_type_has_one_entry() {
        for (index, resource) in TYPES.into_iter().enumerate() {
            assert!(
                TYPES[..index].iter().all(|other| other.id != resource.id),
                "{:?} is in the table twice",
                resource.id
            );
        }
    }

    #[test]
    fn of_two_versions_the_newer_one_is_preferred() {
        assert_eq!(groups(), ["skupper.io"]);
        assert_eq!(versions("skupper.io"), [SKUPPER, SKUPPER_V1ALPHA1]);
        assert_eq!(versions("apps"), []);
    }

    #[test]
    fn messages_name_a_type_as_kubernetes_does() {
        assert_eq!(ACCESS_GRANTS.qualified_plural(), "accessgrants.skupper.io");
        assert_eq!(ACCESS_GRANTS.qualified_kind(), "AccessGrant.skupper.io");
        assert_eq!(qualified("secrets", ""), "secrets");
    }
}
