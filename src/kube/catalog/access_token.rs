//! The entry of AccessTokens.

use super::{
    column::{Cell, Column, MESSAGE, STATUS},
    schema,
    types::{ALL_VERBS, Audience, Behaviour, Origin, ResourceType, SKUPPER, status_of},
};
use crate::{kube::kinds::tokens, metrics::AdminResource};

/// AccessTokens: what is redeemed here.
pub(crate) static ACCESS_TOKENS: ResourceType = ResourceType {
    group_version: SKUPPER,
    origin: Origin::Skupper,
    plural: "accesstokens",
    singular: "accesstoken",
    kind: "AccessToken",
    short_names: &["token", "to"],
    audience: Audience::Scoped,
    verbs: ALL_VERBS,
    subresources: &[status_of("AccessToken", AdminResource::AccessTokens)],
    columns: &[
        Column {
            name: "URL",
            value_type: "string",
            description: "Where it is redeemed",
            cell: Cell::Path(&["spec", "url"]),
        },
        Column {
            name: "Redeemed",
            value_type: "boolean",
            description: "Whether it was redeemed",
            cell: Cell::Path(&["status", "redeemed"]),
        },
        STATUS,
        MESSAGE,
    ],
    selectable: &[],
    label: AdminResource::AccessTokens,
    behaviour: Behaviour::Stored(&tokens::STORED),
    description: schema::access_token::DESCRIPTION,
    fields: schema::access_token::FIELDS,
};
