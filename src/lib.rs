//! grantd turns a short-lived access token into a link certificate, exactly as often as its operator allowed.
//!
//! The program is divided into modules on levels, and a module imports only modules of lower levels; `link` may also use
//! `grant`. `tests/architecture` holds this table. `docs/architecture.md` in the repository explains it, and follows a
//! redemption through the modules.
//!
//! | level | module | contents |
//! |---|---|---|
//! | 0 | [`address`] | which addresses are those of one client |
//! | 0 | [`time`] | instants, the one reader of the wall clock, pauses between attempts |
//! | 0 | [`mod@file`] | writing files atomically, privately and durably |
//! | 1 | [`archive`] | one file that holds several, with a checksum: what a backup is |
//! | 1 | [`grant`] | grants and the rules that decide a redemption: ids, names, the code, the allowance, the window. Pure |
//! | 1 | [`link`] | sites, endpoints, and the Secret, Link and AccessToken documents. Pure |
//! | 2 | [`pki`] | keys and certificates: the issuer, the certificate profile, self-made CAs, the serving certificate |
//! | 2 | [`store`] | the database: what every store must guarantee, SQLite, encryption at rest, the ledger of redemptions |
//! | 2 | [`metrics`] | every metric, recorded by what happened |
//! | 3 | [`app`] | the use cases: redemption, grants, sites, controllers, readiness, removal of old grants |
//! | 3 | [`net`] | what all listeners share: sockets, accepting, limits, TLS, deadlines, the drain |
//! | 4 | [`http`] | the redeem listener and the observe listener: requests, limits, answers to errors |
//! | 4 | [`kube`] | the admin listeners: an API in the shape of the Kubernetes API |
//! | 4 | [`client`] | the client side: redeems tokens, calls the admin API, probes links |
//! | 5 | [`cli`] | the command line: commands, configuration, output, telemetry |

#![forbid(unsafe_code)]

pub mod address;
pub mod app;
pub mod archive;
pub mod cli;
pub mod client;
pub mod file;
pub mod grant;
pub mod http;
pub mod kube;
pub mod link;
pub mod metrics;
pub mod net;
pub mod pki;
pub mod store;
pub mod time;
