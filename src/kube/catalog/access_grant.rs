//! AccessGrants: their entry in the type table, and their fields (docs/protocol.md section 4.1).

use super::{
    column::{self, Cell, Column},
    resource_type::{ALL_VERBS, Audience, Origin, ResourceType, SKUPPER, Shows, Subresource, TypeId, status_of},
    schema::{CONDITIONS, DefaultValue, Field, FieldKind, MESSAGE, STATUS, field},
};
use crate::{grant::ExpirationWindow, metrics::AdminResource};

/// AccessGrants: the offers of the sites.
pub(crate) static ACCESS_GRANTS: ResourceType = ResourceType {
    id: TypeId::AccessGrants,
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
        column::STATUS,
        column::MESSAGE,
    ],
    selectable: &[],
    label: AdminResource::AccessGrants,
    description: DESCRIPTION,
    fields: FIELDS,
};

/// The default of `redemptionsAllowed`, which Skupper also writes into the spec since 2.2.
pub(crate) const DEFAULT_REDEMPTIONS_ALLOWED: u32 = 1;

const DESCRIPTION: &str = "An AccessGrant offers links to the site of its namespace. A client that presents its code at its URL before it \
     expires is given the certificate for a link, as often as the grant allows.";

const FIELDS: &[Field] = &[
    field("spec", FieldKind::Object(SPEC), "What the grant offers. Every field is optional."),
    field(
        "status",
        FieldKind::Object(GRANT_STATUS),
        "The state of the grant, and the values for its token. Read-only.",
    ),
];

pub(crate) const SPEC: &[Field] = &[
    field(
        "redemptionsAllowed",
        FieldKind::Integer,
        "How often the grant can be redeemed. Default: {default}, and 0 means the same. It can be raised later, and lowered \
         to the redemptions already made.",
    )
    .with_default(DefaultValue::Number(DEFAULT_REDEMPTIONS_ALLOWED)),
    field(
        "expirationWindow",
        FieldKind::Duration,
        "How long the grant can be redeemed, counted from its creation: decimal numbers with the units h, m, s, ms, us \
         and ns, such as 1h30m. Default: {default}. A later change does not move the end.",
    )
    .with_default(DefaultValue::Duration(ExpirationWindow::DEFAULT)),
    field(
        "code",
        FieldKind::Text,
        "The secret that a caller must present. Default: a random code. It cannot be changed later.",
    ),
    field(
        "issuer",
        FieldKind::Text,
        "The name of the site's certificate authority that signs the certificates. Default: the site's defaultIssuer.",
    ),
    field("settings", FieldKind::Texts, "Free settings, which are stored and have no effect."),
];

const GRANT_STATUS: &[Field] = &[
    field("url", FieldKind::Text, "The URL at which the grant is redeemed."),
    field("code", FieldKind::Text, "The secret that a caller must present: spec.code, or the generated code."),
    field("ca", FieldKind::Text, "The CA certificates, in PEM, with which a caller verifies the server at the URL."),
    field("redemptions", FieldKind::Integer, "How often the grant was redeemed."),
    field("expirationTime", FieldKind::Text, "When the grant expires, in the format of RFC 3339."),
    STATUS,
    MESSAGE,
    CONDITIONS,
];
