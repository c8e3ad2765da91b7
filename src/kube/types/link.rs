//! The entries of Links, one for each form.

use super::{
    ALL_VERBS, Behaviour, Column, MESSAGE, NOT_ALLOWED, ResourceType, SKUPPER, SKUPPER_V1ALPHA1, STATUS, status_of,
};
use crate::{
    kube::{links, links_v1alpha1, schema},
    metrics::AdminResource,
};

/// Links: where sites connect to.
pub(in crate::kube) static LINKS: ResourceType = ResourceType {
    group_version: SKUPPER,
    plural: "links",
    singular: "link",
    kind: "Link",
    short_names: &["ln"],
    verbs: ALL_VERBS,
    other_verbs: NOT_ALLOWED,
    subresources: &[status_of("Link", AdminResource::Links)],
    columns: &[
        STATUS,
        Column {
            name: "Remote Site",
            value_type: "string",
            description: "The site that it goes to",
            path: &["status", "remoteSiteName"],
        },
        MESSAGE,
    ],
    label: AdminResource::Links,
    behaviour: Behaviour::Stored(&links::STORED),
    description: schema::link::DESCRIPTION,
    fields: schema::link::FIELDS,
};

/// The same Links in their oldest form.
pub(in crate::kube) static LINKS_V1ALPHA1: ResourceType = ResourceType {
    group_version: SKUPPER_V1ALPHA1,
    plural: "links",
    singular: "link",
    kind: "Link",
    short_names: &["ln"],
    verbs: ALL_VERBS,
    other_verbs: NOT_ALLOWED,
    subresources: &[status_of("Link", AdminResource::Links)],
    columns: &[
        Column {
            name: "Configured",
            value_type: "boolean",
            description: "Whether the router was told of it",
            path: &["status", "configured"],
        },
        Column { name: "URL", value_type: "string", description: "Where it goes to", path: &["status", "url"] },
        Column {
            name: "Site",
            value_type: "string",
            description: "The site that it goes to",
            path: &["status", "site"],
        },
        Column {
            name: "Status",
            value_type: "string",
            description: "OK, or what keeps it from being so",
            path: &["status", "status"],
        },
    ],
    label: AdminResource::Links,
    behaviour: Behaviour::Stored(&links_v1alpha1::STORED),
    description: schema::link_v1alpha1::DESCRIPTION,
    fields: schema::link_v1alpha1::FIELDS,
};
