//! The entries of Links, one for each form.

use super::{
    column::{Cell, Column, MESSAGE, STATUS},
    schema,
    types::{ALL_VERBS, Audience, Behaviour, Origin, ResourceType, SKUPPER, SKUPPER_V1ALPHA1, status_of},
};
use crate::{
    kube::kinds::{links, links_v1alpha1},
    metrics::AdminResource,
};

/// Links: where sites connect to.
pub(crate) static LINKS: ResourceType = ResourceType {
    group_version: SKUPPER,
    origin: Origin::Skupper,
    plural: "links",
    singular: "link",
    kind: "Link",
    short_names: &["ln"],
    audience: Audience::Scoped,
    verbs: ALL_VERBS,
    subresources: &[status_of("Link", AdminResource::Links)],
    columns: &[
        STATUS,
        Column {
            name: "Remote Site",
            value_type: "string",
            description: "The site that it goes to",
            cell: Cell::Path(&["status", "remoteSiteName"]),
        },
        MESSAGE,
    ],
    selectable: &[],
    label: AdminResource::Links,
    behaviour: Behaviour::Stored(&links::STORED),
    description: schema::link::DESCRIPTION,
    fields: schema::link::FIELDS,
};

/// The same Links in their oldest form.
pub(crate) static LINKS_V1ALPHA1: ResourceType = ResourceType {
    group_version: SKUPPER_V1ALPHA1,
    origin: Origin::Skupper,
    plural: "links",
    singular: "link",
    kind: "Link",
    short_names: &["ln"],
    audience: Audience::Scoped,
    verbs: ALL_VERBS,
    subresources: &[status_of("Link", AdminResource::Links)],
    columns: &[
        Column {
            name: "Configured",
            value_type: "boolean",
            description: "Whether the router was told of it",
            cell: Cell::Path(&["status", "configured"]),
        },
        Column {
            name: "URL",
            value_type: "string",
            description: "Where it goes to",
            cell: Cell::Path(&["status", "url"]),
        },
        Column {
            name: "Site",
            value_type: "string",
            description: "The site that it goes to",
            cell: Cell::Path(&["status", "site"]),
        },
        Column {
            name: "Status",
            value_type: "string",
            description: "OK, or what keeps it from being so",
            cell: Cell::Path(&["status", "status"]),
        },
    ],
    selectable: &[],
    label: AdminResource::Links,
    behaviour: Behaviour::Stored(&links_v1alpha1::STORED),
    description: schema::link_v1alpha1::DESCRIPTION,
    fields: schema::link_v1alpha1::FIELDS,
};
