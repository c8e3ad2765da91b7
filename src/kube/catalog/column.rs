//! The columns of the tables that `kubectl get` prints.

/// A column of the table that `kubectl get` prints.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// The heading; kubectl prints it in capitals.
    pub(crate) name: &'static str,
    /// A type of OpenAPI: `string` or `integer`.
    pub(crate) value_type: &'static str,
    pub(crate) description: &'static str,
    pub(crate) cell: Cell,
}

/// The content of a cell, which is empty when the object does not have the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The value at this path of member names.
    Path(&'static [&'static str]),
    /// The number of members or items at this path, and 0 when there is nothing at it.
    CountOf(&'static [&'static str]),
    /// The age of the timestamp at this path.
    AgeOf(&'static [&'static str]),
}

pub(crate) const STATUS: Column = Column {
    name: "Status",
    value_type: "string",
    description: "Ready, or what keeps it from being so",
    cell: Cell::Path(&["status", "status"]),
};
pub(crate) const MESSAGE: Column = Column {
    name: "Message",
    value_type: "string",
    description: "The status for humans",
    cell: Cell::Path(&["status", "message"]),
};

pub(crate) const AGE: Column = Column {
    name: "Age",
    value_type: "string",
    description: "How long ago it was made",
    cell: Cell::AgeOf(&["metadata", "creationTimestamp"]),
};
