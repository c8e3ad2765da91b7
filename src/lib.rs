//! grantd turns a short-lived access token into a link certificate, exactly as often as its operator allowed.
//!
//! The modules are in layers, and a module imports only from lower ones (`tests/architecture` holds the table):
//!
//! | level | module | content |
//! |---|---|---|
//! | 0 | [`time`] | instants, and the one reader of the wall clock |
//! | 0 | [`mod@file`] | files that are complete, private and durable |
//! | 1 | [`grant`] | the rules of grants: ids, names, the code, the allowance, the window, the decision. Pure |
//! | 1 | [`link`] | sites, endpoints, and the Secret, Link and AccessToken documents. Pure |
//! | 2 | [`pki`] | keys and certificates: the issuer, the certificate profile, self-made CAs, the serving certificate |
//! | 2 | [`store`] | what is stored: the contract of a store, SQL, SQLite, sealing, the ledger |
//! | 2 | [`metrics`] | every metric, with a method for each thing that happens |
//! | 3 | [`app`] | the use cases: redemption, grants, sites, controllers, readiness, sweep |
//! | 3 | [`net`] | what all listeners share: sockets, accepting, limits, TLS, deadlines, the drain |
//! | 4 | [`http`] | the redeem listener and the observe listener: TLS, limits, problems |
//! | 4 | [`kube`] | the admin API, shaped as Kubernetes shapes its own |
//! | 4 | [`client`] | the other side: redeems tokens, probes links, calls the admin API |
//! | 5 | [`cli`] | the command line: commands, configuration, output, telemetry |

#![forbid(unsafe_code)]

pub mod app;
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
