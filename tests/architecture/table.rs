//! What the tests of this folder hold: the layers, the sub-modules, and the limits.

/// A top-level module, its level, and the crates that only it (and modules that name them too) may use.
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) level: u8,
    /// Names, separated by blanks.
    pub(crate) crates: &'static str,
}

/// Imports point down. `link` may also use `grant`, which is on the same level.
pub(crate) const MODULES: &[Module] = &[
    Module { name: "address", level: 0, crates: "" },
    Module { name: "time", level: 0, crates: "" },
    Module { name: "file", level: 0, crates: "rustix uuid" },
    Module { name: "archive", level: 1, crates: "aws_lc_rs" },
    Module { name: "grant", level: 1, crates: "subtle uuid" },
    Module { name: "link", level: 1, crates: "base64 serde serde_json serde_saphyr" },
    Module { name: "pki", level: 2, crates: "aws_lc_rs base64 rcgen rustls_pki_types x509_parser" },
    Module { name: "store", level: 2, crates: "aws_lc_rs base64 getrandom serde serde_json sqlx tokio tracing uuid" },
    Module { name: "metrics", level: 2, crates: "prometheus" },
    Module { name: "app", level: 3, crates: "base64 getrandom serde_json tokio tracing uuid" },
    Module { name: "net", level: 3, crates: "hyper rustix rustls tokio tokio_rustls tracing" },
    Module {
        name: "http",
        level: 4,
        crates: "http_body_util hyper hyper_util rustls tokio tokio_rustls tower tracing",
    },
    Module {
        name: "kube",
        level: 4,
        crates: "base64 http_body_util hyper hyper_util json_patch percent_encoding rustls rustls_pki_types serde serde_json \
                 tokio tokio_rustls tower tracing uuid",
    },
    Module {
        name: "client",
        level: 4,
        crates: "http_body_util hyper hyper_util rustls rustls_pki_types serde serde_json tokio tokio_rustls x509_parser",
    },
    Module {
        name: "cli",
        level: 5,
        crates: "base64 clap clap_complete if_addrs percent_encoding rustix sd_notify serde serde_json serde_saphyr tokio tracing \
                 tracing_subscriber uuid",
    },
];

/// The order of the sub-modules of a module.
pub(crate) struct SubModules {
    pub(crate) module: &'static str,
    /// Lowest first: each may import those before it. Names in one string, separated by blanks, may not import each other.
    pub(crate) order: &'static [&'static str],
}

/// The modules that are large enough to have layers inside.
pub(crate) const SUB_MODULES: &[SubModules] = &[
    SubModules {
        module: "store",
        order: &[
            "quota",
            "error receipt server",
            "grants options",
            "object footprint",
            "changes wanted",
            "sql",
            "fuzzing postgres sqlite",
            "open",
        ],
    },
    SubModules { module: "kube", order: &["catalog", "problem", "access engine", "kinds", "wire", "fuzzing listener"] },
    SubModules {
        module: "cli",
        order: &[
            "data_dir exit log_queue output",
            "telemetry",
            "database user_file",
            "backup_error config",
            "serve",
            "error",
            "files findings flag resource",
            "answer args",
            "server",
            "command",
            "fuzzing run",
        ],
    },
];

/// Crates that every module may use.
pub(crate) const EVERYWHERE: &[&str] = &["thiserror", "zeroize"];
/// Inside `rustls::crypto` there is a module of this name; the crate itself is for `pki` and `store`.
pub(crate) const LOOKS_LIKE_A_CRATE: (&str, &str) = ("aws_lc_rs", "rustls::");
pub(crate) const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];
pub(crate) const LONGEST_FILE: usize = 400;
/// Crates of tests, which test files anywhere may use besides those of the modules.
pub(crate) const TEST_CRATES: &[&str] = &["proptest"];

/// The row of the table for the module `name`.
pub(crate) fn module_named(name: &str) -> &'static Module {
    MODULES.iter().find(|module| module.name == name).unwrap_or_else(|| panic!("{name}: not in the table of modules"))
}

/// The top-level module of `path`; `None` for `lib.rs`.
pub(crate) fn top_module(path: &[String]) -> Option<&str> {
    path.first().map(String::as_str)
}
