//! The columns of the tables that `kubectl get` prints.

/// A column of the table that `kubectl get` prints.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// As headed; kubectl writes it in capitals.
    pub(crate) name: &'static str,
    /// A type of OpenAPI: `string` or `integer`.
    pub(crate) value_type: &'static str,
    pub(crate) description: &'static str,
    pub(crate) cell: Cell,
}

/// What a cell shows: nothing where the object has no such member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// What the object holds there: the member of the object, that member's member, and so on.
    Path(&'static [&'static str]),
    /// How many members or items the object holds there: 0 also where it has no such member.
    CountOf(&'static [&'static str]),
    /// How long ago the instant there was, in words.
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
