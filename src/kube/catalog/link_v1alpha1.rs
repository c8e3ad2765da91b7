//! Links in their oldest form: their entry in the type table, and their fields (docs/protocol.md section 4.4).

use super::{
    column::{Cell, Column},
    resource_type::{ALL_VERBS, Audience, Origin, ResourceType, SKUPPER_V1ALPHA1, TypeId, status_of},
    schema::{Field, FieldKind, field, required},
};
use crate::metrics::AdminResource;

/// The objects of the type Link, in their oldest form.
pub(crate) static LINKS_V1ALPHA1: ResourceType = ResourceType {
    id: TypeId::LinksV1alpha1,
    group_version: SKUPPER_V1ALPHA1,
    origin: Origin::Skupper,
    plural: "links",
    singular: "link",
    kind: "Link",
    short_names: &["ln"],
    audience: Audience::Scoped,
    verbs: ALL_VERBS,
    subresources: &[status_of("Link", AdminResource::Links)],
    columns: &[
        Column {
            name: "Configured",
            value_type: "boolean",
            description: "Whether the router has it in its configuration",
            cell: Cell::Path(&["status", "configured"]),
        },
        Column {
            name: "URL",
            value_type: "string",
            description: "Where it goes to",
            cell: Cell::Path(&["status", "url"]),
        },
        Column {
            name: "Site",
            value_type: "string",
            description: "The site that it goes to",
            cell: Cell::Path(&["status", "site"]),
        },
        Column {
            name: "Status",
            value_type: "string",
            description: "OK, or what keeps it from being so",
            cell: Cell::Path(&["status", "status"]),
        },
    ],
    selectable: &[],
    label: AdminResource::Links,
    description: DESCRIPTION,
    fields: FIELDS,
};

const DESCRIPTION: &str = "A Link says where the site of its namespace connects to, and with which credentials. This is its oldest form: it \
     shows the Links of v2alpha1, and what it cannot say stays as it is when it is changed.";

const FIELDS: &[Field] = &[
    required("spec", FieldKind::Object(SPEC), "Where to connect to."),
    field("status", FieldKind::Object(STATUS), "The state of the link. Read-only."),
];

const SPEC: &[Field] = &[
    field("tlsSecret", FieldKind::Text, "The name of the Secret to connect with."),
    field("cost", FieldKind::Integer, "The cost of traffic over this link, 1 or more. Default: 1."),
    required(
        "options",
        FieldKind::Texts,
        "The addresses at which the routers of the other site accept links: inter-router-host, inter-router-port, edge-host and edge-port. \
         Any other option is a setting, kept and shown.",
    ),
];

const STATUS: &[Field] = &[
    field("configured", FieldKind::Boolean, "Whether the router has the link in its configuration."),
    field("url", FieldKind::Text, "The address that the link connects to: HOST:PORT."),
    field("site", FieldKind::Text, "The name of the other site."),
    field("status", FieldKind::Text, "OK, or a sentence about the fault of the link."),
];
