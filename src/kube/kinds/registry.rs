//! The behaviour for each entry of the type table.

use super::{
    grants::AccessGrants,
    links, links_v1alpha1, secrets,
    sites::Sites,
    stored::{Stored, StoredKind},
    tokens,
};
use crate::kube::catalog::resource_type::TypeId;

/// The behaviour of a type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    AccessGrants(AccessGrants),
    Sites(Sites),
    /// A type whose objects are stored as callers wrote them.
    Stored(Stored),
}

/// The behaviour of this type. A type without behaviour does not compile.
pub(crate) fn behaviour(id: TypeId) -> Behaviour {
    let stored = |kind: &'static StoredKind| Behaviour::Stored(Stored(kind));
    match id {
        TypeId::AccessGrants => Behaviour::AccessGrants(AccessGrants),
        TypeId::AccessTokens => stored(&tokens::STORED),
        TypeId::Links => stored(&links::STORED),
        TypeId::LinksV1alpha1 => stored(&links_v1alpha1::STORED),
        TypeId::Secrets => stored(&secrets::STORED),
        TypeId::Sites => Behaviour::Sites(Sites),
    }
}

/// Evaluates an expression with the [`Kind`](crate::kube::engine::kind::Kind) in a [`Behaviour`].
macro_rules! with_kind {
    ($behaviour:expr, $kind:ident => $done:expr) => {
        match $behaviour {
            $crate::kube::kinds::registry::Behaviour::AccessGrants($kind) => $done,
            $crate::kube::kinds::registry::Behaviour::Sites($kind) => $done,
            $crate::kube::kinds::registry::Behaviour::Stored($kind) => $done,
        }
    };
}
pub(crate) use with_kind;
