//! Files that change while the server runs, and SIGHUP.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use grantd::{
    file::{Access, Existing, write},
    link::AccessToken,
    pki::{CaKeyType, SelfMadeCa, make_ca, make_serving},
    time::Clock,
};

use crate::{
    server::{Scratch, Server, wait_until},
    wire::Client,
};

fn ca(name: &str) -> SelfMadeCa {
    make_ca(name, CaKeyType::EcdsaP256, Clock::system().now()).unwrap()
}

/// Writes a file that only its owner can read, in one step.
fn put(path: &Path, text: &str) {
    write(path, text.as_bytes(), Access::Private, Existing::Replace).unwrap();
}

/// Writes a site's CA.
fn write_issuer(directory: &Path, ca: &SelfMadeCa) {
    put(&directory.join("tls.crt"), &ca.certificate_pem);
    put(&directory.join("tls.key"), ca.key.expose());
}

/// Writes a serving certificate of this CA, for loopback.
fn write_serving(directory: &Path, ca: &SelfMadeCa) {
    let hosts = ["127.0.0.1".parse().unwrap()];
    let day = Duration::from_secs(24 * 3600);
    let (ca_pem, ca_key) = (ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes());
    let (certificate, key) = make_serving(ca_pem, ca_key, &hosts, Clock::system().now(), day).unwrap();
    put(&directory.join("tls.crt"), &certificate);
    put(&directory.join("tls.key"), key.expose());
    put(&directory.join("ca.crt"), &ca.certificate_pem);
}

/// A configuration with these sites: a name and a host, each in the namespace of its name.
fn configuration(sites: &[(&str, &str)]) -> String {
    let site = |(name, host): &(&str, &str)| {
        format!(
            "  - name: {name}\n    namespace: {name}\n    endpoints:\n      - {{name: inter-router, host: {host}, port: 1}}\n"
        )
    };
    format!("sites:\n{}", sites.iter().map(site).collect::<String>())
}

fn reloads(server: &Server, file: &str, outcome: &str) -> u64 {
    let (_, metrics) = server.observe("/metrics");
    let wanted = format!("grantd_reloads_total{{file=\"{file}\",outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&wanted)).unwrap().parse().unwrap()
}

fn issuer_metric(server: &Server, namespace: &str) -> bool {
    let (_, metrics) = server.observe("/metrics");
    metrics
        .lines()
        .any(|line| line.starts_with("grantd_issuer_not_after") && line.contains(&format!("\"{namespace}\"")))
}

/// The Secret and the Link that a redemption of a new token of this namespace gives.
fn redeem(server: &Server, namespace: &str) -> String {
    let got = server.scratch().file("got");
    let _ = fs::remove_dir_all(&got);
    fs::create_dir(&got).unwrap();
    server.ok(&["token", "issue", "t.yaml", "-n", namespace, "--force"]);
    server.ok(&["token", "redeem", "t.yaml", "--output", "got"]);
    let read = |entry: std::io::Result<fs::DirEntry>| fs::read_to_string(entry.unwrap().path()).unwrap();
    fs::read_dir(got).unwrap().map(read).collect()
}

#[test]
fn sites_are_added_changed_and_removed_without_a_restart_and_a_bad_file_changes_nothing() {
    let scratch = Scratch::new();
    let file = scratch.file("grantd.yaml");
    fs::write(&file, configuration(&[("west", "one.example.com"), ("east", "east.example.com")])).unwrap();
    let server = Server::start_with(&["--config", file.to_str().unwrap()]);
    assert!(redeem(&server, "west").contains("one.example.com"));

    // A fault in any part refuses the whole.
    fs::write(&file, configuration(&[("west", "two.example.com"), ("north", "no host")])).unwrap();
    server.signal("HUP");
    server.wait_for_log("the changed configuration cannot be used, and the previous sites stay in use");
    assert!(
        server.log().contains(file.to_str().unwrap()) && server.log().contains("sites[1].endpoints"),
        "{}",
        server.log()
    );
    wait_until("the refusal is counted", || reloads(&server, "configuration", "refused") == 1);
    assert!(redeem(&server, "west").contains("one.example.com"));

    let retention = "retention: 3h\n";
    let new = configuration(&[("west", "two.example.com"), ("north", "north.example.com")]);
    fs::write(&file, format!("{retention}{new}")).unwrap();
    server.signal("HUP");
    wait_until("the new sites are served", || reloads(&server, "configuration", "loaded") == 1);

    assert!(redeem(&server, "west").contains("two.example.com"));
    assert!(redeem(&server, "north").contains("north.example.com"));
    let gone = server.run(&["token", "issue", "t.yaml", "-n", "east", "--force"]);
    assert!(!gone.status.success(), "{gone:?}");
    let listed = server.ok(&["get", "sites", "-A", "-o", "name"]);
    assert_eq!(listed, "site.skupper.io/north\nsite.skupper.io/west\n");
    assert!(issuer_metric(&server, "north") && !issuer_metric(&server, "east"));
    for event in ["site added", "site changed", "site removed", "retention"] {
        assert!(server.log().contains(event), "{event}: {}", server.log());
    }
    // A file that is as it was changes nothing.
    server.signal("HUP");
    server.wait_for_log("SIGHUP: configuration, keys and certificates were checked");
    assert_eq!(reloads(&server, "configuration", "loaded"), 1);
}

#[test]
fn an_issuer_is_replaced_by_a_swap_of_kubernetes_link_and_a_bad_one_is_refused() {
    let scratch = Scratch::new();
    // As a Secret is mounted: the files are links through `..data`, which is swapped in one step.
    let mount = |version: &str, write: &dyn Fn(&Path)| {
        fs::create_dir(scratch.file(version)).unwrap();
        write(&scratch.file(version));
        symlink(version, scratch.file("..data_tmp")).unwrap();
        fs::rename(scratch.file("..data_tmp"), scratch.file("..data")).unwrap();
    };
    let (first, second) = (ca("first"), ca("second"));
    mount("..1", &|path| write_issuer(path, &first));
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), scratch.file(name)).unwrap();
    }
    let (certificate, key) = (scratch.file("tls.crt"), scratch.file("tls.key"));
    let server =
        Server::start_with(&["--issuer-cert", certificate.to_str().unwrap(), "--issuer-key", key.to_str().unwrap()]);

    mount("..2", &|path| {
        write_issuer(path, &second);
        put(&path.join("tls.key"), first.key.expose());
    });
    server.signal("HUP");
    server.wait_for_log("a changed file cannot be used, and the previous certificate and key stay in use");
    assert!(server.log().contains(certificate.to_str().unwrap()), "{}", server.log());
    wait_until("the refusal is counted", || reloads(&server, "issuer", "refused") == 1);
    let ca_of = |ca: &SelfMadeCa| STANDARD.encode(&ca.certificate_pem);
    assert!(redeem(&server, "default").contains(&ca_of(&first)));
    assert_eq!(server.observe("/readyz").0, 200);

    mount("..3", &|path| write_issuer(path, &second));
    server.signal("HUP");
    server.wait_for_log("issuer reloaded");
    wait_until("the reload is counted", || reloads(&server, "issuer", "loaded") == 1);
    assert!(redeem(&server, "default").contains(&ca_of(&second)));
    server.signal("HUP");
    assert_eq!(server.observe("/livez").0, 200);
}

/// A server with a serving certificate from files, of this CA.
fn serving(scratch: &Scratch, ca: &SelfMadeCa, overlap: &str) -> Server {
    write_serving(scratch.path(), ca);
    let file = |name: &str| scratch.file(name).to_str().unwrap().to_owned();
    let (certificate, key, ca) = (file("tls.crt"), file("tls.key"), file("ca.crt"));
    Server::start_with(&["--tls-cert", &certificate, "--tls-key", &key, "--tls-ca", &ca, "--ca-overlap", overlap])
}

async fn is_redeemed(server: &Server, token: &AccessToken) -> bool {
    Client::new(server.redeem, token).redeem(token, "east").await.is_some_and(|answer| answer.status == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_in_circulation_stay_good_for_the_overlap_after_the_serving_ca_has_changed() {
    let (scratch, old, new) = (Scratch::new(), ca("old"), ca("new"));
    let server = serving(&scratch, &old, "1h");
    let before = server.issue(2);

    write_serving(scratch.path(), &new);
    server.signal("HUP");
    server.wait_for_log("the former certificate is served until then, new tokens carry both CAs");

    let meanwhile = server.issue(1);
    assert_eq!(meanwhile.ca.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(is_redeemed(&server, &before).await && is_redeemed(&server, &meanwhile).await);
    assert_eq!(server.observe("/readyz").0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_overlap_the_new_serving_ca_is_the_only_one() {
    let (scratch, old, new) = (Scratch::new(), ca("old"), ca("new"));
    let server = serving(&scratch, &old, "3s");
    let before = server.issue(1);
    write_serving(scratch.path(), &new);
    server.signal("HUP");
    server.wait_for_log("new tokens carry both CAs");
    let meanwhile = server.issue(1);

    server.wait_for_log("the overlap is over");

    assert!(!is_redeemed(&server, &before).await, "its client trusts the old CA alone");
    let after = server.issue(1);
    assert_eq!(after.ca, new.certificate_pem);
    assert!(is_redeemed(&server, &meanwhile).await && is_redeemed(&server, &after).await);
}
