//! The values that labels may have. A label is an enum: the number of series is known when the program is built.

/// A label whose values are all known.
pub(super) trait Label: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The value as Prometheus sees it.
    fn as_str(self) -> &'static str;
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

label!(
    /// How a redemption request ended.
    RedemptionOutcome {
        /// Answered with a bundle.
        Issued => "issued",
        /// Answered again with a bundle, and not counted again.
        Replayed => "replayed",
        /// Refused, and the client has to change something.
        Refused => "refused",
        /// Failed, and the operator has to act if it goes on.
        Failed => "failed",
    }
);
label!(
    /// Files that are loaded again when they change.
    Reloaded {
        /// The configuration file.
        Configuration => "configuration",
        /// The certificate or key of an issuer.
        Issuer => "issuer",
        /// The serving certificate, its key or its CA.
        ServingCertificate => "serving_certificate",
        /// The register of admin users.
        Users => "users",
    }
);
label!(
    /// What became of a changed file.
    ReloadOutcome {
        /// It is in use.
        Loaded => "loaded",
        /// It cannot be used, and the previous one stays in use.
        Refused => "refused",
    }
);
label!(
    /// Why a request was refused.
    RefusalReason {
        /// Not POST.
        Method => "method",
        /// The body broke off.
        BodyUnreadable => "body_unreadable",
        /// The body is longer than any code.
        BodyTooLarge => "body_too_large",
        /// The client did not send its request in time.
        TooSlow => "too_slow",
        /// A header that cannot be a name or a subject.
        BadHeader => "bad_header",
        /// No grant has this id, or the path is no id.
        Unknown => "unknown",
        /// The grant has expired.
        Expired => "expired",
        /// The grant is used up.
        Exhausted => "exhausted",
        /// The code is wrong.
        WrongCode => "wrong_code",
        /// A certificate request that cannot be granted.
        BadCertificateRequest => "bad_certificate_request",
        /// A client's own key that has a certificate with another name or subject.
        KeyReused => "key_reused",
        /// A certificate was sent again as often as is recorded.
        TooManyReplays => "too_many_replays",
        /// The code is wrong, or was not compared, after many wrong ones.
        TooManyWrongCodes => "too_many_wrong_codes",
        /// The client closed its connection before its redemption was counted.
        HungUp => "hung_up",
    }
);

impl RefusalReason {
    /// The value of the label, which the log uses too.
    pub fn name(self) -> &'static str {
        self.as_str()
    }
}

label!(
    /// Why a request failed through no fault of its caller.
    FailureReason {
        /// The store did not answer.
        Store => "store",
        /// The grant's row breaks a rule.
        Corrupt => "corrupt",
        /// The server's time for the request was over before the redemption was counted: under too much load, or when
        /// the disk stalls.
        Overdue => "overdue",
        /// The clock was set back.
        Clock => "clock",
        /// The database was put back to an older state.
        RolledBack => "rolled_back",
        /// The grant was deleted between the decision and the count.
        Gone => "gone",
        /// The site cannot accept links.
        Site => "site",
        /// The issuer could not sign.
        Issue => "issue",
        /// The thread that was to sign is gone.
        Signing => "signing",
        /// The work ended in a panic.
        Panic => "panic",
    }
);
label!(
    /// The parts of a redemption that take time.
    Phase {
        /// Reading the grant.
        Read => "read",
        /// Making key and certificate.
        Sign => "sign",
        /// Counting, durably.
        Commit => "commit",
    }
);
label!(
    /// What the store was doing when it failed.
    StoreOperation {
        /// Reading.
        Read => "read",
        /// Counting a redemption.
        Commit => "commit",
        /// Any other change.
        Write => "write",
        /// Probing whether it can write.
        Check => "check",
    }
);
label!(
    /// The state of a grant.
    GrantStateLabel {
        /// Redeemable.
        Open => "open",
        /// Expired.
        Expired => "expired",
        /// Used up.
        Exhausted => "exhausted",
    }
);
label!(
    /// How an attempt to redeem an applied AccessToken ended.
    TokenOutcome {
        /// The redeemed objects are stored.
        Redeemed => "redeemed",
        /// The other site refused it for good.
        Refused => "refused",
        /// It failed, and will be tried again.
        Failed => "failed",
    }
);
label!(
    /// The state of a Link.
    LinkState {
        /// A router could connect.
        Ready => "ready",
        /// A router could not connect, or it was not tried yet.
        Pending => "pending",
        /// The Link or its Secret is at fault.
        Error => "error",
    }
);
label!(
    /// The stage of a connection of the redeem listener.
    ConnectionState {
        /// Accepted, and nothing was read from it.
        Waiting => "waiting",
        /// In the TLS handshake.
        Handshaking => "handshaking",
        /// After the TLS handshake.
        Open => "open",
    }
);
label!(
    /// Why a connection was turned away, or closed in favour of another.
    Rejection {
        /// As many connections as allowed are open.
        Connections => "connections",
        /// As many handshakes as allowed are in progress.
        Handshakes => "handshakes",
        /// As many connections as allowed are open from its address, of its user, or without a user.
        Peer => "peer",
        /// A connection of a load balancer did not begin with a proper PROXY header.
        ProxyHeader => "proxy_header",
        /// The process has no file descriptor left.
        Descriptors => "descriptors",
        /// The server is stopping.
        Draining => "draining",
    }
);
label!(
    /// How a TLS handshake ended.
    HandshakeOutcome {
        /// Completed.
        Completed => "completed",
        /// Failed: another protocol version, no common group, an alert, garbage.
        Failed => "failed",
        /// Not finished by its deadline.
        TimedOut => "timed_out",
    }
);
label!(
    /// The key exchange group of a handshake.
    KeyExchange {
        /// The post-quantum hybrid.
        X25519MlKem768 => "x25519mlkem768",
        /// Curve25519.
        X25519 => "x25519",
        /// NIST P-256.
        Secp256r1 => "secp256r1",
        /// Any other group.
        Other => "other",
        /// The handshake ended before a group was chosen.
        None => "none",
    }
);
label!(
    /// The verb of an admin request.
    AdminVerb {
        /// One object.
        Get => "get",
        /// A list.
        List => "list",
        /// A list, and then every change.
        Watch => "watch",
        /// A new object.
        Create => "create",
        /// A whole object replaced.
        Update => "update",
        /// A part of an object changed.
        Patch => "patch",
        /// An object removed.
        Delete => "delete",
        /// Anything else.
        Other => "other",
    }
);
label!(
    /// The resource of an admin request.
    AdminResource {
        /// AccessGrants.
        AccessGrants => "accessgrants",
        /// The ledger of a grant.
        Redemptions => "redemptions",
        /// Sites.
        Sites => "sites",
        /// AccessTokens.
        AccessTokens => "accesstokens",
        /// Links.
        Links => "links",
        /// Secrets.
        Secrets => "secrets",
        /// Discovery documents.
        Discovery => "discovery",
        /// Anything else.
        Other => "other",
    }
);
label!(
    /// The class of an answer's status.
    StatusClass {
        /// Below 400. The admin listeners answer with 200 and 201 only.
        Success => "2xx",
        /// 400 to 499.
        ClientError => "4xx",
        /// 500 and above.
        ServerError => "5xx",
    }
);

impl StatusClass {
    /// The class of this HTTP status. Statuses that the admin listeners never answer with have a class too: 1xx and 3xx are
    /// counted as success, and a number that is no status as the server's error.
    pub fn of(status: u16) -> Self {
        match status {
            100..=399 => Self::Success,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}
