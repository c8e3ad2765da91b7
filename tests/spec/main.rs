//! The specification of grantd, run against the real program: its files read as what it promises.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod admin_api;
mod backup;
mod citations;
mod clock;
mod command_line;
mod crash;
mod crash_steps;
mod disk_reserve;
mod exactly_once;
mod exhaustion;
mod fault_matrix;
mod faults;
mod flood;
mod get;
mod hostile;
mod kube_rs;
mod kubeconfig;
mod kubectl;
mod ledger;
mod link_status;
mod lost_answers;
mod memory;
mod messages;
mod pitfalls;
mod port;
mod protocol;
mod proxied;
mod readme;
mod refusals;
mod reload;
mod secrets;
mod server;
mod shim;
mod shutdown;
mod skupper_cli;
mod stalled_log;
mod store_files;
mod threat_model;
mod token_check;
mod tools;
mod users;
mod west_east;
mod wire;
mod written_files;
