//! The entry of AccessGrants.

use super::{
    column::{Cell, Column, MESSAGE, STATUS},
    schema,
    types::{ALL_VERBS, Audience, Behaviour, Origin, ResourceType, SKUPPER, Shows, Subresource, status_of},
};
use crate::metrics::AdminResource;

/// AccessGrants: the offers of the sites.
pub(crate) static ACCESS_GRANTS: ResourceType = ResourceType {
    group_version: SKUPPER,
    origin: Origin::Skupper,
    plural: "accessgrants",
    singular: "accessgrant",
    kind: "AccessGrant",
    short_names: &["grant", "gr"],
    audience: Audience::Scoped,
    verbs: ALL_VERBS,
    subresources: &[
        Subresource {
            name: "redemptions",
            kind: "RedemptionList",
            label: AdminResource::Redemptions,
            shows: Shows::Redemptions,
        },
        status_of("AccessGrant", AdminResource::AccessGrants),
    ],
    columns: &[
        Column {
            name: "Redemptions Allowed",
            value_type: "integer",
            description: "How often it can be redeemed in all",
            cell: Cell::Path(&["spec", "redemptionsAllowed"]),
        },
        Column {
            name: "Redemptions Made",
            value_type: "integer",
            description: "How often it was redeemed",
            cell: Cell::Path(&["status", "redemptions"]),
        },
        Column {
            name: "Expiration",
            value_type: "string",
            description: "When it stops being redeemable",
            cell: Cell::Path(&["status", "expirationTime"]),
        },
        STATUS,
        MESSAGE,
    ],
    selectable: &[],
    label: AdminResource::AccessGrants,
    behaviour: Behaviour::AccessGrants,
    description: schema::access_grant::DESCRIPTION,
    fields: schema::access_grant::FIELDS,
};
