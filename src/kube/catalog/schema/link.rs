//! The fields of a Link (protocol.md 4.4).

use super::{CONDITIONS, Field, FieldKind, MESSAGE, STATUS_OR_PENDING, field, required};

pub(crate) const DESCRIPTION: &str =
    "A Link says where the site of its namespace connects to, and with which credentials.";

pub(crate) const FIELDS: &[Field] = &[
    required("spec", FieldKind::Object(SPEC), "Where to connect to."),
    field("status", FieldKind::Object(LINK_STATUS), "How the link stands. Read-only."),
];

const SPEC: &[Field] = &[
    required("endpoints", FieldKind::List(LINK_ENDPOINT), "Where the routers of the other site take links."),
    field("tlsCredentials", FieldKind::Text, "The name of the Secret to connect with."),
    field("cost", FieldKind::Integer, "What traffic over this link costs, 1 or more. Default: 1."),
    field("settings", FieldKind::Texts, "Free settings, kept and shown. None has a meaning here."),
];

const LINK_ENDPOINT: &[Field] = &[
    required("name", FieldKind::Text, "Which routers connect to it: inter-router or edge."),
    required("host", FieldKind::Text, "Its host name or address."),
    required("port", FieldKind::Text, "Its port, written as a text."),
    field("group", FieldKind::Text, "The group of routers that it belongs to."),
];

const LINK_STATUS: &[Field] = &[
    field("remoteSiteId", FieldKind::Text, "The identity of the other site."),
    field("remoteSiteName", FieldKind::Text, "The name of the other site."),
    STATUS_OR_PENDING,
    MESSAGE,
    CONDITIONS,
];
