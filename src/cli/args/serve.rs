//! `grantd serve`.

use clap::Args;

pub(super) const ABOUT: &str = "\
Run the server

It works without configuration: it makes a site CA, a CA for the grant server and a serving certificate in the data
directory, and listens on port 9090 for redemptions. Settings come from flags, else from the environment, else from the
file that --config names, else from the defaults. An empty environment variable counts as not set. All faults of a
configuration are reported together.

With --admin-listen it also serves kubectl. It redeems AccessTokens that are applied, and tests Links. A connecting site
needs nothing else, so there --listen may be 127.0.0.1:9090.";

pub(super) const EXAMPLES: &str = "\
Examples:
  grantd serve
  grantd serve --public-url https://grants.example.com:9090 --link-host west.example.com \\
      --issuer-cert site-ca/tls.crt --issuer-key site-ca/tls.key
  grantd serve --config /etc/grantd/grantd.yaml
  grantd serve --listen 127.0.0.1:9090 --admin-listen 127.0.0.1:9443

A configuration file has the same settings in camelCase (publicUrl, tls.certFile, limits.maxConnections), and may have
many sites:
  sites:
    - name: my-site
      namespace: west
      issuers:
        - {name: skupper-site-ca, certFile: tls.crt, keyFile: tls.key}
      endpoints:
        - {name: inter-router, host: west.example.com, port: 55671}
        - {name: edge, host: west.example.com, port: 45671}";

/// `grantd serve`: everything is text here, and becomes a value in [`crate::cli::config`].
///
/// The id of an argument gives its flag (`--tls-cert`) and its variable (`GRANTD_TLS_CERT`).
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A YAML file with settings and sites
    #[arg(long, env = "GRANTD_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<String>,

    /// A PostgreSQL database for the store, as postgres://USER@HOST:PORT/DATABASE [default: SQLite in the data directory]
    ///
    /// The server's certificate is verified, except at a loopback address and on a Unix socket (?host=/run/postgresql);
    /// ?sslrootcert=FILE names its CA. The password comes from --database-password-file, else PGPASSWORD, else the file
    /// that PGPASSFILE names; in GRANTD_DATABASE and in a private configuration file it may be in the URL.
    #[arg(long, env = "GRANTD_DATABASE", hide_env_values = true, value_name = "URL", help_heading = "Database")]
    pub(crate) database: Option<String>,
    /// A private file with the password of the database's user, one line
    #[arg(long, env = "GRANTD_DATABASE_PASSWORD_FILE", value_name = "FILE", help_heading = "Database")]
    pub(crate) database_password_file: Option<String>,
    /// Accept ?sslmode=require, verify-ca or disable for a database beyond this host
    ///
    /// Whoever is on the way can then read the store and answer in the place of the database.
    #[arg(
        long,
        env = "GRANTD_DATABASE_INSECURE",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        help_heading = "Database"
    )]
    pub(crate) database_insecure: Option<String>,

    /// The address and port on which connecting sites redeem tokens [default: 0.0.0.0:9090]
    #[arg(long, env = "GRANTD_LISTEN", value_name = "ADDRESS", help_heading = "Listeners")]
    pub(crate) listen: Option<String>,
    /// The address and port of /metrics, /livez and /readyz, without TLS [default: 127.0.0.1:9091]
    #[arg(long, env = "GRANTD_OBSERVE_LISTEN", value_name = "ADDRESS", help_heading = "Listeners")]
    pub(crate) observe_listen: Option<String>,
    /// The address and port of the admin API for kubectl and other Kubernetes clients [default: none; only the admin socket]
    ///
    /// Clients need a certificate from 'grantd kubeconfig'.
    #[arg(long, env = "GRANTD_ADMIN_LISTEN", value_name = "ADDRESS", help_heading = "Listeners")]
    pub(crate) admin_listen: Option<String>,

    /// Load balancers in front of --listen, as networks with commas between them [default: none]
    ///
    /// Each of their connections must begin with a header of the PROXY protocol, which names the client. All other clients
    /// connect directly.
    #[arg(long, env = "GRANTD_PROXY_PROTOCOL_FROM", value_name = "NETWORKS", help_heading = "Listeners")]
    pub(crate) proxy_protocol_from: Option<String>,

    /// The https URL that tokens carry [default: the address of --listen, or this host's if that is every address]
    #[arg(long, env = "GRANTD_PUBLIC_URL", value_name = "URL", help_heading = "Listeners")]
    pub(crate) public_url: Option<String>,

    /// The serving certificate and its chain, PEM; with --tls-key and --tls-ca [default: self-made]
    #[arg(long, env = "GRANTD_TLS_CERT", value_name = "FILE", help_heading = "Serving certificate")]
    pub(crate) tls_cert: Option<String>,
    /// The private key of the serving certificate, PEM
    #[arg(long, env = "GRANTD_TLS_KEY", value_name = "FILE", help_heading = "Serving certificate")]
    pub(crate) tls_key: Option<String>,
    /// The CA that tokens carry, PEM: clients trust only serving certificates that this CA signed
    #[arg(long, env = "GRANTD_TLS_CA", value_name = "FILE", help_heading = "Serving certificate")]
    pub(crate) tls_ca: Option<String>,

    /// How long the former serving certificate stays in use when --tls-ca has changed to another CA [default: 24h]
    ///
    /// Tokens in circulation trust the former CA alone.
    #[arg(long, env = "GRANTD_CA_OVERLAP", value_name = "DURATION", help_heading = "Serving certificate")]
    pub(crate) ca_overlap: Option<String>,

    /// The name of the site [default: this host's name]
    #[arg(long, env = "GRANTD_SITE_NAME", value_name = "NAME", help_heading = "Site (one; many go in the file)")]
    pub(crate) site_name: Option<String>,
    /// The namespace of the site [default: default]
    #[arg(
        short,
        long,
        env = "GRANTD_NAMESPACE",
        value_name = "NAMESPACE",
        help_heading = "Site (one; many go in the file)"
    )]
    pub(crate) namespace: Option<String>,
    /// The site's CA certificate, PEM; with --issuer-key [default: self-made]
    #[arg(long, env = "GRANTD_ISSUER_CERT", value_name = "FILE", help_heading = "Site (one; many go in the file)")]
    pub(crate) issuer_cert: Option<String>,
    /// The private key of the site's CA, PEM
    #[arg(long, env = "GRANTD_ISSUER_KEY", value_name = "FILE", help_heading = "Site (one; many go in the file)")]
    pub(crate) issuer_key: Option<String>,
    /// A host at which the site's router accepts links; several hosts make several Links [default: the public URL's
    /// host]
    #[arg(
        long,
        env = "GRANTD_LINK_HOST",
        value_name = "HOST",
        value_delimiter = ',',
        help_heading = "Site (one; many go in the file)"
    )]
    pub(crate) link_host: Vec<String>,
    /// The router's port for links of interior sites [default: 55671]
    #[arg(
        long,
        env = "GRANTD_INTER_ROUTER_PORT",
        value_name = "PORT",
        help_heading = "Site (one; many go in the file)"
    )]
    pub(crate) inter_router_port: Option<String>,
    /// The router's port for links of edge sites [default: 45671]
    #[arg(long, env = "GRANTD_EDGE_PORT", value_name = "PORT", help_heading = "Site (one; many go in the file)")]
    pub(crate) edge_port: Option<String>,

    /// The type of the keys of issued certificates: ecdsa-p256, rsa-2048, rsa-3072 or ed25519 [default: ecdsa-p256]
    #[arg(long, env = "GRANTD_CLIENT_KEY_TYPE", value_name = "TYPE", help_heading = "Certificates")]
    pub(crate) client_key_type: Option<String>,
    /// How long issued certificates are valid, 1h to 87600h [default: 43800h]
    #[arg(long, env = "GRANTD_CERTIFICATE_VALIDITY", value_name = "DURATION", help_heading = "Certificates")]
    pub(crate) certificate_validity: Option<String>,
    /// The type of the keys of self-made CAs: ecdsa-p256, or rsa-2048 if Skupper is to sign with them too [default:
    /// ecdsa-p256]
    #[arg(long, env = "GRANTD_CA_KEY_TYPE", value_name = "TYPE", help_heading = "Certificates")]
    pub(crate) ca_key_type: Option<String>,

    /// How long an expired or used-up grant is kept, 0s to 87600h; its ledger is kept for ever [default: 24h]
    #[arg(long, env = "GRANTD_RETENTION", value_name = "DURATION", help_heading = "Operation")]
    pub(crate) retention: Option<String>,
    /// The bytes of the disk that are kept for redemptions, 0 to 1125899906842624: with less free space grants and
    /// objects can only be deleted [default: 67108864, 64 MiB]
    #[arg(long, env = "GRANTD_DISK_RESERVE_BYTES", value_name = "BYTES", help_heading = "Operation")]
    pub(crate) disk_reserve_bytes: Option<String>,
    /// How long after a redemption the same name and subject gets another certificate uncounted, up to 3 times, 0s to 1h
    /// [default: 0s, never]
    #[arg(long, env = "GRANTD_RETRY_WINDOW", value_name = "DURATION", help_heading = "Operation")]
    pub(crate) retry_window: Option<String>,
    /// The most objects of one namespace, grants included, 1 to 1000000000 [default: 10000]
    #[arg(long, env = "GRANTD_MAX_OBJECTS_PER_NAMESPACE", value_name = "COUNT", help_heading = "Operation")]
    pub(crate) max_objects_per_namespace: Option<String>,
    /// The most bytes that the objects of one namespace take in the database, 1048576 to 1125899906842624 [default:
    /// 268435456, 256 MiB]
    #[arg(long, env = "GRANTD_MAX_BYTES_PER_NAMESPACE", value_name = "BYTES", help_heading = "Operation")]
    pub(crate) max_bytes_per_namespace: Option<String>,
    /// How long redemptions in progress may still take when the server stops, 0s to 1h [default: 25s]
    #[arg(long, env = "GRANTD_DRAIN_TIMEOUT", value_name = "DURATION", help_heading = "Operation")]
    pub(crate) drain_timeout: Option<String>,
    /// The least severe level that is logged, for all modules or for each, as in 'info,grantd::http=debug' [default:
    /// info]
    #[arg(long, env = "GRANTD_LOG", value_name = "FILTER", help_heading = "Operation")]
    pub(crate) log: Option<String>,
    /// The format of the log: text, json, or auto, which is text on a terminal and else json [default: auto]
    #[arg(long, env = "GRANTD_LOG_FORMAT", value_name = "FORMAT", help_heading = "Operation")]
    pub(crate) log_format: Option<String>,

    /// When a TLS handshake must be done, 100ms to 1m after the connection was accepted [default: 5s]
    #[arg(long, env = "GRANTD_HANDSHAKE_DEADLINE", value_name = "DURATION", help_heading = "Limits")]
    pub(crate) handshake_deadline: Option<String>,
    /// When a request must be answered, 100ms to 1m after its connection was accepted [default: 10s]
    #[arg(long, env = "GRANTD_REQUEST_DEADLINE", value_name = "DURATION", help_heading = "Limits")]
    pub(crate) request_deadline: Option<String>,
    /// The most bytes of a request body, 1 to 16384 [default: 1024]
    #[arg(long, env = "GRANTD_MAX_BODY_BYTES", value_name = "BYTES", help_heading = "Limits")]
    pub(crate) max_body_bytes: Option<String>,
    /// The most bytes of a request's headers, 8192 to 65536 [default: 8192]
    #[arg(long, env = "GRANTD_MAX_HEADER_BYTES", value_name = "BYTES", help_heading = "Limits")]
    pub(crate) max_header_bytes: Option<String>,
    /// The most headers of a request, 8 to 256 [default: 32]
    #[arg(long, env = "GRANTD_MAX_HEADERS", value_name = "COUNT", help_heading = "Limits")]
    pub(crate) max_headers: Option<String>,
    /// The most connections at the same time, 1 to 1000000 [default: 4096]
    #[arg(long, env = "GRANTD_MAX_CONNECTIONS", value_name = "COUNT", help_heading = "Limits")]
    pub(crate) max_connections: Option<String>,
    /// The most connections at the same time from one IPv4 address or one IPv6 network of 64 bits, 0 to 1000000; 0 for no
    /// such limit [default: 0]
    #[arg(long, env = "GRANTD_MAX_CONNECTIONS_PER_PEER", value_name = "COUNT", help_heading = "Limits")]
    pub(crate) max_connections_per_peer: Option<String>,
    /// The most TLS handshakes at the same time, 1 to 1000000 [default: 1024]
    #[arg(long, env = "GRANTD_MAX_HANDSHAKES", value_name = "COUNT", help_heading = "Limits")]
    pub(crate) max_handshakes: Option<String>,
}
