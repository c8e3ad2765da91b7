//! The reference implementation for tests: a store in memory without durability, sealing or speed, so simple that a reader
//! can check it.

mod objects;
mod replays;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    mem,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{
    ChangeEffect, ChangeSubject, Changes, Claimed, CommitError, CreateError, Deleted, GrantChange, GrantCounts,
    GrantPage, GrantQuery, GrantStore, LastState, LedgerEntry, LedgerPage, LedgerQuery, MOST_REISSUES, MOST_REPLAYS,
    NewGrant, ObjectKey, PageLimit, QuotaExceeded, Recorded, ReplayError, Replayed, ReplayedCertificate, Rollback,
    Store, StoreError, StoreFailure, StoreFuture, StoredObject, UpdateError, Wanted,
    changes::{Committed, PendingChange},
    sql::operation::{new_allowance, stored},
};
use crate::{
    grant::{
        Allowance, Claim, Grant, GrantId, GrantName, GrantState, KeyFingerprint, Namespace, PendingRedemption,
        Redemption, Reissue, Replay, ReplayKind, Revision, SerialNumber,
    },
    time::Timestamp,
};

pub(in crate::store) struct MemoryStore {
    state: Mutex<State>,
    changes: Arc<Changes>,
}

#[derive(Clone)]
struct State {
    objects: BTreeMap<ObjectKey, StoredObject>,
    grants: BTreeMap<(Namespace, GrantName), Grant>,
    ledger: BTreeMap<GrantId, Vec<Redemption>>,
    /// The namespaces and names of all grants there ever were.
    known: BTreeMap<GrantId, (Namespace, GrantName)>,
    serials: BTreeSet<SerialNumber>,
    /// Certificates that are kept, and the ordinals of their redemptions.
    kept: Vec<(GrantId, KeyFingerprint, u32, Vec<u8>)>,
    replays: Vec<Replay>,
    revision: u64,
    closed: bool,
    changes: Arc<Changes>,
}

impl MemoryStore {
    pub(in crate::store) fn new() -> Self {
        let changes = Arc::new(Changes::new(Revision(1)));
        let state = State {
            objects: BTreeMap::new(),
            grants: BTreeMap::new(),
            ledger: BTreeMap::new(),
            known: BTreeMap::new(),
            serials: BTreeSet::new(),
            kept: Vec::new(),
            replays: Vec::new(),
            revision: 1,
            closed: false,
            changes: Arc::clone(&changes),
        };
        Self { state: Mutex::new(state), changes }
    }

    fn open(&self, action: &'static str) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state.lock().unwrap();
        if state.closed { Err(StoreError::Unavailable { action, source: StoreFailure::Closed }) } else { Ok(state) }
    }

    /// Another store with the contents of this one.
    pub(in crate::store) fn reopened(&self) -> Self {
        let state = self.state.lock().unwrap();
        let changes = Arc::new(Changes::new(Revision(state.revision)));
        let state = State { closed: false, changes: Arc::clone(&changes), ..state.clone() };
        Self { state: Mutex::new(state), changes }
    }
}

/// The subject of a grant's changes.
fn subject(grant: &Grant) -> ChangeSubject {
    ChangeSubject::Grant { id: grant.id, namespace: grant.namespace.clone(), name: grant.name.clone() }
}

impl State {
    /// Gives the next revision to a change, and publishes it.
    fn changed(&mut self, subject: ChangeSubject, effect: ChangeEffect) -> Revision {
        self.advance(vec![PendingChange { place: 1, subject, effect }])
    }

    fn advance(&mut self, pending: Vec<PendingChange>) -> Revision {
        let before = Revision(self.revision);
        self.revision += 1;
        let head = Revision(self.revision);
        self.changes.publish(Committed { before, head, pending });
        head
    }

    fn by_id(&self, id: GrantId) -> Option<&Grant> {
        self.grants.values().find(|grant| grant.id == id)
    }

    fn create(&mut self, new: NewGrant) -> Result<Grant, CreateError> {
        let allowance = new_allowance(&new).map_err(CreateError::Store)?;
        let key = (new.namespace.clone(), new.name.clone());
        if self.grants.contains_key(&key) {
            return Err(CreateError::NameTaken);
        }
        let mut grant = stored(new, allowance, Revision(0));
        grant.revision = self.changed(subject(&grant), ChangeEffect::Added);
        self.grants.insert(key.clone(), grant.clone());
        self.known.insert(grant.id, key);
        Ok(grant)
    }

    fn ledger_page(&self, query: &LedgerQuery) -> LedgerPage {
        let is_after = |row: &&Redemption| query.after.is_none_or(|after| (row.grant_id, row.ordinal) > after);
        let rows = self.ledger.values().flatten().filter(is_after);
        let limit = query.limit.of_page() as usize;
        let looked_at: Vec<&Redemption> = rows.take(limit + 1).collect();
        let more = looked_at.len() > limit;
        let shown = &looked_at[..looked_at.len().min(limit)];
        let entries = shown.iter().filter_map(|row| {
            let (namespace, grant) = self.known.get(&row.grant_id)?.clone();
            let wanted = query.namespace.as_ref().is_none_or(|wanted| *wanted == namespace);
            wanted.then(|| LedgerEntry { namespace, grant, redemption: (*row).clone() })
        });
        let next = shown.last().filter(|_| more).map(|last| (last.grant_id, last.ordinal));
        LedgerPage { entries: entries.collect(), corrupt: Vec::new(), next }
    }

    fn update(&mut self, id: GrantId, expected: Revision, change: GrantChange) -> Result<Grant, UpdateError> {
        let mut grant = self.by_id(id).cloned().ok_or(UpdateError::Gone)?;
        if grant.revision != expected {
            return Err(UpdateError::Conflict);
        }
        grant.allowance =
            Allowance::new(change.allowance.allowed(), grant.allowance.made()).map_err(|_| UpdateError::Conflict)?;
        grant.code_origin = change.code_origin;
        grant.terms = change.terms;
        let labels = mem::replace(&mut grant.metadata, change.metadata).labels;
        let labels_before = (labels != grant.metadata.labels).then_some(labels);
        grant.generation = change.generation;
        grant.revision = self.changed(subject(&grant), ChangeEffect::Modified { labels_before });
        self.grants.insert((grant.namespace.clone(), grant.name.clone()), grant.clone());
        Ok(grant)
    }

    fn delete(
        &mut self,
        key: &(Namespace, GrantName),
        expected: Option<Revision>,
    ) -> Result<Option<Deleted>, UpdateError> {
        let Some(grant) = self.grants.get(key) else { return Ok(None) };
        if expected.is_some_and(|expected| expected != grant.revision) {
            return Err(UpdateError::Conflict);
        }
        let id = grant.id.to_string();
        Ok(self.remove(key).map(|revision| Deleted { id, revision }))
    }

    fn remove(&mut self, key: &(Namespace, GrantName)) -> Option<Revision> {
        let grant = self.grants.remove(key)?;
        self.kept.retain(|(id, ..)| *id != grant.id);
        Some(self.changed(subject(&grant), ChangeEffect::Removed(LastState::Grant(Box::new(grant)))))
    }

    fn redeem(&mut self, redemption: PendingRedemption) -> Result<Recorded, CommitError> {
        let (admission, certificate) = (redemption.admission(), *redemption.certificate());
        if let Some(of) = admission.reissue() {
            return self.reissue(redemption, of);
        }
        let now = admission.admitted_at();
        let mut grant = self.by_id(admission.grant_id()).cloned().ok_or(CommitError::Gone)?;
        let is_known = redemption.kept().is_some() && self.known(grant.id, certificate.key_fingerprint).is_some();
        match grant.state(now) {
            GrantState::Expired => return Err(CommitError::Expired),
            GrantState::Open | GrantState::Exhausted if is_known => return Err(CommitError::KnownKey),
            GrantState::Open => {}
            GrantState::Exhausted => return Err(CommitError::Exhausted),
        }
        if !self.serials.insert(certificate.serial) {
            let corrupt = StoreError::Corrupt { id: grant.id.to_string(), what: "breaks a rule of the schema" };
            return Err(CommitError::Store(corrupt));
        }
        let ordinal = grant.allowance.made() + 1;
        grant.allowance = Allowance::new(grant.allowance.allowed(), ordinal).unwrap();
        grant.last_redeemed_at = grant.last_redeemed_at.max(Some(now));
        grant.revision = self.changed(subject(&grant), ChangeEffect::Modified { labels_before: None });
        self.ledger.entry(grant.id).or_default().push(Redemption {
            grant_id: grant.id,
            ordinal,
            redeemed_at: now,
            link_name: admission.link_name().clone(),
            subject: admission.subject().clone(),
            peer: admission.peer(),
            certificate,
        });
        if let Some(der) = redemption.kept() {
            self.kept.push((grant.id, certificate.key_fingerprint, ordinal, der.to_vec()));
        }
        self.grants.insert((grant.namespace.clone(), grant.name.clone()), grant);
        Ok(Recorded::new(redemption, ordinal))
    }

    fn list(&self, query: &GrantQuery) -> GrantPage {
        let limit = query.limit.of_page() as usize;
        let wanted = |key: &(Namespace, GrantName)| {
            query.namespace.as_ref().is_none_or(|namespace| *namespace == key.0)
                && query.after.as_ref().is_none_or(|after| key > after)
        };
        let mut grants: Vec<Grant> =
            self.grants.iter().filter(|(key, _)| wanted(key)).take(limit + 1).map(|(_, grant)| grant.clone()).collect();
        let more = grants.len() > limit;
        grants.truncate(limit);
        let next = grants.last().filter(|_| more).map(|last| (last.namespace.clone(), last.name.clone()));
        GrantPage { grants, corrupt: Vec::new(), revision: Revision(self.revision), next }
    }

    fn count_listed(&self, mut query: GrantQuery) -> u32 {
        let (limit, mut listed) = (query.limit.items(), 0);
        query.limit = PageLimit::FULL;
        loop {
            let page = self.list(&query);
            listed += u32::try_from(page.grants.len()).unwrap();
            query.after = page.next;
            if query.after.is_none() {
                return listed.min(limit);
            }
        }
    }

    fn sweep(&mut self, cutoff: Timestamp, limit: u32) -> u32 {
        let old = |grant: &&Grant| {
            let used_up_at = grant.last_redeemed_at.filter(|_| grant.allowance.is_used_up());
            grant.expires_at < cutoff || used_up_at.is_some_and(|at| at < cutoff)
        };
        let keys: Vec<_> = self.grants.values().filter(old).map(|g| (g.namespace.clone(), g.name.clone())).collect();
        let mut removed = 0;
        for key in keys.iter().take(limit as usize) {
            self.remove(key);
            removed += 1;
        }
        removed
    }
}

impl GrantStore for MemoryStore {
    fn create(&self, grant: NewGrant) -> StoreFuture<'_, Grant, CreateError> {
        let state = self.open("store a grant").map_err(CreateError::Store);
        Box::pin(ready(state.and_then(|mut state| state.create(grant))))
    }

    fn get(&self, id: GrantId) -> StoreFuture<'_, Option<Grant>> {
        Box::pin(ready(self.open("read a grant").map(|state| state.by_id(id).cloned())))
    }

    fn find(&self, namespace: Namespace, name: GrantName) -> StoreFuture<'_, Option<Grant>> {
        Box::pin(ready(self.open("find a grant").map(|state| state.grants.get(&(namespace, name)).cloned())))
    }

    fn list(&self, query: GrantQuery) -> StoreFuture<'_, GrantPage> {
        Box::pin(ready(self.open("list grants").map(|state| state.list(&query))))
    }

    fn count_listed(&self, query: GrantQuery) -> StoreFuture<'_, u32> {
        Box::pin(ready(self.open("count what a list has").map(|state| state.count_listed(query))))
    }

    fn update(&self, id: GrantId, expected: Revision, change: GrantChange) -> StoreFuture<'_, Grant, UpdateError> {
        let state = self.open("change a grant").map_err(UpdateError::Store);
        Box::pin(ready(state.and_then(|mut state| state.update(id, expected, change))))
    }

    fn delete(
        &self,
        namespace: Namespace,
        name: GrantName,
        expected: Option<Revision>,
    ) -> StoreFuture<'_, Option<Deleted>, UpdateError> {
        let state = self.open("remove a grant").map_err(UpdateError::Store);
        Box::pin(ready(state.and_then(|mut state| state.delete(&(namespace, name), expected))))
    }

    fn commit_redemption(&self, redemption: PendingRedemption) -> StoreFuture<'_, Recorded, CommitError> {
        let state = self.open("count a redemption").map_err(CommitError::Store);
        Box::pin(ready(state.and_then(|mut state| state.redeem(redemption))))
    }

    fn claim(&self, claim: Claim, key: KeyFingerprint) -> StoreFuture<'_, Claimed, ReplayError> {
        let state = self.open("record a replay").map_err(ReplayError::Store);
        Box::pin(ready(state.and_then(|mut state| state.replay(claim, key))))
    }

    fn repeatable(&self, claim: &Claim, since: Timestamp) -> StoreFuture<'_, Option<u32>> {
        let state = self.open("look for a redemption to repeat");
        Box::pin(ready(state.map(|state| state.repeatable(claim, since))))
    }

    fn replays(&self, id: GrantId, after: (u32, u32), limit: u32) -> StoreFuture<'_, Vec<Replay>> {
        Box::pin(ready(self.open("read the replays").map(|state| state.replays_after(id, after, limit))))
    }

    fn redemptions(&self, id: GrantId, after: u32, limit: u32) -> StoreFuture<'_, Vec<Redemption>> {
        Box::pin(ready(self.open("read the ledger").map(|state| {
            let rows = state.ledger.get(&id).into_iter().flatten();
            rows.filter(|row| row.ordinal > after).take(limit as usize).cloned().collect()
        })))
    }

    fn ledger(&self, query: LedgerQuery) -> StoreFuture<'_, LedgerPage> {
        Box::pin(ready(self.open("read the ledger").map(|state| state.ledger_page(&query))))
    }

    fn count(&self, now: Timestamp) -> StoreFuture<'_, GrantCounts> {
        Box::pin(ready(self.open("count grants").map(|state| {
            let in_state = |wanted| state.grants.values().filter(|grant| grant.state(now) == wanted).count() as u64;
            GrantCounts {
                open: in_state(GrantState::Open),
                expired: in_state(GrantState::Expired),
                exhausted: in_state(GrantState::Exhausted),
            }
        })))
    }

    fn sweep(&self, cutoff: Timestamp, limit: u32) -> StoreFuture<'_, u32> {
        Box::pin(ready(self.open("sweep old grants").map(|mut state| state.sweep(cutoff, limit))))
    }

    fn revision(&self) -> StoreFuture<'_, Revision> {
        Box::pin(ready(self.open("read the revision").map(|state| Revision(state.revision))))
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(ready(self.open("make a test write").map(drop)))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.state.lock().unwrap().closed = true;
        Box::pin(ready(Ok(())))
    }
}

impl Store for MemoryStore {
    fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    fn advance(&self) -> StoreFuture<'_, Revision> {
        Box::pin(ready(self.open("advance the revision").map(|mut state| state.advance(Vec::new()))))
    }

    fn rollback(&self) -> Option<Rollback> {
        // What is in memory is put back by nobody.
        None
    }

    fn acknowledge_rollback(&self, _: Timestamp) -> StoreFuture<'_, Option<u64>> {
        Box::pin(ready(self.open("acknowledge that the database was put back").map(|_| None)))
    }

    fn find_excess(&self, _: Namespace, _: Wanted) -> StoreFuture<'_, Option<QuotaExceeded>> {
        // It has no quota.
        Box::pin(ready(Ok(None)))
    }

    fn has_lost_its_writer(&self) -> bool {
        false
    }
}
