//! curl and openssl work with grantd.

use std::{
    fs,
    process::{Command, Output, Stdio},
    time::Duration,
};

use grantd::{
    file::{Access, Existing, write},
    link::{AccessToken, Bundle},
    pki::make_serving,
    time::Clock,
};

use crate::server::{Scratch, Server};

fn curl(server: &Server, token: &AccessToken, arguments: &[&str]) -> Output {
    let ca = server.scratch().file("ca.pem");
    fs::write(&ca, &token.ca).unwrap();
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert", ca.to_str().unwrap()])
        .args(arguments)
        .args(["--data-binary", token.code.expose(), &token.url])
        .output()
        .unwrap()
}

fn openssl(scratch: &Scratch, arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new("openssl").args(arguments).current_dir(scratch.path()).stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn curl_gets_a_bundle_whose_certificate_openssl_accepts_as_a_clients() {
    let server = Server::start();
    let token = server.issue(1);

    let output = curl(
        &server,
        &token,
        &["--tlsv1.3", "--fail", "-H", "name: east", "-H", "subject: 1f0c61ab-9f5e-4f9f-b6e4-6a9d3d4be1c5"],
    );

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bundle = Bundle::read(&output.stdout).unwrap();
    assert_eq!((bundle.secret.name.as_str(), bundle.links.len()), ("east", 1));
    let scratch = server.scratch();
    fs::write(scratch.file("site-ca.crt"), &bundle.secret.ca_pem).unwrap();
    fs::write(scratch.file("tls.crt"), &bundle.secret.certificate_pem).unwrap();
    let (accepted, said) =
        openssl(scratch, &["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "site-ca.crt", "tls.crt"]);
    assert!(accepted, "{said}");
    let (refused, _) = openssl(scratch, &["verify", "-purpose", "sslserver", "-CAfile", "site-ca.crt", "tls.crt"]);
    assert!(!refused, "the certificate may not serve");
    let (_, subject) = openssl(scratch, &["x509", "-in", "tls.crt", "-noout", "-subject"]);
    assert!(subject.contains("1f0c61ab-9f5e-4f9f-b6e4-6a9d3d4be1c5"), "{subject}");
}

#[test]
fn the_self_made_chain_is_strict_x509() {
    let server = Server::start();
    let arguments = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "data/server-ca/tls.crt"];
    let (accepted, said) = openssl(server.scratch(), &[&arguments[..], &["data/server/tls.crt"]].concat());
    assert!(accepted, "{said}");
}

/// The subjectAltName of the redeem listener's certificate, in openssl's words.
fn names(server: &Server) -> String {
    let arguments = ["x509", "-in", "data/server/tls.crt", "-noout", "-ext", "subjectAltName"];
    let (_, said) = openssl(server.scratch(), &arguments);
    said.lines().last().unwrap().trim().to_owned()
}

#[test]
fn a_self_made_certificate_names_what_is_needed_and_one_with_more_names_is_replaced_by_the_same_ca() {
    let server = Server::start();
    assert_eq!(names(&server), "IP Address:127.0.0.1");
    let before = server.issue(1);
    // As an earlier version made it: with everything that this host is called.
    let read = |name: &str| fs::read(server.data_dir.join("server-ca").join(name)).unwrap();
    let hosts = ["127.0.0.1".parse().unwrap(), "inside.example.com".parse().unwrap()];
    let year = Duration::from_secs(365 * 24 * 3600);
    let made = make_serving(&read("tls.crt"), &read("tls.key"), &hosts, Clock::system().now(), year);
    let (certificate, key) = made.unwrap();
    for (name, text) in [("tls.key", key.expose()), ("tls.crt", &certificate)] {
        let path = server.data_dir.join("server").join(name);
        write(&path, text.as_bytes(), Access::Private, Existing::Replace).unwrap();
    }
    assert_eq!(names(&server), "IP Address:127.0.0.1, DNS:inside.example.com");

    let server = server.kill_and_restart();

    assert_eq!(names(&server), "IP Address:127.0.0.1");
    assert_eq!(server.issue(1).ca, before.ca);
}

#[test]
fn a_handshake_needs_no_server_name_and_prefers_the_post_quantum_group_or_x25519() {
    let server = Server::start();
    let address = server.redeem.to_string();
    let (connected, said) = openssl(
        server.scratch(),
        &[
            "s_client",
            "-connect",
            &address,
            "-noservername",
            "-CAfile",
            "data/server-ca/tls.crt",
            "-verify_return_error",
        ],
    );
    assert!(connected, "{said}");
    assert!(said.contains("TLSv1.3"), "{said}");
    assert!(!said.contains("Post-Handshake New Session Ticket"), "session tickets are of no use here: {said}");
}

#[test]
fn tls_1_2_is_refused_with_the_alert_for_it() {
    let server = Server::start();
    let (connected, said) = openssl(server.scratch(), &["s_client", "-connect", &server.redeem.to_string(), "-tls1_2"]);
    assert!(!connected);
    assert!(said.contains("protocol version"), "{said}");
}

#[test]
fn two_hosts_become_two_links_in_order() {
    let server = Server::start_with(&["--link-host", "other.example.com"]);
    let token = server.issue(1);
    let output = curl(&server, &token, &["-H", "name: east"]);
    let bundle = Bundle::read(&output.stdout).unwrap();
    let links: Vec<(&str, &str)> =
        bundle.links.iter().map(|link| (link.name.as_str(), link.endpoints[0].host.as_str())).collect();
    assert_eq!(links, [("east-1", "west.example.com"), ("east-2", "other.example.com")]);
}

#[test]
fn a_client_that_waits_for_100_continue_is_served() {
    let server = Server::start();
    let token = server.issue(1);
    let output = curl(&server, &token, &["--fail", "-H", "Expect: 100-continue", "-H", "name: east"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
