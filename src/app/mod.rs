//! Level 3: the use cases. No SQL, no HTTP, no details of certificates.
//!
//! On the granting side: redemptions, grants and sites. On the connecting side: controllers, which redeem the tokens that are
//! applied and probe the links, through [`ports`] that `client` implements.

mod admin_users;
mod applied_sites;
mod background;
mod bundle;
mod chain;
mod clock_mark;
mod conditions;
mod controllers;
mod disk_reserve;
mod fair;
mod fnv1a;
mod follow;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod grants;
mod issue;
mod lifecycle;
mod links;
mod long_work;
mod memory_budget;
mod object_status;
mod objects;
mod permits;
mod ports;
mod publication;
mod readiness;
mod reconcile;
mod redeem;
mod redeem_error;
mod refusals;
mod rollback;
mod service;
mod sites;
mod spread;
mod supervision;
mod sweep;
#[cfg(test)]
mod tests;
mod tokens;
mod wrong_codes;

pub use self::{
    admin_users::{AdminUsers, RegisteredCertificate, UserRegister, UserRegisterFault, UserRegisterFull},
    applied_sites::{ReplaceSitesError, wants_link_access},
    background::BackgroundTask,
    bundle::LinkBundle,
    chain::chain,
    clock_mark::{ClockBehind, ClockMarkError, clock_mark_text, read_clock_mark},
    conditions::{State as ConditionState, condition},
    disk_reserve::DiskReserve,
    fair::{FairPermit, FairPermits, PermitLimits, beneficiary},
    fnv1a::fnv1a,
    grants::{CreateGrantError, GrantDraft, GrantReadiness, GrantSpec, SpecError, UpdateGrantError},
    long_work::{LongWork, Turn},
    memory_budget::{MemoryBudget, MemoryPermit, MemoryShare, NoMemory},
    objects::{SiteRefusal, WriteObjectError},
    ports::{PortFuture, ProbeFailure, Prober, RedeemFailure, Redeemer, Retry},
    publication::{Publication, Replacement},
    readiness::{Check, Readiness},
    redeem::KeyOrigin,
    redeem_error::RedeemError,
    refusals::RefusedRequest,
    service::{App, AppParts},
    sites::{ConfiguredSite, DuplicateSite, SiteFault, Sites},
};
