//! `grantd doctor` finds what is wrong, with its remedy, while the server runs and while it does not.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use grantd::{
    file::{Access, Existing, write},
    pki::{CaKeyType, make_ca, make_serving},
    time::Clock,
};
use serde_json::Value;

use crate::server::{Scratch, Server, grantd};

fn doctor(data_dir: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = run(data_dir, &[arguments, &["-o", "json"]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let document = serde_json::from_str(&text);
    (output.status.code(), document.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))))
}

fn run(data_dir: &Path, arguments: &[&str]) -> Output {
    grantd(["--data-dir", data_dir.to_str().unwrap(), "doctor"]).args(arguments).output().unwrap()
}

/// The findings of this check that are not ok, as their status and what they say.
fn bad(document: &Value, check: &str) -> Vec<String> {
    let all = document["findings"].as_array().unwrap().iter();
    let of_check = all.filter(|finding| finding["check"] == check && finding["status"] != "ok");
    of_check.map(|finding| format!("{finding}")).collect()
}

#[test]
fn a_sound_server_has_no_failure_whether_it_runs_or_not() {
    let mut server = Server::start();
    let arguments = ["--public-url", "https://127.0.0.1:9090", "--link-host", "west.example.com"];

    let (code, running) = doctor(&server.data_dir, &arguments);
    assert_eq!((code, &running["ok"]), (Some(0), &Value::Bool(true)), "{running:#}");
    let checks: Vec<_> = running["findings"].as_array().unwrap().iter().map(|f| f["check"].as_str().unwrap()).collect();
    for check in [
        "data directory",
        "file modes",
        "issuer default/skupper-site-ca",
        "serving certificate",
        "public URL",
        "clock",
        "disk",
        "database",
        "server",
        "open files",
        "core dumps",
    ] {
        assert!(checks.contains(&check), "{check} is not in {checks:?}");
    }
    assert!(running.to_string().contains(&format!("it runs, as process {}", server.pid())), "{running:#}");

    server.signal("TERM");
    server.wait_for_exit();
    let (code, stopped) = doctor(&server.data_dir, &arguments);
    assert_eq!(code, Some(0), "{stopped:#}");
    assert!(stopped.to_string().contains("it does not run"), "{stopped:#}");

    let text = run(&server.data_dir, &arguments);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.lines().all(|line| ["ok ", "warn", "fail", "    "].iter().any(|s| line.starts_with(s))), "{text}");
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let scratch = Scratch::new();
    let (code, document) = doctor(&scratch.file("none"), &[]);
    assert_eq!(code, Some(0), "{document:#}");
    assert!(!scratch.file("none").exists());
}

#[test]
fn open_keys_and_a_damaged_database_are_found() {
    let mut server = Server::start();
    server.issue(1);
    server.signal("TERM");
    server.wait_for_exit();
    let data = &server.data_dir;
    let key = data.join("sealing.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(data, fs::Permissions::from_mode(0o755)).unwrap();
    let database = data.join("grantd.db");
    let mut bytes = fs::read(&database).unwrap();
    let page = 4096;
    bytes[page..].iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55);
    fs::write(&database, bytes).unwrap();

    let (code, document) = doctor(data, &[]);

    assert_eq!(code, Some(1), "{document:#}");
    assert!(bad(&document, "file modes")[0].contains(&format!("chmod 600 {}", key.display())), "{document:#}");
    assert!(bad(&document, "data directory")[0].contains("chmod 700"), "{document:#}");
    assert!(bad(&document, "database")[0].contains("restore a backup"), "{document:#}");
}

#[test]
fn a_clock_that_was_set_back_since_the_server_last_ran_is_found() {
    let scratch = Scratch::new();
    for (mark, found) in
        [("2100-01-02T03:04:05Z\n", "the server has seen 2100-01-02T03:04:05Z"), ("x", "holds no time")]
    {
        fs::write(scratch.file("clock.mark"), mark).unwrap();

        let (code, document) = doctor(&scratch.file("."), &[]);

        assert_eq!(code, Some(1), "{document:#}");
        let clock = bad(&document, "clock").concat();
        assert!(clock.contains(found) && clock.contains("grantd clock accept"), "{document:#}");
    }
}

/// A certificate for this name from a CA of its own, in files `NAME.ca.crt`, `NAME.ca.key`, `NAME.crt`, `NAME.key`.
fn certificate(scratch: &Scratch, name: &str, days: u64) {
    let now = Clock::system().now();
    let ca = make_ca("site CA", CaKeyType::EcdsaP256, now).unwrap();
    let (pem, key) = (ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes());
    let validity = Duration::from_secs(days * 24 * 3600);
    let (chain, leaf_key) = make_serving(pem, key, &[name.parse().unwrap()], now, validity).unwrap();
    let file = |suffix: &str, text: &str| {
        let path = scratch.file(&format!("{name}.{suffix}"));
        write(&path, text.as_bytes(), Access::Private, Existing::Replace).unwrap();
    };
    file("ca.crt", &ca.certificate_pem);
    file("ca.key", ca.key.expose());
    file("crt", &chain);
    file("key", leaf_key.expose());
}

#[test]
fn certificates_are_compared_with_the_router_and_with_the_public_url() {
    let scratch = Scratch::new();
    certificate(&scratch, "west.example.com", 365);
    certificate(&scratch, "other.example.com", 3);
    let file = |name: &str| scratch.file(name).to_str().unwrap().to_owned();
    let (ca, ca_key) = (file("west.example.com.ca.crt"), file("west.example.com.ca.key"));
    let site = ["--issuer-cert", &ca, "--issuer-key", &ca_key, "--link-host", "west.example.com"];
    let data = scratch.file("data");

    let router = file("west.example.com.crt");
    let good = [&site[..], &["--public-url", "https://grants.example.com:9090", "--router-cert", &router]].concat();
    let (code, document) = doctor(&data, &good);
    assert_eq!(code, Some(0), "{document:#}");
    assert!(document.to_string().contains("its certificate comes from issuer default/skupper-site-ca"), "{document:#}");

    let (router, tls, tls_key, tls_ca) = (
        file("other.example.com.crt"),
        file("other.example.com.crt"),
        file("other.example.com.key"),
        file("other.example.com.ca.crt"),
    );
    let tls = ["--tls-cert", &tls, "--tls-key", &tls_key, "--tls-ca", &tls_ca, "--router-cert", &router];
    let wrong = [&site[..], &["--public-url", "https://grants.example.com:9090"], &tls].concat();
    let (code, document) = doctor(&data, &wrong);
    assert_eq!(code, Some(1), "{document:#}");
    for (check, said) in [
        ("serving certificate", "\"warn\""),
        ("public URL", "does not cover grants.example.com"),
        ("router of default", "comes from none of the site's issuers"),
        ("link hosts of default", "west.example.com is no DNS name"),
        ("router certificate", "\"warn\""),
    ] {
        let findings = bad(&document, check);
        assert!(findings.len() == 1 && findings[0].contains(said), "{check}: {document:#}");
    }

    fs::set_permissions(&ca_key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, document) = doctor(&data, &site);
    assert_eq!(code, Some(1));
    assert!(bad(&document, "issuer default/skupper-site-ca")[0].contains("\"remedy\":\"'chmod 600 "), "{document:#}");
    assert!(!data.exists());
}

#[test]
fn a_clock_that_is_behind_the_database_and_few_descriptors_are_found() {
    let server = Server::start_under("ulimit -n 256", &[]);
    let touched = Command::new("touch").args(["-d", "+1 day"]).arg(server.data_dir.join("grantd.db")).status().unwrap();
    assert!(touched.success());

    let (code, document) = doctor(&server.data_dir, &[]);

    assert_eq!(code, Some(1));
    assert!(bad(&document, "clock")[0].contains("time service"), "{document:#}");
    assert!(bad(&document, "open files")[0].contains("LimitNOFILE"), "{document:#}");
}
