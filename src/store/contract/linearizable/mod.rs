//! Property test: whatever runs at the same time, the answers are those of some order, one operation after the other, in
//! which each operation takes effect between its call and its answer (linearizability, Herlihy and Wing 1990).
//!
//! Clients run on one thread and yield to each other as a random schedule says, so that the group commit gets batches of
//! all compositions: full ones, halved ones because one redemption breaks a rule, and ones from which a client has gone.
//! The database's own thread adds what no schedule says.

mod history;
mod specification;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
};

use proptest::{collection::vec, prelude::*, sample::select};

use self::{
    history::{Call, is_linearizable},
    specification::{Answer, Operation},
};
use super::{
    Bench, MemoryBench, SqliteBench, admission, certificate, change, commit, new_grant, postgres::PostgresBench, within,
};
use crate::{
    grant::{Allowance, CertificateRecord, Grant},
    store::{CommitError, GrantChange, GrantStore, Store, StoreError, UpdateError},
};

/// One call of a client, after it has let others run this often. A client may hang up after some turns of its call.
#[derive(Debug, Clone, Copy)]
struct Step {
    operation: Operation,
    yields: u8,
    hangs_up_after: Option<u8>,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => Just(Operation::Redeem),
        2 => Just(Operation::RedeemLate),
        2 => Just(Operation::RedeemWithUsedSerial),
        4 => Just(Operation::Read),
        2 => (1..5_u32).prop_map(Operation::Allow),
        1 => Just(Operation::Delete),
    ]
}

/// Two to five clients, each with its steps.
fn clients() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let hangs_up_after = prop_oneof![5 => Just(None), 1 => select(vec![0_u8, 1, 2, 4, 8]).prop_map(Some)];
    let step = (operation(), 0..4_u8, hangs_up_after).prop_map(|(operation, yields, hangs_up_after)| Step {
        operation,
        yields,
        hangs_up_after,
    });
    vec(vec(step, 1..5), 2..6)
}

/// The answer, or `None` if the client hung up before.
async fn until_hung_up(call: impl Future<Output = Answer>, turns: Option<u8>) -> Option<Answer> {
    let Some(turns) = turns else { return Some(call.await) };
    let mut call = pin!(call);
    for _ in 0..=turns {
        let answer = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        if let Poll::Ready(answer) = answer {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

async fn redeem(store: &impl Store, grant: &Grant, seconds: i64, record: CertificateRecord) -> Answer {
    match commit(store, admission(grant, seconds), record).await {
        Ok(receipt) => Answer::Counted(receipt.ordinal()),
        Err(CommitError::Expired) => Answer::Expired,
        Err(CommitError::Exhausted) => Answer::Exhausted,
        Err(CommitError::Gone) => Answer::Gone,
        Err(CommitError::Store(StoreError::Corrupt { .. })) => Answer::BreaksARule,
        Err(other @ (CommitError::Store(_) | CommitError::KnownKey | CommitError::NotRepeatable)) => {
            panic!("{other:?}")
        }
    }
}

async fn answer(store: &impl Store, grant: &Grant, used: CertificateRecord, operation: Operation) -> Answer {
    match operation {
        Operation::Redeem => redeem(store, grant, 1500, certificate()).await,
        Operation::RedeemLate => redeem(store, grant, 2500, certificate()).await,
        Operation::RedeemWithUsedSerial => redeem(store, grant, 1500, used).await,
        Operation::Read => match store.get(grant.id).await.unwrap() {
            Some(grant) => Answer::Made { allowed: grant.allowance.allowed(), made: grant.allowance.made() },
            None => Answer::Gone,
        },
        Operation::Allow(allowed) => {
            let Some(current) = store.get(grant.id).await.unwrap() else { return Answer::Gone };
            let Ok(allowance) = Allowance::new(allowed.max(current.allowance.made()), 0) else {
                return Answer::Conflict;
            };
            let wanted = GrantChange { allowance, ..change(&current) };
            match store.update(grant.id, current.revision, wanted).await {
                Ok(grant) => Answer::Made { allowed: grant.allowance.allowed(), made: grant.allowance.made() },
                Err(UpdateError::Gone) => Answer::Gone,
                Err(UpdateError::Conflict) => Answer::Conflict,
                Err(other @ (UpdateError::Quota(_) | UpdateError::Store(_))) => panic!("{other:?}"),
            }
        }
        Operation::Delete => match store.delete(grant.namespace.clone(), grant.name.clone(), None).await.unwrap() {
            Some(_) => Answer::Deleted,
            None => Answer::Gone,
        },
    }
}

/// Lets all clients run to their end, and checks what they saw, and what is left.
async fn run<B: Bench>(allowed: u32, clients: Vec<Vec<Step>>) {
    let bench = B::fresh().await;
    let store = bench.store();
    let mut new = new_grant("offer");
    new.allowed = allowed;
    let grant = store.create(new).await.unwrap();
    let other = store.create(new_grant("other")).await.unwrap();
    let used = certificate();
    commit(&*store, admission(&other, 1500), used).await.unwrap();

    let clock = Arc::new(AtomicU32::new(0));
    let history = Arc::new(Mutex::new(Vec::new()));
    let mut running = tokio::task::JoinSet::new();
    for steps in clients {
        let (store, grant, clock, history) = (bench.store(), grant.clone(), Arc::clone(&clock), Arc::clone(&history));
        running.spawn(async move {
            for Step { operation, yields, hangs_up_after } in steps {
                for _ in 0..yields {
                    tokio::task::yield_now().await;
                }
                let called = clock.fetch_add(1, Ordering::SeqCst);
                let answer = until_hung_up(answer(&*store, &grant, used, operation), hangs_up_after).await;
                let answered = clock.fetch_add(1, Ordering::SeqCst);
                history.lock().unwrap().push(Call { operation, called, answer: answer.map(|a| (answered, a)) });
            }
        });
    }
    running.join_all().await;
    // The writer takes its queue in order: after this, those that hung up are carried out, or never will be.
    store.advance().await.unwrap();

    let mut history = std::mem::take(&mut *history.lock().unwrap());
    let called = clock.fetch_add(1, Ordering::SeqCst);
    let last = answer(&*store, &grant, used, Operation::Read).await;
    let answered = clock.fetch_add(1, Ordering::SeqCst);
    history.push(Call { operation: Operation::Read, called, answer: Some((answered, last)) });
    assert!(is_linearizable(allowed, &history), "no order explains this: {history:#?}");

    let ordinals: Vec<u32> =
        store.redemptions(grant.id, 0, 1000).await.unwrap().iter().map(|row| row.ordinal).collect();
    let rows = u32::try_from(ordinals.len()).unwrap();
    assert_eq!(ordinals, (1..=rows).collect::<Vec<_>>());
    if let Answer::Made { made, .. } = last {
        assert_eq!(rows, made, "the ledger and the count differ");
    }
    store.close().await.unwrap();
}

fn one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(within(test));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn concurrent_operations_on_sqlite_are_answered_as_if_one_came_after_the_other(
        allowed in 1..5_u32,
        clients in clients(),
    ) {
        one_thread(run::<SqliteBench>(allowed, clients));
    }

    #[test]
    fn concurrent_operations_on_postgresql_are_answered_as_if_one_came_after_the_other(
        allowed in 1..5_u32,
        clients in clients(),
    ) {
        one_thread(run::<PostgresBench>(allowed, clients));
    }

    #[test]
    fn concurrent_operations_on_memory_are_answered_as_if_one_came_after_the_other(
        allowed in 1..5_u32,
        clients in clients(),
    ) {
        one_thread(run::<MemoryBench>(allowed, clients));
    }
}
