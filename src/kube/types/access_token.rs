//! The entry of AccessTokens.

use super::{ALL_VERBS, Behaviour, Column, MESSAGE, NOT_ALLOWED, ResourceType, SKUPPER, STATUS, status_of};
use crate::{
    kube::{schema, tokens},
    metrics::AdminResource,
};

/// AccessTokens: what is redeemed here.
pub(in crate::kube) static ACCESS_TOKENS: ResourceType = ResourceType {
    group_version: SKUPPER,
    plural: "accesstokens",
    singular: "accesstoken",
    kind: "AccessToken",
    short_names: &["token", "to"],
    verbs: ALL_VERBS,
    other_verbs: NOT_ALLOWED,
    subresources: &[status_of("AccessToken", AdminResource::AccessTokens)],
    columns: &[
        Column { name: "URL", value_type: "string", description: "Where it is redeemed", path: &["spec", "url"] },
        Column {
            name: "Redeemed",
            value_type: "boolean",
            description: "Whether it was redeemed",
            path: &["status", "redeemed"],
        },
        STATUS,
        MESSAGE,
    ],
    label: AdminResource::AccessTokens,
    behaviour: Behaviour::Stored(&tokens::STORED),
    description: schema::access_token::DESCRIPTION,
    fields: schema::access_token::FIELDS,
};
