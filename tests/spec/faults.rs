//! A failure of the store makes one request fail, not the server; mistakes of an operator are reported before anything
//! is created.

use std::{fs, time::Duration};

use grantd::{
    file::{Access, Existing, write},
    pki::{CaKeyType, make_ca},
    time::{Clock, Timestamp},
};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    server::{Scratch, Server, grantd, wait_until},
    wire::Client,
};

/// The database of a server, opened by another process.
pub(crate) async fn database(server: &Server) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(server.data_dir.join("grantd.db")))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_write_answers_503_counts_nothing_and_recovers() {
    let server = Server::start();
    let token = server.issue(2);
    let client = Client::new(server.redeem, &token);
    let mut intruder = database(&server).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut intruder).await.unwrap();

    let answer = client.redeem(&token, "east").await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (503, "Internal error\n"));
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    let (status, report) = server.observe("/readyz");
    assert_eq!(status, 503, "{report}");
    assert!(report.contains("[-]store"), "{report}");
    assert_eq!(server.observe("/livez").0, 200);

    sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
    assert_eq!(server.grant(&token)["status"]["redemptions"], 1);
    // Readiness is looked at again after a second.
    wait_until("it is ready again", || server.observe("/readyz").0 == 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_grant_answers_for_itself_alone() {
    let server = Server::start();
    let (broken, whole) = (server.issue(1), server.issue(1));
    let uid = broken.url.rsplit('/').next().unwrap().to_owned();
    let mut intruder = database(&server).await;
    sqlx::query("UPDATE access_grant SET sealed_code = randomblob(53) WHERE uid = $1")
        .bind(&uid)
        .execute(&mut intruder)
        .await
        .unwrap();

    let answer = Client::new(server.redeem, &broken).redeem(&broken, "east").await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (500, "Corrupted claim\n"));
    assert!(server.log().contains(&uid), "the log does not name the row");
    assert_eq!(Client::new(server.redeem, &whole).redeem(&whole, "east").await.unwrap().status, 200);
    let list = server.ok(&["grant", "list"]);
    assert!(list.contains(whole.name.as_str()), "{list}");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    let output =
        server.command(&["serve", "--listen", "127.0.0.1:0", "--observe-listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("grantd.lock"), "{said}");
}

#[test]
fn all_faults_of_a_configuration_are_reported_and_nothing_is_created() {
    let scratch = Scratch::new();
    let data = scratch.file("data");
    let output = grantd(["--data-dir", data.to_str().unwrap(), "serve"])
        .args(["--listen", "nowhere", "--public-url", "http://x", "--issuer-cert", "a.pem"])
        .env("GRANTD_RETENTION", "soon")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr);
    for fault in ["--listen", "--public-url", "--issuer-key", "GRANTD_RETENTION"] {
        assert!(said.contains(fault), "{fault} is not reported: {said}");
    }
    assert!(!data.exists());
}

#[test]
fn a_key_of_another_certificate_is_reported_with_its_file_and_nothing_is_created() {
    let other = Server::start();
    let scratch = Scratch::new();
    let data = scratch.file("data");
    let pair = other.data_dir.join("issuers/default/skupper-site-ca");
    let wrong_key = other.data_dir.join("server-ca/tls.key");
    let output = grantd(["--data-dir", data.to_str().unwrap(), "serve", "--issuer-cert"])
        .arg(pair.join("tls.crt"))
        .arg("--issuer-key")
        .arg(&wrong_key)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(wrong_key.to_str().unwrap()), "{said}");
    assert!(!data.exists());
}

#[test]
fn a_key_that_every_user_may_read_is_refused_with_its_mode_and_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    write_issuer(&scratch, Clock::system().now());
    let key = scratch.file("tls.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();

    let output = grantd(["--data-dir", scratch.file("data").to_str().unwrap(), "serve", "--issuer-cert"])
        .arg(scratch.file("tls.crt"))
        .arg("--issuer-key")
        .arg(&key)
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    let remedy = format!("its mode 0644 lets every user read or change it: 'chmod 600 {}'", key.display());
    assert!(said.contains(&remedy) && said.contains("defaultMode: 0400"), "{said}");
    assert!(!scratch.file("data").exists());
}

#[test]
fn an_issuer_that_changes_on_disk_signs_from_then_on() {
    let (first, second) = (Server::start(), Server::start());
    let scratch = Scratch::new();
    let copy = |from: &Server| {
        for name in ["tls.crt", "tls.key"] {
            let source = from.data_dir.join("issuers/default/skupper-site-ca").join(name);
            fs::copy(source, scratch.file(name)).unwrap();
        }
    };
    copy(&first);
    let (certificate, key) = (scratch.file("tls.crt"), scratch.file("tls.key"));
    let server =
        Server::start_with(&["--issuer-cert", certificate.to_str().unwrap(), "--issuer-key", key.to_str().unwrap()]);
    copy(&second);
    server.wait_for_log("issuer reloaded");
    server.ok(&["token", "issue", "t.yaml"]);
    server.ok(&["token", "redeem", "t.yaml"]);
    let secret = fs::read_dir(server.scratch().path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("Secret-"))
        .unwrap();
    let new_ca = fs::read_to_string(&certificate).unwrap();
    let bundle: serde_json::Value = serde_saphyr::from_str(&fs::read_to_string(secret).unwrap()).unwrap();
    let served = bundle["data"]["ca.crt"].as_str().unwrap();
    use base64::{Engine, engine::general_purpose::STANDARD};
    assert_eq!(served, STANDARD.encode(new_ca));
}

/// The certificate and key of a CA, dated as if made at another time than now.
fn write_issuer(scratch: &Scratch, made: Timestamp) {
    let ca = make_ca("site CA", CaKeyType::EcdsaP256, made).unwrap();
    for (name, text) in [("tls.key", ca.key.expose()), ("tls.crt", &ca.certificate_pem)] {
        write(&scratch.file(name), text.as_bytes(), Access::Private, Existing::Replace).unwrap();
    }
}

#[test]
fn a_renewed_issuer_that_is_not_valid_yet_is_taken_once_it_is() {
    let scratch = Scratch::new();
    let now = Clock::system().now();
    write_issuer(&scratch, now);
    let (certificate, key) = (scratch.file("tls.crt"), scratch.file("tls.key"));
    let server =
        Server::start_with(&["--issuer-cert", certificate.to_str().unwrap(), "--issuer-key", key.to_str().unwrap()]);

    // Certificates are dated back by five minutes, so this one begins in seven seconds; files are looked at every five.
    write_issuer(&scratch, Clock::system().now().saturating_add(Duration::from_secs(5 * 60 + 7)));

    server.wait_for_log("issuer reloaded");
    assert!(server.log().contains("it is not valid before"), "it was valid from the start:\n{}", server.log());
}

#[test]
fn a_certificate_that_tls_cannot_use_ends_the_server_with_the_reason() {
    let scratch = Scratch::new();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
        .args(["-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "1.2.3.4.5=critical,DER:0500"])
        .args(["-keyout", "tls.key", "-out", "tls.crt"])
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut server = grantd(["--data-dir", scratch.file("data").to_str().unwrap(), "serve"])
        .args(["--listen", "127.0.0.1:0", "--observe-listen", "127.0.0.1:0", "--link-host", "west.example.com"])
        .args(["--tls-cert", "tls.crt", "--tls-key", "tls.key", "--tls-ca", "tls.crt"])
        .current_dir(scratch.path())
        .stdout(std::process::Stdio::null())
        .stderr(fs::File::create(scratch.file("log")).unwrap())
        .spawn()
        .unwrap();

    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    let status = loop {
        if let Some(status) = server.try_wait().unwrap() {
            break Some(status);
        }
        if std::time::Instant::now() > deadline {
            server.kill().unwrap();
            server.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };

    let said = fs::read_to_string(scratch.file("log")).unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{said}");
    assert!(said.contains("the serving certificate cannot be used for TLS"), "{said}");
}
