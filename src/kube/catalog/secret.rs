//! Secrets: their entry in the type table, and their fields (Kubernetes' core/v1).

use super::{
    column::{AGE, Cell, Column},
    resource_type::{ALL_VERBS, Audience, CORE, Origin, ResourceType, TypeId},
    schema::{Encoding, Field, FieldKind, field},
};
use crate::metrics::AdminResource;

/// Secrets: credentials, for example those of links.
pub(crate) static SECRETS: ResourceType = ResourceType {
    id: TypeId::Secrets,
    group_version: CORE,
    origin: Origin::Kubernetes,
    plural: "secrets",
    singular: "secret",
    kind: "Secret",
    short_names: &[],
    audience: Audience::Writers,
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[
        Column {
            name: "Type",
            value_type: "string",
            description: "What its keys are for",
            cell: Cell::Path(&["type"]),
        },
        Column {
            name: "Data",
            value_type: "integer",
            description: "How many keys it has",
            cell: Cell::CountOf(&["data"]),
        },
        AGE,
    ],
    selectable: &["type"],
    label: AdminResource::Secrets,
    description: DESCRIPTION,
    fields: FIELDS,
};

const DESCRIPTION: &str = "A Secret holds credentials, among them those of links. It is sealed in this server's database, and only shown to users \
     who may change it.";

const FIELDS: &[Field] = &[
    field(
        "data",
        FieldKind::Data(Encoding::Base64),
        "The secret values in base64, 1 MiB in all at most. Keys consist of letters, digits, '-', '_' and '.'.",
    ),
    field(
        "stringData",
        FieldKind::Data(Encoding::Plain),
        "Secret values as plain texts, write-only: each is stored in data and replaces the value of the same key there.",
    ),
    field(
        "type",
        FieldKind::Text,
        "The purpose of the data. Default: Opaque. One of type kubernetes.io/tls has the keys tls.crt and tls.key. It cannot \
         change later.",
    ),
    field("immutable", FieldKind::Boolean, "Must be false or absent: immutable Secrets are not supported."),
];
