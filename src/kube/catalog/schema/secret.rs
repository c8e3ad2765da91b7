//! The fields of a Secret (Kubernetes' core/v1).

use super::{Encoding, Field, FieldKind, field};

pub(crate) const DESCRIPTION: &str = "A Secret holds credentials, among them those of links. It is sealed in this server's database, and only shown to who \
     may change it.";

pub(crate) const FIELDS: &[Field] = &[
    field(
        "data",
        FieldKind::Data(Encoding::Base64),
        "What is secret, in base64, by keys of letters, digits, '-', '_' and '.': 1 MiB in all at most.",
    ),
    field(
        "stringData",
        FieldKind::Data(Encoding::Plain),
        "The same as plain texts, to be written only: each is kept in data, in the place of what is there.",
    ),
    field(
        "type",
        FieldKind::Text,
        "What the keys are for. Default: Opaque. One of type kubernetes.io/tls has the keys tls.crt and tls.key. It cannot \
         change later.",
    ),
    field("immutable", FieldKind::Boolean, "Only false, or left out: that a Secret never changes is not supported."),
];
