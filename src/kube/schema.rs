//! The fields of the types this API serves, with their descriptions: `kubectl explain` shows them, and what a caller writes
//! is held against them (protocol.md 4.1, 4.5).

/// A field of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) kind: FieldKind,
    pub(super) presence: Presence,
}

/// Whether a field can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Optional,
    /// Not where the object that it is a field of is there.
    Required,
}

/// What a field holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    Text,
    Integer,
    Boolean,
    /// A text such as `1h30m`.
    Duration,
    /// A map of texts.
    Texts,
    /// What a Secret holds: a map of secret texts, or of bytes.
    Data(Encoding),
    Object(&'static [Field]),
    /// A list of objects.
    List(&'static [Field]),
}

/// How what a Secret holds is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    /// RFC 4648 4.
    Base64,
}

pub(super) mod access_token;
pub(super) mod link;
pub(super) mod link_v1alpha1;
pub(super) mod secret;

const fn field(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field { name, description, kind, presence: Presence::Optional }
}

const fn required(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field { name, description, kind, presence: Presence::Required }
}

/// What an AccessGrant is.
pub(super) const ACCESS_GRANT_DESCRIPTION: &str = "An AccessGrant offers links to the site of its namespace. Whoever presents its code at its URL before it expires \
     is given the certificate for a link, as often as the grant allows.";

/// The parts of an AccessGrant.
pub(super) const ACCESS_GRANT: &[Field] = &[
    field("spec", FieldKind::Object(ACCESS_GRANT_SPEC), "What is offered. Every field may be left out."),
    field(
        "status",
        FieldKind::Object(ACCESS_GRANT_STATUS),
        "How the grant stands, and what a token is made of. Read-only.",
    ),
];

/// The spec of an AccessGrant: all that is taken, too.
pub(super) const ACCESS_GRANT_SPEC: &[Field] = &[
    field(
        "redemptionsAllowed",
        FieldKind::Integer,
        "How often the grant can be redeemed. Default: 1, and 0 means the same. It can be raised later, and lowered to the \
         redemptions already made.",
    ),
    field(
        "expirationWindow",
        FieldKind::Duration,
        "How long the grant can be redeemed, counted from its creation: decimal numbers with the units h, m, s, ms, us \
         and ns, such as 1h30m. Default: 15m. A later change does not move the end.",
    ),
    field(
        "code",
        FieldKind::Text,
        "The secret that a caller must present. Left out, a random one is made. It cannot change later.",
    ),
    field(
        "issuer",
        FieldKind::Text,
        "The name of the certificate authority of the site that is to sign. Default: the site's defaultIssuer.",
    ),
    field("settings", FieldKind::Texts, "Free settings, kept and shown. None has a meaning here."),
];

const ACCESS_GRANT_STATUS: &[Field] = &[
    field("url", FieldKind::Text, "Where the grant is redeemed."),
    field("code", FieldKind::Text, "The secret that a caller must present: spec.code, or the one that was made."),
    field("ca", FieldKind::Text, "The certificates, in PEM, by which a caller knows the server at the URL."),
    field("redemptions", FieldKind::Integer, "How often the grant was redeemed."),
    field("expirationTime", FieldKind::Text, "When the grant expires, as RFC 3339 writes it."),
    STATUS,
    MESSAGE,
    CONDITIONS,
];

/// What a Site is.
pub(super) const SITE_DESCRIPTION: &str = "A Site is where links lead: the routers of one namespace. Sites of this server's configuration cannot be changed \
     here; one that is made here shares the endpoints and the issuers of the site that was configured first.";

/// The parts of a Site.
pub(super) const SITE: &[Field] = &[
    field("spec", FieldKind::Object(SITE_SPEC), "What is wanted of the site. Every field may be left out."),
    field("status", FieldKind::Object(SITE_STATUS), "How the site stands, and where links reach it. Read-only."),
];

const SITE_SPEC: &[Field] = &[
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

const STATUS: Field = field("status", FieldKind::Text, "Ready or Error.");
/// The status of what takes time.
const STATUS_OR_PENDING: Field = field("status", FieldKind::Text, "Ready, Pending or Error.");
const MESSAGE: Field = field("message", FieldKind::Text, "OK, or what is wrong, in words.");
const CONDITIONS: Field =
    field("conditions", FieldKind::List(CONDITION), "What the status adds up from. The one named Ready is their sum.");

const CONDITION: &[Field] = &[
    field("type", FieldKind::Text, "Its name."),
    field("status", FieldKind::Text, "True or False."),
    field("reason", FieldKind::Text, "Why, in one word."),
    field("message", FieldKind::Text, "Why, in words."),
    field("observedGeneration", FieldKind::Integer, "The generation of the object that it speaks of."),
    field("lastTransitionTime", FieldKind::Text, "Since when it is so, as RFC 3339 writes it."),
];
