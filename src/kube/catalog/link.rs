//! Links: their entry in the type table, and their fields (docs/protocol.md section 4.4).

use super::{
    column::{self, Cell, Column},
    resource_type::{ALL_VERBS, Audience, Origin, ResourceType, SKUPPER, TypeId, status_of},
    schema::{CONDITIONS, Field, FieldKind, MESSAGE, STATUS_OR_PENDING, field, required},
};
use crate::metrics::AdminResource;

/// Links: connections to other sites.
pub(crate) static LINKS: ResourceType = ResourceType {
    id: TypeId::Links,
    group_version: SKUPPER,
    origin: Origin::Skupper,
    plural: "links",
    singular: "link",
    kind: "Link",
    short_names: &["ln"],
    audience: Audience::Scoped,
    verbs: ALL_VERBS,
    subresources: &[status_of("Link", AdminResource::Links)],
    columns: &[
        column::STATUS,
        Column {
            name: "Remote Site",
            value_type: "string",
            description: "The site that it goes to",
            cell: Cell::Path(&["status", "remoteSiteName"]),
        },
        column::MESSAGE,
    ],
    selectable: &[],
    label: AdminResource::Links,
    description: DESCRIPTION,
    fields: FIELDS,
};

const DESCRIPTION: &str = "A Link says where the site of its namespace connects to, and with which credentials.";

const FIELDS: &[Field] = &[
    required("spec", FieldKind::Object(SPEC), "Where to connect to."),
    field("status", FieldKind::Object(LINK_STATUS), "The state of the link. Read-only."),
];

const SPEC: &[Field] = &[
    required(
        "endpoints",
        FieldKind::List(LINK_ENDPOINT),
        "The addresses at which the routers of the other site accept links.",
    ),
    field("tlsCredentials", FieldKind::Text, "The name of the Secret to connect with."),
    field("cost", FieldKind::Integer, "The cost of traffic over this link, 1 or more. Default: 1."),
    field("settings", FieldKind::Texts, "Free settings, which are stored and have no effect."),
];

const LINK_ENDPOINT: &[Field] = &[
    required("name", FieldKind::Text, "The kind of routers that connect to it: inter-router or edge."),
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
