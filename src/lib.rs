//! grantd turns a short-lived access token into a link certificate, exactly as often as its operator allowed.
//!
//! The rooms of this house lie in layers, and imports point down only (`tests/architecture.rs` holds the table):
//!
//! | level | room | what lives there |
//! |---|---|---|
//! | 0 | [`time`] | instants, and the one reader of the wall clock |
//! | 0 | [`mod@file`] | files that must be whole, private and durable |
//! | 1 | [`grant`] | words and rules: ids, names, the code, the allowance, the window, the decision. Pure |
//! | 1 | [`link`] | sites, endpoints, and the Secret, Link and AccessToken documents. Pure |
//! | 2 | [`pki`] | keys and certificates: the issuer, the certificate profile, self-made CAs, the serving certificate |
//! | 2 | [`store`] | what is remembered: the promises of a store, SQLite, sealing, the ledger |
//! | 2 | [`metrics`] | every metric, by what happened |
//! | 3 | [`app`] | the use cases: redemption, grants, sites, controllers, readiness, sweep |
//! | 3 | [`net`] | what all listeners share: sockets, accepting, limits, TLS, deadlines, the drain |
//! | 4 | [`http`] | the redeem door and the observe door: listener, TLS, limits, problems |
//! | 4 | [`kube`] | the admin door: resources shaped as Kubernetes shapes them |
//! | 4 | [`client`] | the other side of the doors: redeem a token, talk to the admin door |
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
