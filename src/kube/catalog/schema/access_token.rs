//! The fields of an AccessToken (protocol.md 4.3).

use super::{CONDITIONS, Field, FieldKind, MESSAGE, STATUS_OR_PENDING, field, required};

pub(crate) const DESCRIPTION: &str = "An AccessToken is what another site's grant is redeemed with. Once it is here, it is redeemed, and the Secret and the \
     Links that come of it are called like it.";

pub(crate) const FIELDS: &[Field] = &[
    required("spec", FieldKind::Object(SPEC), "Where the grant is, and what opens it."),
    field("status", FieldKind::Object(TOKEN_STATUS), "How far the redemption is. Read-only."),
];

const SPEC: &[Field] = &[
    required("url", FieldKind::Text, "Where the grant is redeemed: status.url of the AccessGrant."),
    required("code", FieldKind::Text, "The secret that must be presented: status.code of the AccessGrant."),
    required(
        "ca",
        FieldKind::Text,
        "The certificates, in PEM, by which the server at the URL is known: status.ca of the AccessGrant.",
    ),
    field("linkCost", FieldKind::Integer, "What traffic over the Links costs. Default: 1, and 0 means the same."),
    field("settings", FieldKind::Texts, "Free settings, kept and shown. None has a meaning here."),
];

const TOKEN_STATUS: &[Field] =
    &[field("redeemed", FieldKind::Boolean, "Whether the token was redeemed."), STATUS_OR_PENDING, MESSAGE, CONDITIONS];
