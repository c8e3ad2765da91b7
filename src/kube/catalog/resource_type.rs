//! What an entry of the type table says of a type: data only. What the type does is in [`kinds`](crate::kube::kinds).

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
    /// As in `apiVersion`.
    pub(crate) fn api_version(self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Where its types are, without the slash before: `apis/GROUP/VERSION`, or `api/v1` for the core group.
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

/// What can be done with a resource, in Kubernetes' words.
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

/// Those of a type whose objects come and go.
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

    /// Whether it changes anything.
    pub(crate) fn writes(self) -> bool {
        match self {
            Self::Create | Self::Delete | Self::Patch | Self::Update => true,
            Self::Get | Self::List | Self::Watch => false,
        }
    }
}

/// Names a type in a `match`, so that what is to be known of each type is known of every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeId {
    AccessGrants,
    AccessTokens,
    Links,
    LinksV1alpha1,
    Secrets,
    Sites,
}

/// Whose type it is, and so what clients know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Skupper's, of whose fields clients know nothing, as of every custom resource.
    Skupper,
    /// Kubernetes' own, of whose fields clients know all. Some write it in protobuf, and patch it strategically: which here
    /// is a merge, so it must have no lists.
    Kubernetes,
}

/// Whom the objects of a type are open to, of those whose scope covers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// To read and to write, as the scope says.
    Scoped,
    /// To who may write, and to nobody else, also for reading: as Kubernetes' role `view` has it.
    Writers,
    /// To read, as the scope says; to write, to users of all namespaces only.
    WritersEverywhere,
}

/// A part of an object with a path of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subresource {
    pub(crate) name: &'static str,
    /// What it answers with.
    pub(crate) kind: &'static str,
    pub(crate) label: AdminResource,
    pub(crate) shows: Shows,
}

/// What a part shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The ledger of a grant.
    Redemptions,
    /// The whole object, which has its status; only the server writes one.
    Status,
}

/// `/status`, as Kubernetes has it, but to be read only.
pub(crate) const fn status_of(kind: &'static str, label: AdminResource) -> Subresource {
    Subresource { name: "status", kind, label, shows: Shows::Status }
}

/// What Kubernetes says of a verb that is not there.
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
    /// Each answers to `get` and nothing else.
    pub(crate) subresources: &'static [Subresource],
    /// The columns of its table behind the name, which every type has; the headings are those of Skupper's CRDs.
    pub(crate) columns: &'static [Column],
    /// The texts beside the metadata by which a list can be narrowed, as Kubernetes can for this type.
    pub(crate) selectable: &'static [&'static str],
    pub(crate) label: AdminResource,
    pub(crate) description: &'static str,
    /// Those besides `apiVersion`, `kind` and `metadata`.
    pub(crate) fields: &'static [Field],
}

impl ResourceType {
    /// As messages name it: `accessgrants.skupper.io`.
    pub(crate) fn qualified_plural(&self) -> String {
        qualified(self.plural, self.group_version.group)
    }

    /// As messages about invalid objects name it: `AccessGrant.skupper.io`.
    pub(crate) fn qualified_kind(&self) -> String {
        qualified(self.kind, self.group_version.group)
    }
}

/// The name of a resource or kind with its group.
pub(crate) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}
