//! TLS to the database: verified by default, and refused with a sentence when it cannot be.

use std::{fs, time::Duration};

use grantd::{
    pki::{CaKeyType, make_ca, make_serving},
    time::Clock,
};

use super::{
    cluster::{Cluster, ClusterOptions},
    start::refused,
};
use crate::{
    server::{Scratch, Server},
    wire::Client,
};

/// The certificate of a CA, and of a server that it signed for this host, with its key.
fn certificates(host: &str) -> (String, (String, String)) {
    let now = Clock::system().now();
    let ca = make_ca("databases", CaKeyType::default(), now).unwrap();
    let hosts = [host.parse().unwrap()];
    let year = Duration::from_secs(365 * 24 * 3600);
    let (certificate, key) =
        make_serving(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), &hosts, now, year).unwrap();
    (ca.certificate_pem, (certificate, key.expose().to_owned()))
}

/// A cluster that is reached over TLS alone.
fn cluster_for(host: &str) -> (String, Cluster) {
    let (ca, certificate) = certificates(host);
    let access = vec!["hostssl all all 127.0.0.1/32 scram-sha-256".to_owned()];
    (ca, Cluster::start(&ClusterOptions { certificate: Some(certificate), access, ..Default::default() }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_issued_and_redeemed_over_a_verified_connection() {
    let (ca, cluster) = cluster_for("127.0.0.1");
    let (database, scratch) = (cluster.create_database(), Scratch::new());
    fs::write(scratch.file("ca.pem"), ca).unwrap();
    let url = format!("{}?sslrootcert={}", database.url(), scratch.file("ca.pem").display());
    let server = Server::start_under(&format!("export PGPASSWORD={}", cluster.password()), &["--database", &url]);

    let token = server.issue(1);
    let answer = Client::new(server.redeem, &token).redeem(&token, "east").await.unwrap();

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.ledger(&token).len(), 1);
    let connections = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'grantd%'";
    assert_eq!(database.sql(&format!("SELECT count(*) > 0 AND bool_and(ssl) {connections}")), "t");
}

#[test]
fn a_server_that_is_not_the_one_in_the_url_or_speaks_no_tls_is_refused() {
    let (ca, cluster) = cluster_for("elsewhere.example.com");
    let (database, scratch) = (cluster.create_database(), Scratch::new());
    let (other_ca, _) = certificates("127.0.0.1");
    let file = |name: &str, text: &str| {
        fs::write(scratch.file(name), text).unwrap();
        scratch.file(name).to_str().unwrap().to_owned()
    };
    let (ca, other_ca) = (file("ca.pem", &ca), file("other.pem", &other_ca));
    let plain = Cluster::start(&ClusterOptions::default());
    let without_tls = format!("{}?sslmode=require", plain.create_database().url());

    for (url, what) in [
        (format!("{}?sslrootcert={ca}", database.url()), "another host"),
        (format!("{}?sslrootcert={other_ca}", database.url()), "another CA"),
        (format!("{}?sslmode=verify-full", database.url()), "no public CA"),
        (without_tls, "no TLS"),
    ] {
        let said = refused(&scratch, &["--database", &url], &[("PGPASSWORD", cluster.password())]);
        assert!(said.contains("no trusted TLS connection"), "{what}: {said}");
    }
    let said = refused(&scratch, &["--database", &database.url()], &[("PGPASSWORD", cluster.password())]);
    assert!(said.contains("pg_hba.conf"), "{said}");
    assert!(!scratch.file("data").exists());
}
