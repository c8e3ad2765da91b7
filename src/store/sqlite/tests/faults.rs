//! Rows, locks and disks that fail while the store runs.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use sqlx::{AssertSqlSafe, Row as _};
use tokio::task::JoinSet;

use super::{raw, run};
use crate::{
    grant::{CertificateRecord, Grant},
    store::{
        CommitError, CommitOutcome, CommitReport, CorruptRow, GrantQuery, GrantStore, LedgerQuery, NewGrant, OnCommit,
        PageLimit, Store, StoreError, StoreFailure, UpdateError,
        contract::{Bench, Files, SqliteBench, admission, certificate, change, commit, new_grant, within},
        sql::statements,
        sqlite::{SqliteOptions, SqliteStore, connection::Setup, redeem},
    },
};

async fn create(bench: &SqliteBench, name: &str) -> Grant {
    bench.store.create(NewGrant { allowed: 100, ..new_grant(name) }).await.unwrap()
}

/// Breaks the grant `broken` by this statement.
async fn break_by(bench: &SqliteBench, statement: &'static str) {
    let mut raw = raw(&bench.files).await;
    run(&mut raw, "PRAGMA ignore_check_constraints = ON").await.unwrap();
    run(&mut raw, statement).await.unwrap();
}

#[tokio::test]
async fn a_corrupt_row_is_reported_as_such_and_harms_no_other() {
    for (statement, column) in [
        ("UPDATE access_grant SET sealed_code = zeroblob(60) WHERE name = 'broken'", "sealed_code"),
        ("UPDATE access_grant SET sealed_metadata = zeroblob(60) WHERE name = 'broken'", "sealed_metadata"),
        ("UPDATE access_grant SET redemptions = 101 WHERE name = 'broken'", "redemptions"),
        ("UPDATE access_grant SET redemptions_allowed = -1 WHERE name = 'broken'", "redemptions_allowed"),
        ("UPDATE access_grant SET expires_at = -1 WHERE name = 'broken'", "expires_at"),
        ("UPDATE access_grant SET code_origin = 'found' WHERE name = 'broken'", "code_origin"),
        ("UPDATE access_grant SET issuer = 'No Issuer' WHERE name = 'broken'", "issuer"),
        ("UPDATE access_grant SET expiration_window = '' WHERE name = 'broken'", "expiration_window"),
    ] {
        let bench = SqliteBench::fresh().await;
        let (broken, sound) = (create(&bench, "broken").await, create(&bench, "sound").await);
        break_by(&bench, statement).await;

        let error = bench.store.get(broken.id).await.unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { what, .. } if *what == column), "{column}: {error:?}");
        assert!(bench.store.get(sound.id).await.unwrap().is_some());
        let page = bench.store.list(GrantQuery::default()).await.unwrap();
        assert_eq!(page.grants.len(), 1);
        assert_eq!(page.corrupt, [CorruptRow { id: broken.id.to_string(), what: column }]);
        let deleted = bench.store.delete(broken.namespace.clone(), broken.name.clone(), None).await.unwrap();
        assert_eq!(deleted.unwrap().id, broken.id.to_string());
    }
}

#[tokio::test]
async fn a_page_goes_on_past_names_that_are_none() {
    let bench = SqliteBench::fresh().await;
    for name in ["a", "b", "c", "d"] {
        create(&bench, name).await;
    }
    break_by(&bench, "UPDATE access_grant SET name = 'b_' WHERE name = 'b'").await;
    break_by(&bench, "UPDATE access_grant SET uid = 'no uid' WHERE name = 'c'").await;
    let (mut names, mut corrupt) = (Vec::new(), Vec::new());
    let mut query = GrantQuery { limit: PageLimit::at_most(1), ..GrantQuery::default() };
    for _ in 0..10 {
        let page = bench.store.list(query.clone()).await.unwrap();
        names.extend(page.grants.iter().map(|grant| grant.name.to_string()));
        corrupt.extend(page.corrupt.into_iter().map(|row| row.what));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!((names, corrupt), (vec!["a".to_owned(), "d".to_owned()], vec!["name", "uid"]));
}

#[tokio::test]
async fn the_ledger_goes_on_past_rows_that_name_no_place() {
    let bench = SqliteBench::fresh().await;
    let grant = create(&bench, "a").await;
    for _ in 0..2 {
        commit(&*bench.store, admission(&grant, 1500), certificate()).await.unwrap();
    }
    // One before all others, one between, and one after them.
    let (first, between, last) = ("!".repeat(36), grant.id.to_string(), "z".repeat(36));
    for (uid, ordinal) in [(first, "1"), (between, "ordinal + 10000000000"), (last, "1")] {
        let insert = format!(
            "INSERT INTO redemption SELECT '{uid}', {ordinal}, grant_namespace, grant_name, redeemed_at, link_name, subject, \
             peer, randomblob(16), key_fingerprint, not_after FROM redemption WHERE ordinal = 1 LIMIT 1"
        );
        let mut raw = raw(&bench.files).await;
        run(&mut raw, "PRAGMA ignore_check_constraints = ON").await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut raw).await.unwrap();
    }
    let (mut ordinals, mut corrupt) = (Vec::new(), Vec::new());
    let mut query = LedgerQuery { limit: PageLimit::at_most(1), ..LedgerQuery::default() };
    for _ in 0..10 {
        let page = bench.store.ledger(query.clone()).await.unwrap();
        ordinals.extend(page.entries.iter().map(|entry| entry.redemption.ordinal));
        corrupt.extend(page.corrupt.into_iter().map(|row| row.what));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!((ordinals, corrupt), (vec![1, 2], vec!["grant_uid", "ordinal", "grant_uid"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redemptions_of_a_corrupt_grant_take_no_others_with_them() {
    let bench = SqliteBench::fresh().await;
    let (broken, sound) = (create(&bench, "broken").await, create(&bench, "sound").await);
    break_by(&bench, "UPDATE access_grant SET redemptions = -5 WHERE name = 'broken'").await;

    let mut tasks = JoinSet::new();
    for number in 0..60 {
        let (store, grant) = (bench.store(), if number % 2 == 0 { broken.clone() } else { sound.clone() });
        tasks.spawn(async move { commit(&*store, admission(&grant, 1500), certificate()).await });
    }
    let outcomes = within(tasks.join_all()).await;

    let corrupt = |outcome: &Result<_, _>| matches!(outcome, Err(CommitError::Store(StoreError::Corrupt { .. })));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 30);
    assert_eq!(outcomes.iter().filter(|outcome| corrupt(outcome)).count(), 30);
    assert_eq!(bench.store.get(sound.id).await.unwrap().unwrap().allowance.made(), 30);
    assert!(bench.store.redemptions(broken.id, 0, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_update_of_a_corrupt_grant_changes_nothing() {
    let bench = SqliteBench::fresh().await;
    let broken = create(&bench, "broken").await;
    break_by(&bench, "UPDATE access_grant SET sealed_code = zeroblob(60) WHERE name = 'broken'").await;
    let revision = bench.store.revision().await.unwrap();

    let updated = bench.store.update(broken.id, broken.revision, change(&broken)).await;

    assert!(matches!(updated, Err(UpdateError::Store(StoreError::Corrupt { .. }))), "{updated:?}");
    assert_eq!(bench.store.revision().await.unwrap(), revision);
    let still = bench.store.delete(broken.namespace.clone(), broken.name.clone(), Some(broken.revision)).await;
    assert!(still.unwrap().is_some(), "the row was changed");
}

#[tokio::test]
async fn the_schema_refuses_to_change_the_ledger_or_to_turn_the_revision_back() {
    let bench = SqliteBench::fresh().await;
    let grant = create(&bench, "offer").await;
    commit(&*bench.store, admission(&grant, 1500), certificate()).await.unwrap();
    let mut raw = raw(&bench.files).await;
    for statement in [
        "UPDATE redemption SET subject = 'other'",
        "DELETE FROM redemption",
        "UPDATE store_state SET revision = revision - 1",
        "DELETE FROM store_state",
        "INSERT INTO store_state (only_row, revision, heartbeat) VALUES (2, 1, 0)",
        "UPDATE access_grant SET redemptions = redemptions_allowed + 1",
        "UPDATE access_grant SET redemptions = -1",
        "UPDATE access_grant SET redemptions = 'many'",
        "INSERT INTO redemption SELECT grant_uid, 1, grant_namespace, grant_name, redeemed_at, link_name, subject, peer, \
         randomblob(16), key_fingerprint, not_after FROM redemption",
    ] {
        assert!(run(&mut raw, statement).await.is_err(), "{statement}");
    }
}

/// A store, and a report of each of its commits.
async fn reporting(files: &Files) -> (SqliteStore, Arc<Mutex<Vec<CommitReport>>>) {
    let reports = Arc::new(Mutex::new(Vec::<CommitReport>::new()));
    let sink = Arc::clone(&reports);
    let on_commit = Box::new(move |report| sink.lock().unwrap().push(report));
    (SqliteStore::open(SqliteOptions { on_commit, ..files.options() }).await.unwrap(), reports)
}

/// Redeems once with each certificate, all of them being in the queue before the writer runs.
async fn redeem_at_once(
    store: &SqliteStore,
    grant: &Grant,
    certificates: impl Iterator<Item = CertificateRecord>,
) -> Vec<Result<u32, CommitError>> {
    let mut waiting: Vec<_> = certificates.map(|record| commit(store, admission(grant, 1500), record)).collect();
    for future in &mut waiting {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let mut answers = Vec::new();
    for future in waiting {
        answers.push(within(future).await.map(|receipt| receipt.ordinal()));
    }
    answers
}

#[tokio::test]
async fn waiting_writes_share_a_commit() {
    let files = Files::new();
    let (store, reports) = reporting(&files).await;
    let grant = store.create(NewGrant { allowed: 100, ..new_grant("offer") }).await.unwrap();
    reports.lock().unwrap().clear();

    let answers = redeem_at_once(&store, &grant, (0..100).map(|_| certificate())).await;

    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let reports = reports.lock().unwrap();
    assert_eq!(reports.iter().map(|report| report.batch).sum::<usize>(), 100);
    assert!(reports.len() <= 2, "{} commits", reports.len());
    assert!(reports.iter().all(|report| report.outcome == CommitOutcome::Committed));
}

#[tokio::test]
async fn a_redemption_that_breaks_a_rule_costs_the_others_few_commits() {
    let files = Files::new();
    let (store, reports) = reporting(&files).await;
    let grant = store.create(NewGrant { allowed: 200, ..new_grant("offer") }).await.unwrap();
    let used = certificate();
    commit(&store, admission(&grant, 1500), used).await.unwrap();
    reports.lock().unwrap().clear();

    let answers =
        redeem_at_once(&store, &grant, (0..100).map(|number| if number == 42 { used } else { certificate() })).await;

    assert!(answers[42].is_err());
    let ordinals: Vec<u32> = answers.into_iter().filter_map(Result::ok).collect();
    assert_eq!(ordinals, (2..=100).collect::<Vec<_>>());
    let commits = reports.lock().unwrap().len();
    assert!(commits <= 12, "{commits} commits");
}

#[tokio::test]
async fn redemptions_that_fail_after_their_ledger_rows_leave_no_trace() {
    let files = Files::new();
    let (store, _) = reporting(&files).await;
    let grant = store.create(NewGrant { allowed: 200, ..new_grant("offer") }).await.unwrap();
    let revision = store.revision().await.unwrap();
    let mut raw = raw(&files).await;
    for fault in ["RAISE(ABORT, 'fault')", "RAISE(FAIL, 'fault')", "RAISE(ROLLBACK, 'fault')"] {
        let trigger =
            format!("CREATE TRIGGER fault BEFORE UPDATE OF redemptions ON access_grant BEGIN SELECT {fault}; END");
        sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&mut raw).await.unwrap();

        let answers = redeem_at_once(&store, &grant, (0..20).map(|_| certificate())).await;

        assert!(answers.iter().all(Result::is_err), "{fault}: {answers:?}");
        assert!(store.redemptions(grant.id, 0, 1000).await.unwrap().is_empty(), "{fault}");
        assert_eq!(store.revision().await.unwrap(), revision, "{fault}");
        assert!(store.changes().since(revision).unwrap().is_empty(), "{fault}");
        run(&mut raw, "DROP TRIGGER fault").await.unwrap();
    }
    let answers = redeem_at_once(&store, &grant, (0..20).map(|_| certificate())).await;
    let ordinals: Vec<u32> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(ordinals, (1..=20).collect::<Vec<_>>());
    assert_eq!(store.changes().since(revision).unwrap().len(), 20);
}

#[tokio::test]
async fn a_write_lock_held_elsewhere_makes_writes_fail_and_reads_go_on() {
    let bench = SqliteBench::fresh().await;
    let grant = create(&bench, "offer").await;
    let mut raw = raw(&bench.files).await;
    run(&mut raw, "BEGIN IMMEDIATE").await.unwrap();

    let check = within(bench.store.check()).await;
    assert!(matches!(check, Err(StoreError::Unavailable { source: StoreFailure::Database(_), .. })), "{check:?}");
    assert!(bench.store.get(grant.id).await.unwrap().is_some());

    run(&mut raw, "ROLLBACK").await.unwrap();
    bench.store.check().await.unwrap();
}

#[tokio::test]
async fn more_writes_than_the_queue_holds_are_refused_at_once() {
    let bench = SqliteBench::fresh().await;
    let mut raw = raw(&bench.files).await;
    run(&mut raw, "BEGIN IMMEDIATE").await.unwrap();

    let mut waiting: Vec<_> = (0..2000).map(|_| bench.store.check()).collect();
    let mut refused = 0;
    for future in &mut waiting {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            assert!(matches!(answer, Err(StoreError::Unavailable { source: StoreFailure::Overloaded, .. })));
            refused += 1;
        }
    }
    assert_eq!(refused, 2000 - 1024);

    run(&mut raw, "ROLLBACK").await.unwrap();
    let first = waiting.swap_remove(0);
    drop(waiting);
    within(first).await.unwrap();
    within(bench.store.check()).await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_written_fails_the_check_and_can_be_read() {
    let bench = SqliteBench::fresh().await;
    let grant = create(&bench, "offer").await;
    bench.store.close().await.unwrap();
    let setup = Setup::new(&bench.files.database()).with_writer_pragmas(&["PRAGMA query_only = ON"]);
    let store = SqliteStore::open_with(bench.files.options(), setup).await.unwrap();

    assert!(matches!(store.check().await, Err(StoreError::Unavailable { .. })));
    assert!(commit(&store, admission(&grant, 1500), certificate()).await.is_err());
    assert_eq!(store.get(grant.id).await.unwrap().unwrap().allowance.made(), 0);
}

#[tokio::test]
async fn no_statement_reads_the_whole_table() {
    let bench = SqliteBench::fresh().await;
    let mut raw = raw(&bench.files).await;
    for statement in [
        statements::GET,
        statements::FIND,
        statements::LIST,
        statements::LIST_NAMESPACE,
        statements::COUNT_LISTED,
        statements::COUNT_LISTED_NAMESPACE,
        statements::COUNT,
        statements::REDEMPTIONS,
        statements::LEDGER,
        statements::TOUCH_GRANT,
        statements::LAST_REDEMPTION,
        statements::UPDATE,
        statements::DELETE,
        statements::SWEEP_EXPIRED,
        statements::SWEEP_USED_UP,
        statements::METADATA_AT,
        statements::OBJECT,
        statements::OBJECTS,
        statements::OBJECTS_NAMESPACE,
        statements::COUNT_OBJECTS,
        statements::COUNT_OBJECTS_NAMESPACE,
        statements::OBJECT_STATE,
        statements::UPDATE_OBJECT,
        statements::DELETE_OBJECT,
    ]
    .iter()
    .chain(redeem::STATEMENTS)
    {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        for step in sqlx::query(explain).fetch_all(&mut raw).await.unwrap() {
            let step: String = step.get("detail");
            // A batch of redemptions sorts its own attempts, not a table.
            if statement.contains("json_each") && step.starts_with("USE TEMP B-TREE") {
                continue;
            }
            let whole = ["SCAN access_grant", "SCAN redemption", "SCAN object", "USE TEMP B-TREE"];
            // The names of the tables in the statements of a batch of redemptions.
            let whole = whole.iter().any(|bad| step.starts_with(bad)) || ["SCAN g", "SCAN r"].contains(&&*step);
            assert!(!whole || step.ends_with("access_grant_used_up"), "{statement}: {step}");
        }
    }
}

/// The report of a commit is made on the writer's task, so a panic in it ends that task.
#[tokio::test]
async fn a_writer_that_panicked_is_known_and_one_that_was_closed_is_not_taken_for_it() {
    let files = Files::new();
    let store = SqliteStore::open(files.options()).await.unwrap();
    store.check().await.unwrap();
    store.close().await.unwrap();
    assert!(!store.has_lost_its_writer());
    drop(store);

    let on_commit: OnCommit = Box::new(|_| panic!("the test wants this panic"));
    let store = SqliteStore::open(SqliteOptions { on_commit, ..files.options() }).await.unwrap();
    assert!(!store.has_lost_its_writer());

    store.check().await.unwrap_err();

    within(store.close()).await.unwrap_err();
    assert!(store.has_lost_its_writer());
}
