//! Entries of the type table: data only. The behaviour of types is in [`kinds`](crate::kube::kinds).

use super::{column::Column, schema::Field};
use crate::metrics::{AdminResource, AdminVerb};

/// An API group in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupVersion {
    /// Empty for Kubernetes' own core group.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
}

impl GroupVersion {
    /// `GROUP/VERSION`, as in `apiVersion`; the version alone for the core group.
    pub(crate) fn api_version(self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of its types without the leading slash: `apis/GROUP/VERSION`, or `api/v1` for the core group.
    pub(crate) fn path(self) -> String {
        let root = if self.group.is_empty() { "api" } else { "apis" };
        format!("{root}/{}", self.api_version())
    }
}

/// Skupper's own resources.
pub(crate) const SKUPPER: GroupVersion = GroupVersion { group: "skupper.io", version: "v2alpha1" };
/// The oldest form of Skupper's own resources.
pub(crate) const SKUPPER_V1ALPHA1: GroupVersion = GroupVersion { group: "skupper.io", version: "v1alpha1" };
/// Kubernetes' core group.
pub(crate) const CORE: GroupVersion = GroupVersion { group: "", version: "v1" };

/// The verbs of Kubernetes' API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Delete,
    Get,
    List,
    Patch,
    Update,
    Watch,
}

/// The verbs of a type whose objects clients create and delete.
pub(crate) const ALL_VERBS: &[Verb] =
    &[Verb::Create, Verb::Delete, Verb::Get, Verb::List, Verb::Patch, Verb::Update, Verb::Watch];

impl Verb {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Update => "update",
            Self::Watch => "watch",
        }
    }

    pub(crate) fn label(self) -> AdminVerb {
        match self {
            Self::Create => AdminVerb::Create,
            Self::Delete => AdminVerb::Delete,
            Self::Get => AdminVerb::Get,
            Self::List => AdminVerb::List,
            Self::Patch => AdminVerb::Patch,
            Self::Update => AdminVerb::Update,
            Self::Watch => AdminVerb::Watch,
        }
    }

    /// Whether the verb changes objects.
    pub(crate) fn writes(self) -> bool {
        match self {
            Self::Create | Self::Delete | Self::Patch | Self::Update => true,
            Self::Get | Self::List | Self::Watch => false,
        }
    }
}

/// Identifies a type in a `match`, so that the compiler refuses code that forgets a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeId {
    AccessGrants,
    AccessTokens,
    Links,
    LinksV1alpha1,
    Secrets,
    Sites,
}

/// The project that defines a type, which decides what clients know about its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Skupper. Clients know none of the fields, as with every custom resource.
    Skupper,
    /// Kubernetes. Clients know all fields: some send protobuf, and some send strategic merge patches. This server applies
    /// those as merge patches, so the type must not have lists.
    Kubernetes,
}

/// Which users, of those whose scope covers the namespace, may use the objects of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Reading and writing, as the user's scope permits.
    Scoped,
    /// Reading and writing only for users who may write; Kubernetes' role `view` cannot read Secrets either.
    Writers,
    /// Reading as the user's scope permits; writing only for users of all namespaces.
    WritersEverywhere,
}

/// A subresource: a part of an object that has its own path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subresource {
    pub(crate) name: &'static str,
    /// The kind of the object in its answers.
    pub(crate) kind: &'static str,
    pub(crate) label: AdminResource,
    pub(crate) shows: Shows,
}

/// The content of a subresource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The ledger of a grant.
    Redemptions,
    /// The whole object, with the status, which only the server writes.
    Status,
}

/// The subresource `/status`, as in Kubernetes, but read-only.
pub(crate) const fn status_of(kind: &'static str, label: AdminResource) -> Subresource {
    Subresource { name: "status", kind, label, shows: Shows::Status }
}

/// Kubernetes' message about a verb that a resource does not have.
pub(crate) const NOT_ALLOWED: &str = "the server does not allow this method on the requested resource";

/// One resource type. All are namespaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResourceType {
    pub(crate) id: TypeId,
    pub(crate) group_version: GroupVersion,
    pub(crate) origin: Origin,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) audience: Audience,
    pub(crate) verbs: &'static [Verb],
    /// The subresources; each has only the verb `get`.
    pub(crate) subresources: &'static [Subresource],
    /// The columns of its table after the name, which every type has. The headings are those of Skupper's CRDs.
    pub(crate) columns: &'static [Column],
    /// The fields, besides namespace and name, that a field selector may refer to; for this type Kubernetes has the same.
    pub(crate) selectable: &'static [&'static str],
    pub(crate) label: AdminResource,
    pub(crate) description: &'static str,
    /// The fields besides `apiVersion`, `kind` and `metadata`.
    pub(crate) fields: &'static [Field],
}

impl ResourceType {
    /// The name of the type in messages: `accessgrants.skupper.io`.
    pub(crate) fn qualified_plural(&self) -> String {
        qualified(self.plural, self.group_version.group)
    }

    /// The name of the kind in messages about invalid objects: `AccessGrant.skupper.io`.
    pub(crate) fn qualified_kind(&self) -> String {
        qualified(self.kind, self.group_version.group)
    }
}

/// The name of a resource or kind with its group.
pub(crate) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}
