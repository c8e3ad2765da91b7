//! Sites: their entry in the type table, and their fields (docs/protocol.md section 4.5).

use super::{
    column::{self, Cell, Column},
    resource_type::{ALL_VERBS, Audience, Origin, ResourceType, SKUPPER, TypeId, status_of},
    schema::{CONDITIONS, Field, FieldKind, MESSAGE, STATUS, field},
};
use crate::metrics::AdminResource;

/// Sites: parts of the application network that other sites can link to.
pub(crate) static SITES: ResourceType = ResourceType {
    id: TypeId::Sites,
    group_version: SKUPPER,
    origin: Origin::Skupper,
    plural: "sites",
    singular: "site",
    kind: "Site",
    short_names: &["st"],
    // Grants of a created site are signed with the issuer of another namespace, which a user of one namespace must not use.
    audience: Audience::WritersEverywhere,
    verbs: ALL_VERBS,
    subresources: &[status_of("Site", AdminResource::Sites)],
    columns: &[
        column::STATUS,
        Column {
            name: "Sites In Network",
            value_type: "integer",
            description: "How many sites are linked, as far as known",
            cell: Cell::Path(&["status", "sitesInNetwork"]),
        },
        column::MESSAGE,
    ],
    selectable: &[],
    label: AdminResource::Sites,
    description: DESCRIPTION,
    fields: FIELDS,
};

const DESCRIPTION: &str = "A Site is where links lead: the routers of one namespace. Sites of this server's configuration cannot be changed \
     here; one that is made here shares the endpoints and the issuers of the site that was configured first.";

const FIELDS: &[Field] = &[
    field("spec", FieldKind::Object(SPEC), "The wanted state of the site. Every field is optional."),
    field(
        "status",
        FieldKind::Object(SITE_STATUS),
        "The state of the site, and the addresses for links to it. Read-only.",
    ),
];

const SPEC: &[Field] = &[
    field("defaultIssuer", FieldKind::Text, "The certificate authority that signs for grants that name none."),
    field("edge", FieldKind::Boolean, "Whether it is an edge site, which accepts no links. Absent means false."),
    field("ha", FieldKind::Boolean, "Whether routers run in pairs. Stored without effect, as grantd runs no routers."),
    field(
        "linkAccess",
        FieldKind::Text,
        "Whether the site accepts links: not if it is \"none\" or absent. Every other value means the configured \
         endpoints.",
    ),
    field("serviceAccount", FieldKind::Text, "Stored without effect."),
    field("settings", FieldKind::Texts, "Free settings, which are stored and have no effect."),
];

const SITE_STATUS: &[Field] = &[
    field("defaultIssuer", FieldKind::Text, "The certificate authority that signs for grants that name none."),
    field("endpoints", FieldKind::List(ENDPOINT), "The addresses at which the routers of the site accept links."),
    STATUS,
    MESSAGE,
    CONDITIONS,
];

const ENDPOINT: &[Field] = &[
    field("name", FieldKind::Text, "The role of the links that it accepts: inter-router or edge."),
    field("host", FieldKind::Text, "Its host name or address."),
    field("port", FieldKind::Text, "Its port, as a text."),
    field(
        "group",
        FieldKind::Text,
        "The group of routers that it belongs to. A link goes to the endpoints of one group.",
    ),
];
