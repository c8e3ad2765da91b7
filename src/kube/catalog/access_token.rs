//! AccessTokens: their entry in the type table, and their fields (docs/protocol.md section 4.3).

use super::{
    column::{self, Cell, Column},
    resource_type::{ALL_VERBS, Audience, Origin, ResourceType, SKUPPER, TypeId, status_of},
    schema::{CONDITIONS, Field, FieldKind, MESSAGE, STATUS_OR_PENDING, field, required},
};
use crate::metrics::AdminResource;

/// AccessTokens: the tokens that this server redeems.
pub(crate) static ACCESS_TOKENS: ResourceType = ResourceType {
    id: TypeId::AccessTokens,
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
        column::STATUS,
        column::MESSAGE,
    ],
    selectable: &[],
    label: AdminResource::AccessTokens,
    description: DESCRIPTION,
    fields: FIELDS,
};

const DESCRIPTION: &str = "An AccessToken is what another site's grant is redeemed with. Once it is here, it is redeemed, and the Secret and the \
     Links that come of it are called like it.";

const FIELDS: &[Field] = &[
    required("spec", FieldKind::Object(SPEC), "Where the grant is, and what opens it."),
    field("status", FieldKind::Object(TOKEN_STATUS), "The progress of the redemption. Read-only."),
];

const SPEC: &[Field] = &[
    required("url", FieldKind::Text, "The URL at which the grant is redeemed: status.url of the AccessGrant."),
    required("code", FieldKind::Text, "The secret that must be presented: status.code of the AccessGrant."),
    required(
        "ca",
        FieldKind::Text,
        "The CA certificates, in PEM, with which the server at the URL is verified: status.ca of the AccessGrant.",
    ),
    field("linkCost", FieldKind::Integer, "The cost of traffic over the Links. Default: 1, and 0 means the same."),
    field(
        "settings",
        FieldKind::Texts,
        "Free settings. With 'certificate-request: pkcs10' a key is made here, and its certificate asked for.",
    ),
];

const TOKEN_STATUS: &[Field] =
    &[field("redeemed", FieldKind::Boolean, "Whether the token was redeemed."), STATUS_OR_PENDING, MESSAGE, CONDITIONS];
