//! TLS to a PostgreSQL server with a certificate of a CA of its own.

use std::{fs, path::PathBuf, process::Command};

use super::opening::{open, problem};
use crate::store::{
    DatabasePassword, GrantStore as _, PostgresAddress, PostgresServer, PostgresTls, PostgresTlsMode, ServerProblem,
    contract::{
        Files,
        postgres::{Account, Cluster, ClusterOptions, address, shared},
    },
};

/// A CA, and a certificate of it for 127.0.0.1 with its key; removed when dropped.
struct Certificates(PathBuf);

impl Certificates {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("grantd-tls-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&directory).unwrap();
        Account::of_the_server().own(&directory, 0o755);
        let script = "key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'; \
             openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=ca -days 2 && \
             openssl req $key -keyout server.key -out server.csr -subj /CN=database && \
             echo subjectAltName=IP:127.0.0.1 > names && \
             openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -out server.pem -days 2 -extfile names";
        let made = Command::new("sh").args(["-c", script]).current_dir(&directory).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Account::of_the_server().own(&directory.join("server.key"), 0o600);
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn over_tls(cluster: &Cluster, host: &str, mode: PostgresTlsMode, roots: Option<PathBuf>) -> PostgresAddress {
    PostgresAddress {
        server: PostgresServer::Tcp { host: host.to_owned(), port: cluster.port() },
        password: Some(DatabasePassword::new(cluster.password().to_owned())),
        tls: PostgresTls { mode, roots, client: None },
        ..address(cluster, "postgres")
    }
}

#[tokio::test]
async fn the_certificate_of_the_server_is_verified() {
    let certificates = Certificates::new();
    let file = |name| format!("'{}'", certificates.path(name).display());
    let settings = vec![
        "ssl = on".to_owned(),
        format!("ssl_cert_file = {}", file("server.pem")),
        format!("ssl_key_file = {}", file("server.key")),
    ];
    let cluster = Cluster::start(&ClusterOptions { settings, ..ClusterOptions::default() });
    let roots = || Some(certificates.path("ca.pem"));
    let of_host = |host, roots| over_tls(&cluster, host, PostgresTlsMode::VerifyFull, roots);

    assert_eq!(problem(of_host("127.0.0.1", None)).await, ServerProblem::Tls, "nobody trusts this CA");
    assert_eq!(problem(of_host("localhost", roots())).await, ServerProblem::Tls, "the certificate has another name");

    let files = Files::new();
    let store = open(of_host("127.0.0.1", roots()), &files).await.unwrap();
    store.check().await.unwrap();
    let plain = "SELECT COUNT(*) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a ON a.pid = s.pid \
                 WHERE a.application_name LIKE 'grantd%' AND NOT s.ssl";
    assert_eq!(cluster.sql("postgres", plain), "0");
    // The host is not looked at when only the CA is to be verified.
    open(over_tls(&cluster, "localhost", PostgresTlsMode::VerifyCa, roots()), &files).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_when_tls_is_demanded() {
    let demanding = over_tls(shared(), "127.0.0.1", PostgresTlsMode::Require, None);

    assert_eq!(problem(demanding).await, ServerProblem::Tls);
}
