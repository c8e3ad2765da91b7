//! kubectl while the server's store fails.

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::{Kubectl, versions};
use crate::faults::database;

/// Renames all tables, so that every query of the server fails.
async fn fail(store: &mut SqliteConnection) {
    rename(store, "SELECT name, 'lost_' || name FROM sqlite_master").await;
}

async fn recover(store: &mut SqliteConnection) {
    rename(store, "SELECT name, substr(name, length('lost_') + 1) FROM sqlite_master").await;
}

async fn rename(store: &mut SqliteConnection, names: &'static str) {
    let tables = format!("{names} WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    let mut change = store.begin().await.unwrap();
    let tables: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(tables)).fetch_all(&mut *change).await.unwrap();
    for (from, to) in tables {
        sqlx::query(AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"))).execute(&mut *change).await.unwrap();
    }
    change.commit().await.unwrap();
}

/// Pitfall 25: otherwise each command prints errors of discovery before its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discovery_is_served_while_the_store_fails() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        fail(&mut database(&kubectl.server).await).await;
        std::fs::remove_dir_all(kubectl.home.file("cache")).unwrap();

        for arguments in
            [&["api-resources"][..], &["api-versions"], &["explain", "gr.spec"], &["version"], &["auth", "whoami"]]
        {
            let (printed, warned) = kubectl.says_and_warns(arguments).await;
            let skew = warned.lines().all(|line| line.starts_with("WARNING: "));
            assert!(!printed.is_empty() && skew, "{arguments:?}: {warned}");
        }
        for path in ["/api", "/api/v1", "/apis", "/apis/skupper.io", "/apis/skupper.io/v2alpha1", "/openapi/v3"] {
            assert!(kubectl.says(&["get", "--raw", path]).await.starts_with('{'), "{path}");
        }
        assert_eq!(kubectl.says(&["get", "--raw", "/openapi/v2"]).await, "");
    }
}

/// Pitfall 20: kubectl tries again after the time of `Retry-After`, and prints nothing about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_cannot_do_now_is_asked_for_again_until_it_can() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let mut store = database(&kubectl.server).await;
        fail(&mut store).await;

        let get = ["get", "gr", "-o", "name"];
        let (got, ()) = tokio::join!(kubectl.says_and_warns(&get), async {
            kubectl.until_asked("code=\"5xx\"").await;
            recover(&mut store).await;
        });

        assert_eq!(got, ("accessgrant.skupper.io/west\n".to_owned(), String::new()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_cannot_do_at_all_is_an_error_in_the_end() {
    let kubectl = Kubectl::start(versions().pop().unwrap()).await.with_grant().await;
    fail(&mut database(&kubectl.server).await).await;

    let printed = kubectl.complains(&["get", "gr"]).await;

    let expected = "Error from server (ServiceUnavailable): the grant store did not answer, please try again later\n";
    assert_eq!(printed, expected);
}
