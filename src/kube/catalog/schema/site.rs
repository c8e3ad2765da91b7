//! The fields of a Site (protocol.md 4.5).

use super::{CONDITIONS, Field, FieldKind, MESSAGE, STATUS, field};

pub(crate) const DESCRIPTION: &str = "A Site is where links lead: the routers of one namespace. Sites of this server's configuration cannot be changed \
     here; one that is made here shares the endpoints and the issuers of the site that was configured first.";

pub(crate) const FIELDS: &[Field] = &[
    field("spec", FieldKind::Object(SPEC), "What is wanted of the site. Every field may be left out."),
    field("status", FieldKind::Object(SITE_STATUS), "How the site stands, and where links reach it. Read-only."),
];

const SPEC: &[Field] = &[
    field("defaultIssuer", FieldKind::Text, "The certificate authority that signs for grants that name none."),
    field(
        "edge",
        FieldKind::Boolean,
        "Whether it is an edge site, which no link can lead to. Left out when it is not.",
    ),
    field("ha", FieldKind::Boolean, "Whether routers run in pairs. Kept and shown: grantd runs no routers."),
    field(
        "linkAccess",
        FieldKind::Text,
        "Whether links can lead to the site: \"none\", or left out, when they cannot. Every other value means the configured \
         endpoints.",
    ),
    field("serviceAccount", FieldKind::Text, "Kept and shown. Has no meaning here."),
    field("settings", FieldKind::Texts, "Free settings, kept and shown. None has a meaning here."),
];

const SITE_STATUS: &[Field] = &[
    field("defaultIssuer", FieldKind::Text, "The certificate authority that signs for grants that name none."),
    field("endpoints", FieldKind::List(ENDPOINT), "Where links reach the routers of the site."),
    STATUS,
    MESSAGE,
    CONDITIONS,
];

const ENDPOINT: &[Field] = &[
    field("name", FieldKind::Text, "The role of the links that it takes: inter-router or edge."),
    field("host", FieldKind::Text, "Its host name or address."),
    field("port", FieldKind::Text, "Its port, written as a text."),
    field(
        "group",
        FieldKind::Text,
        "The group of routers that it belongs to. A link goes to the endpoints of one group.",
    ),
];
