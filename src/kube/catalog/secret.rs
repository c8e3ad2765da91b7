//! The entry of Secrets.

use super::{
    column::{AGE, Cell, Column},
    schema,
    types::{ALL_VERBS, Audience, Behaviour, CORE, Origin, ResourceType},
};
use crate::{kube::kinds::secrets, metrics::AdminResource};

/// Secrets: credentials, among them those of links.
pub(crate) static SECRETS: ResourceType = ResourceType {
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
    behaviour: Behaviour::Stored(&secrets::STORED),
    description: schema::secret::DESCRIPTION,
    fields: schema::secret::FIELDS,
};
