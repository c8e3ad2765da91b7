//! What a database is refused for, and that nothing is changed in it then.

use std::fs;

use sqlx::{PgConnection, Row as _};

use crate::store::{
    DatabasePassword, GrantStore as _, OpenError, PostgresAddress, PostgresServer, ServerProblem,
    contract::{
        Files, new_grant,
        postgres::{Cluster, ClusterOptions, Database, address, options, shared},
        within,
    },
    postgres::{PostgresStore, connection::Setup},
};

pub(super) async fn open(address: PostgresAddress, files: &Files) -> Result<PostgresStore, OpenError> {
    within(PostgresStore::open(options(address, files))).await
}

/// Why the database is refused.
pub(super) async fn problem(address: PostgresAddress) -> ServerProblem {
    let refused = open(address, &Files::new()).await.err();
    let Some(OpenError::Server { problem, .. }) = refused else { panic!("{refused:?}") };
    problem
}

fn own(database: &Database<'_>) -> PostgresAddress {
    address(shared(), &database.name)
}

/// A role that may connect, and nothing else.
fn role(database: &Database<'_>) -> (String, PostgresAddress) {
    let role = format!("role_{}", database.name);
    database.sql(&format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"));
    (role.clone(), PostgresAddress { user: role, ..own(database) })
}

fn tables(database: &Database<'_>) -> String {
    database.sql("SELECT COUNT(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
}

#[tokio::test]
async fn a_server_without_fsync_is_refused() {
    let settings = vec!["fsync = off".to_owned()];
    let cluster = Cluster::start(&ClusterOptions { settings, ..ClusterOptions::default() });

    assert_eq!(problem(address(&cluster, "postgres")).await, ServerProblem::NotDurable);
}

#[tokio::test]
async fn a_standby_is_refused() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.stop();
    fs::write(cluster.socket_directory().join("data/standby.signal"), "").unwrap();
    cluster.start_again();

    assert_eq!(problem(address(&cluster, "postgres")).await, ServerProblem::InRecovery);
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_name_is_refused() {
    let name = format!("{}_ascii", shared().create_database().name);
    shared().sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII'"));

    let found = "SQL_ASCII".to_owned();
    assert_eq!(problem(address(shared(), &name)).await, ServerProblem::Encoding { found });
}

#[tokio::test]
async fn a_user_that_may_not_make_tables_is_told_what_to_grant() {
    let database = shared().create_database();
    let (user, address) = role(&database);

    let problem = problem(address.clone()).await;

    let schema = "public".to_owned();
    assert_eq!(problem, ServerProblem::MayNotCreate { user: user.clone(), schema });
    assert_eq!(tables(&database), "0");
    database.sql(&format!("GRANT CREATE ON SCHEMA public TO {user}"));
    open(address, &Files::new()).await.unwrap();
}

#[tokio::test]
async fn a_user_that_may_not_use_the_tables_is_told_what_to_grant() {
    let (database, files) = (shared().create_database(), Files::new());
    let (user, address) = role(&database);
    open(own(&database), &files).await.unwrap();
    database.sql(&format!("GRANT SELECT ON _sqlx_migrations TO {user}"));

    let problem = problem(address.clone()).await;

    let (schema, table) = ("public".to_owned(), "access_grant".to_owned());
    assert_eq!(problem, ServerProblem::MayNotUse { user: user.clone(), table, schema });
    database.sql(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}"));
    let store = open(address, &files).await.unwrap();
    store.create(new_grant("offer")).await.unwrap();
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why() {
    let database = shared().create_database();
    let tcp = PostgresServer::Tcp { host: "127.0.0.1".to_owned(), port: shared().port() };
    let password = |text: &str| Some(DatabasePassword::new(text.to_owned()));
    let over_tcp = PostgresAddress { server: tcp, password: password("wrong"), ..own(&database) };
    let user = "postgres".to_owned();

    assert_eq!(problem(over_tcp.clone()).await, ServerProblem::Password { user });
    let stranger = PostgresAddress { user: "stranger".to_owned(), ..own(&database) };
    assert_eq!(problem(stranger).await, ServerProblem::User { user: "stranger".to_owned() });
    let elsewhere = address(shared(), "nowhere");
    assert_eq!(problem(elsewhere).await, ServerProblem::NoDatabase { database: "nowhere".to_owned() });
    let closed = PostgresServer::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
    assert_eq!(problem(PostgresAddress { server: closed, ..own(&database) }).await, ServerProblem::Unreachable);
    let right = PostgresAddress { password: password(shared().password()), ..over_tcp };
    open(right, &Files::new()).await.unwrap();
}

#[tokio::test]
async fn a_schema_of_a_newer_grantd_is_refused_and_left_alone() {
    let (database, files) = (shared().create_database(), Files::new());
    open(own(&database), &files).await.unwrap().close().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations SELECT 900, 'x', now(), TRUE, '', 0";
    database.sql(newer);

    let refused = open(own(&database), &files).await.err().unwrap();

    assert!(matches!(refused, OpenError::NewerSchema { found: 900, .. }), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains("use a newer grantd") && text.contains(&database.name), "{text}");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_leaves_a_new_database_empty() {
    let (database, files) = (shared().create_database(), Files::new());
    crate::file::write(&files.key(), b"no key\n", crate::file::Access::Private, crate::file::Existing::Keep).unwrap();

    let refused = open(own(&database), &files).await.err().unwrap();

    assert!(matches!(refused, OpenError::KeyMalformed { .. }), "{refused:?}");
    assert_eq!(tables(&database), "0");
}

#[tokio::test]
async fn a_database_opens_with_its_own_key_only() {
    let (database, files) = (shared().create_database(), Files::new());
    open(own(&database), &files).await.unwrap();

    let missing = open(own(&database), &Files::new()).await.err().unwrap();
    let other = Files::new();
    open(own(&shared().create_database()), &other).await.unwrap();
    let wrong = open(own(&database), &other).await.err().unwrap();

    assert!(matches!(missing, OpenError::KeyMissing { .. }), "{missing:?}");
    assert!(matches!(wrong, OpenError::WrongKey { .. }), "{wrong:?}");
    open(own(&database), &files).await.unwrap();
}

#[tokio::test]
async fn processes_that_open_a_new_database_at_once_all_succeed() {
    let (database, files) = (shared().create_database(), Files::new());
    let open = || open(own(&database), &files);

    let (first, second, third) = tokio::join!(open(), open(), open());

    for store in [first, second, third] {
        store.unwrap().check().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_waits_for_the_disk_whatever_the_database_says() {
    let database = shared().create_database();
    database.sql(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name));
    let show = async |connection: &mut PgConnection| {
        let row = sqlx::query("SELECT current_setting('synchronous_commit')").fetch_one(connection).await.unwrap();
        row.try_get::<String, _>(0).unwrap()
    };
    let setup = Setup::new(own(&database));

    assert_eq!(show(&mut setup.open_writer().await.unwrap()).await, "on");

    // More than that is left as it is.
    database.sql(&format!("ALTER DATABASE {} SET synchronous_commit = remote_apply", database.name));
    assert_eq!(show(&mut setup.open_writer().await.unwrap()).await, "remote_apply");
}
