//! The users of the admin API: listed, revoked, renewed.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    kubeconfig::{command, kubeconfig, kubectl, listening, text},
    kubectl::versions,
    server::{Server, wait_until},
};

/// The newest kubectl that is installed.
fn newest() -> PathBuf {
    versions().pop().unwrap()
}

/// The certificates as `grantd user list -o json` shows them.
fn listed(server: &Server) -> Vec<serde_json::Value> {
    let list: serde_json::Value = serde_json::from_str(&server.ok(&["user", "list", "-o", "json"])).unwrap();
    list["items"].as_array().unwrap().clone()
}

fn column(server: &Server, member: &str) -> Vec<String> {
    listed(server).iter().map(|one| one[member].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_revoked_user_is_cut_off_at_once_and_stays_so_after_a_restart() {
    let server = listening();
    let (alice, bob) = (kubeconfig(&server, &["--user", "alice"]), kubeconfig(&server, &["--user", "bob"]));
    assert_eq!(
        (column(&server, "name"), column(&server, "status")),
        (["alice", "bob"].map(str::to_owned).into(), ["Valid"; 2].map(str::to_owned).into())
    );
    let binary = newest();
    let watch = command(&binary, &alice, &["get", "accessgrants", "-n", "west", "-w", "--request-timeout", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let watch = std::cell::RefCell::new(watch);
    wait_until("kubectl watches", || {
        let (_, metrics) = server.observe("/metrics");
        metrics.lines().any(|line| line.contains("verb=\"watch\"") && !line.ends_with(" 0"))
    });

    assert_eq!(server.ok(&["user", "revoke", "alice"]), "User \"alice\" revoked\n");

    let revoked = Instant::now();
    wait_until("the watch ends", || watch.borrow_mut().try_wait().unwrap().is_some());
    assert!(revoked.elapsed() < Duration::from_secs(10), "{:?}", revoked.elapsed());
    let get = ["get", "sites", "-A", "-o", "name"];
    for binary in versions() {
        let (printed, refused) = text(&kubectl(&binary, &alice, &get));
        assert!(printed.is_empty() && refused.contains("the certificate of this kubeconfig was revoked"), "{refused}");
        assert_eq!(text(&kubectl(&binary, &bob, &get)).0, "site.skupper.io/west\n");
    }

    let server = server.kill_and_restart();
    let url = fs::read_to_string(server.data_dir.join("admin.url")).unwrap();
    let get = [&["--server", url.trim()], &get[..]].concat();
    let (_, refused) = text(&kubectl(&binary, &alice, &get));
    assert!(refused.contains("the certificate of this kubeconfig was revoked"), "{refused}");
    assert_eq!(text(&kubectl(&binary, &bob, &get)).0, "site.skupper.io/west\n");

    let again = kubeconfig(&server, &["--user", "alice"]);
    wait_until("the new certificate of the name is served", || {
        text(&kubectl(&binary, &again, &get)).0 == "site.skupper.io/west\n"
    });
    assert_eq!(column(&server, "status"), ["Revoked", "Valid", "Valid"]);
}

#[test]
fn certificates_that_are_not_listed_are_listed_when_seen_and_revoked_by_name() {
    let server = listening();
    let (alice, carol) = (kubeconfig(&server, &["--user", "alice"]), kubeconfig(&server, &["--user", "carol"]));
    // As an earlier version of grantd left it: nothing is known of its certificates.
    fs::write(
        server.data_dir.join("admin-ca/users.json"),
        r#"{"format": 1, "certificates": [], "revokedNames": {}, "revokedSerials": {}}"#,
    )
    .unwrap();
    let (binary, get) = (newest(), ["get", "sites", "-A", "-o", "name"]);
    let said = server.run(&["user", "revoke", "carol"]);
    assert!(text(&said).1.contains("any that was issued until now is refused"), "{said:?}");

    // Until the server has read that, it knows carol, and knows alice without having to list her.
    wait_until("carol is refused", || text(&kubectl(&binary, &carol, &get)).1.contains("was revoked"));
    assert_eq!(text(&kubectl(&binary, &alice, &get)).0, "site.skupper.io/west\n");

    wait_until("both are listed", || listed(&server).len() == 2);
    assert_eq!(
        (column(&server, "name"), column(&server, "status")),
        (["alice", "carol"].map(str::to_owned).into(), ["Valid", "Revoked"].map(str::to_owned).into())
    );
    let serial = listed(&server)[0]["serial"].as_str().unwrap().to_owned();
    let printed = server.ok(&["user", "revoke", "--serial", &serial.to_lowercase()]);
    assert_eq!(printed, format!("Certificate {serial} of user \"alice\" revoked\n"));
    wait_until("alice is refused", || text(&kubectl(&binary, &alice, &get)).1.contains("was revoked"));
}

#[test]
fn a_kubeconfig_is_renewed_in_place_and_a_revoked_one_is_not() {
    let server = listening();
    server.ok(&["kubeconfig", "--user", "alice", "-n", "west", "--valid-for", "1h", "--output", "config"]);
    let home = crate::server::Scratch::new();
    let file = home.file("config");
    fs::copy(server.scratch().file("config"), &file).unwrap();
    let (binary, own) = (newest(), (home, file.clone()));
    // kubectl writes the file its own way, and it holds another user too.
    for part in ["set-credentials other --token made-up", "set-context other --cluster grantd --user other"] {
        assert!(
            kubectl(&binary, &own, &[&["config"], &part.split(' ').collect::<Vec<_>>()[..]].concat()).status.success()
        );
    }
    let before = fs::read_to_string(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    let printed = server.ok(&["kubeconfig", "--renew", file.to_str().unwrap()]);

    assert!(printed.starts_with("Kubeconfig of user \"alice\" renewed in "), "{printed}");
    let after = fs::read_to_string(&file).unwrap();
    let differs: Vec<&str> =
        before.lines().zip(after.lines()).filter(|(old, new)| old != new).map(|(old, _)| old.trim()).collect();
    assert_eq!(
        differs.iter().map(|line| line.split(':').next().unwrap()).collect::<Vec<_>>(),
        ["client-certificate-data", "client-key-data"]
    );
    assert_eq!(before.lines().count(), after.lines().count());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(text(&kubectl(&binary, &own, &["get", "sites", "-o", "name"])).0, "site.skupper.io/west\n");
    // A renewal is for 30 days, and for the same namespace.
    let all = listed(&server);
    assert_eq!(all.len(), 2);
    let time = |one: &serde_json::Value, member: &str| {
        one[member].as_str().unwrap().parse::<grantd::time::Timestamp>().unwrap()
    };
    let longest = all.iter().map(|one| time(one, "notAfter").since(time(one, "issuedAt"))).max().unwrap();
    assert_eq!(longest, Duration::from_secs(30 * 24 * 3600));
    assert!(all.iter().all(|one| one["namespace"] == "west"), "{all:?}");

    server.ok(&["user", "revoke", "alice"]);
    let refused = server.run(&["kubeconfig", "--renew", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).1.contains("was revoked at"), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), after);
}

#[test]
fn what_is_no_kubeconfig_of_this_server_is_not_renewed() {
    let (server, other) = (listening(), listening());
    other.ok(&["kubeconfig", "--output", "foreign"]);
    let foreign = other.scratch().file("foreign");
    let before = fs::read_to_string(&foreign).unwrap();
    let refused = server.run(&["kubeconfig", "--renew", foreign.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).1.contains("no client-certificate-data is signed by the admin CA"), "{refused:?}");
    assert_eq!(fs::read_to_string(&foreign).unwrap(), before);

    fs::write(server.scratch().file("junk"), "junk: [").unwrap();
    for (file, code) in [("junk", 64), ("none", 1), (".", 64), ("/dev/null", 64)] {
        assert_eq!(server.run(&["kubeconfig", "--renew", file]).status.code(), Some(code), "{file}");
    }
}

#[test]
fn a_damaged_register_changes_nothing_while_the_server_runs_and_refuses_its_start() {
    let mut server = listening();
    let alice = kubeconfig(&server, &["--user", "alice"]);
    server.ok(&["user", "revoke", "alice"]);
    let (binary, get) = (newest(), ["get", "sites", "-A", "-o", "name"]);
    wait_until("alice is refused", || text(&kubectl(&binary, &alice, &get)).1.contains("was revoked"));
    let file = server.data_dir.join("admin-ca/users.json");

    fs::write(&file, "{}").unwrap();
    server.wait_for_log("the register of users cannot be read; the last one stays in force");
    assert!(text(&kubectl(&binary, &alice, &get)).1.contains("was revoked"));
    for arguments in [&["user", "list"][..], &["user", "revoke", "bob"], &["kubeconfig"]] {
        let refused = server.run(arguments);
        assert!(!refused.status.success() && text(&refused).1.contains("admin-ca/users.json"), "{refused:?}");
    }

    fs::write(&file, "{}").unwrap();
    server.signal("TERM");
    server.wait_for_exit();
    let listen = ["--listen", "127.0.0.1:0", "--observe-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let output = server.run(&[&["serve"], &listen[..]].concat());
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(text(&output).1.contains("put back a good copy"), "{output:?}");
}

#[test]
fn a_register_that_is_deleted_under_the_server_is_written_again_with_its_revocations() {
    let server = listening();
    let alice = kubeconfig(&server, &["--user", "alice"]);
    server.ok(&["user", "revoke", "alice"]);
    let (binary, get) = (newest(), ["get", "sites", "-A", "-o", "name"]);
    wait_until("alice is refused", || text(&kubectl(&binary, &alice, &get)).1.contains("was revoked"));

    fs::remove_file(server.data_dir.join("admin-ca/users.json")).unwrap();
    server.wait_for_log("the register of users was gone");

    let bob = kubeconfig(&server, &["--user", "bob"]);
    wait_until("bob is served", || text(&kubectl(&binary, &bob, &get)).0 == "site.skupper.io/west\n");
    assert_eq!(
        (column(&server, "name"), column(&server, "status")),
        (["alice", "bob"].map(str::to_owned).into(), ["Revoked", "Valid"].map(str::to_owned).into())
    );
    assert!(text(&kubectl(&binary, &alice, &get)).1.contains("was revoked"));
}

#[test]
fn a_command_that_is_stopped_while_it_changes_the_register_stops_no_revocation() {
    let server = listening();
    let alice = kubeconfig(&server, &["--user", "alice"]);
    let (file, aside) = (server.data_dir.join("admin-ca/users.json"), server.scratch().file("users.json"));
    let good = fs::read(&file).unwrap();
    server.ok(&["user", "revoke", "alice"]);
    let revoked = fs::read(&file).unwrap();
    let put = |contents: &[u8]| {
        fs::write(&aside, contents).unwrap();
        fs::rename(&aside, &file).unwrap();
    };
    let (binary, get) = (newest(), ["get", "sites", "-A", "-o", "name"]);
    wait_until("alice is refused", || text(&kubectl(&binary, &alice, &get)).1.contains("was revoked"));
    put(&good);
    wait_until("alice is served again", || text(&kubectl(&binary, &alice, &get)).1.is_empty());

    // As a command has it that does not go on.
    let lock = fs::File::options().append(true).open(server.data_dir.join("admin-ca/users.lock")).unwrap();
    lock.lock().unwrap();
    fs::remove_file(&file).unwrap();
    server.wait_for_log("the register of users is gone");
    put(&revoked);

    wait_until("alice is refused", || text(&kubectl(&binary, &alice, &get)).1.contains("was revoked"));
    for arguments in [&["user", "revoke", "bob"][..], &["kubeconfig"]] {
        let refused = server.run(arguments);
        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused).1;
        assert!(said.contains("admin-ca/users.lock") && said.contains("continue or end it"), "{said}");
    }
    lock.unlock().unwrap();
    server.ok(&["user", "revoke", "bob"]);
}
