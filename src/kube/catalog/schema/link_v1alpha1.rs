//! The fields of a Link in its oldest form (protocol.md 4.4).

use super::{Field, FieldKind, field, required};

pub(crate) const DESCRIPTION: &str = "A Link says where the site of its namespace connects to, and with which credentials. This is its oldest form: it \
     shows the Links of v2alpha1, and what it cannot say stays as it is when it is changed.";

pub(crate) const FIELDS: &[Field] = &[
    required("spec", FieldKind::Object(SPEC), "Where to connect to."),
    field("status", FieldKind::Object(STATUS), "How the link stands. Read-only."),
];

const SPEC: &[Field] = &[
    field("tlsSecret", FieldKind::Text, "The name of the Secret to connect with."),
    field("cost", FieldKind::Integer, "What traffic over this link costs, 1 or more. Default: 1."),
    required(
        "options",
        FieldKind::Texts,
        "Where the routers of the other site take links: inter-router-host, inter-router-port, edge-host and edge-port. \
         Any other option is a setting, kept and shown.",
    ),
];

const STATUS: &[Field] = &[
    field("configured", FieldKind::Boolean, "Whether the router was told of the link."),
    field("url", FieldKind::Text, "Where the link goes to: HOST:PORT."),
    field("site", FieldKind::Text, "The name of the other site."),
    field("status", FieldKind::Text, "OK, or what keeps the link from working, in words."),
];
