//! The entry of Sites.

use super::{ALL_VERBS, Behaviour, Origin, Readers, ResourceType, SKUPPER, status_of};
use crate::{
    kube::{
        column::{Cell, Column, MESSAGE, STATUS},
        schema,
    },
    metrics::AdminResource,
};

/// Sites: where links lead.
pub(in crate::kube) static SITES: ResourceType = ResourceType {
    group_version: SKUPPER,
    origin: Origin::Skupper,
    plural: "sites",
    singular: "site",
    kind: "Site",
    short_names: &["st"],
    readers: Readers::Everyone,
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
