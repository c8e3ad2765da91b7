//! The entry of Sites.

use super::{
    column::{Cell, Column, MESSAGE, STATUS},
    schema,
    types::{ALL_VERBS, Audience, Behaviour, Origin, ResourceType, SKUPPER, status_of},
};
use crate::metrics::AdminResource;

/// Sites: where links lead.
pub(crate) static SITES: ResourceType = ResourceType {
    group_version: SKUPPER,
    origin: Origin::Skupper,
    plural: "sites",
    singular: "site",
    kind: "Site",
    short_names: &["st"],
    // A site that is made here is lent the issuer of another namespace: who is confined to one must not sign with it.
    audience: Audience::WritersEverywhere,
    verbs: ALL_VERBS,
    subresources: &[status_of("Site", AdminResource::Sites)],
    columns: &[
        STATUS,
        Column {
            name: "Sites In Network",
            value_type: "integer",
            description: "How many sites are linked, as far as known",
            cell: Cell::Path(&["status", "sitesInNetwork"]),
        },
        MESSAGE,
    ],
    selectable: &[],
    label: AdminResource::Sites,
    behaviour: Behaviour::Sites,
    description: schema::site::DESCRIPTION,
    fields: schema::site::FIELDS,
};
