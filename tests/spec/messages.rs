//! Error messages of the commands name the cause, the place, and the next step.

use std::{fs, os::unix::fs::PermissionsExt, process::Output};

use crate::server::{Scratch, Server, grantd};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_empty_variable_counts_as_not_set_and_an_empty_flag_is_a_fault() {
    let scratch = Scratch::new();
    let home = scratch.path().to_str().unwrap();
    let empty = grantd(["grant", "list"]).env("GRANTD_DATA_DIR", "").env("HOME", home).output().unwrap();
    assert_eq!(empty.status.code(), Some(69), "{}", said(&empty));
    assert!(said(&empty).contains(&format!("{home}/.local/share/grantd/admin.sock")), "{}", said(&empty));

    for arguments in [["--data-dir", "", "grant", "list"], ["grant", "list", "--data-dir", ""]] {
        let output = grantd(arguments).env("HOME", home).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        assert!(said(&output).contains("--data-dir"), "{}", said(&output));
    }
}

#[test]
fn the_banner_s_command_works_as_it_is_printed_in_any_namespace() {
    let server = Server::start_with(&["--namespace", "west"]);
    let command = server.banner.lines().last().unwrap().trim();
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    let output = grantd(&arguments).current_dir(server.scratch().path()).output().unwrap();
    assert!(output.status.success(), "{command}: {}", said(&output));
}

#[test]
fn without_a_site_the_namespaces_with_one_are_listed() {
    let server = Server::start_with(&["--namespace", "west"]);
    let output = server.run(&["token", "issue", "t"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("A site must exist in namespace default"), "{}", said(&output));
    assert!(said(&output).contains("hint: name the namespace of a site with -n: west"), "{}", said(&output));
    assert!(!server.scratch().file("t").exists());
}

#[test]
fn a_second_server_says_that_one_serves_already() {
    let server = Server::start();
    let output = server.run(&["serve", "--listen", "127.0.0.1:0", "--observe-listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("hint: a grantd serves from this data directory already"), "{}", said(&output));
}

#[test]
fn a_file_that_is_no_token_is_not_to_be_made_private() {
    let server = Server::start();
    let file = server.scratch().file("motd");
    fs::write(&file, "welcome\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!said(&server.run(&["token", "redeem", "motd"])).contains("chmod"));

    server.ok(&["token", "issue", "a token", "--name", "offer"]);
    fs::set_permissions(server.scratch().file("a token"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = server.run(&["token", "redeem", "a token"]);
    assert!(output.status.success() && said(&output).contains("'chmod 600 'a token''"), "{}", said(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("kubectl apply -f ./Secret-offer.yaml -f ./Link-offer.yaml"), "{printed}");
}

#[test]
fn a_value_that_would_be_refused_keeps_every_document_back() {
    let server = Server::start();
    let document = |name: &str, window: &str| {
        format!(
            "---\napiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata: {{name: {name}}}\n\
             spec: {{expirationWindow: {window}}}\n"
        )
    };
    fs::write(server.scratch().file("two.yaml"), document("one", "1h") + &document("two", "1d")).unwrap();
    let output = server.run(&["apply", "-f", "two.yaml"]);
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("two.yaml: document 2 (line 7): spec.expirationWindow"), "{}", said(&output));
    assert_eq!(server.ok(&["grant", "list", "-o", "name"]), "");

    fs::write(server.scratch().file("one.yaml"), document("one, namespace: nowhere", "1h")).unwrap();
    let output = server.run(&["apply", "-f", "one.yaml"]);
    assert!(output.status.success());
    assert!(said(&output).contains("It is not ready: Site not yet defined for nowhere"), "{}", said(&output));
}

#[test]
fn flags_are_judged_together_and_named() {
    let scratch = Scratch::new();
    let output = grantd(["token", "issue", "t", "--data-dir", scratch.path().to_str().unwrap()])
        .args(["--name", "No", "-n", "a b", "--redemptions-allowed", "0", "--expiration-window", "1s"])
        .args(["--cost", "-1", "--timeout", "x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    for flag in ["--name", "--namespace", "--redemptions-allowed", "--expiration-window", "--cost", "--timeout"] {
        assert!(said(&output).contains(&format!("({flag}) is not valid")), "{flag}: {}", said(&output));
    }
}

#[test]
fn a_configuration_file_is_judged_in_its_own_words() {
    let scratch = Scratch::new();
    for (text, expected) in [
        ("listen: a\nlisten: b\n", "duplicate mapping key: listen not allowed here"),
        ("a: [\n", "line 1"),
        ("sites:\n  name: a\n  namespace: b\n", "line 2: sites: must be a list"),
    ] {
        fs::write(scratch.file("c.yaml"), text).unwrap();
        let output =
            grantd(["serve", "--config", "c.yaml", "--data-dir", "data"]).current_dir(scratch.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{text}: {}", said(&output));
        assert!(said(&output).contains(expected), "{text}: {}", said(&output));
        assert!(!said(&output).contains("Policy") && said(&output).contains("a fault:"), "{}", said(&output));
        assert!(!scratch.file("data").exists());
    }
}

#[test]
fn a_server_whose_tokens_could_not_be_redeemed_says_so_at_once() {
    let donor = Server::start();
    let from = |file: &str| donor.data_dir.join(file).to_str().unwrap().to_owned();
    let (cert, key, ca) = (from("server/tls.crt"), from("server/tls.key"), from("server-ca/tls.crt"));
    let mut files = vec!["--tls-cert", &cert, "--tls-key", &key, "--tls-ca", &ca];
    files.extend(["--public-url", "https://elsewhere.example.com:9090"]);
    let mut server = Server::start_with(&files);
    server.signal("TERM");
    assert!(server.wait_for_exit().success());
    assert!(server.log().contains("does not cover elsewhere.example.com"), "{}", server.log());
    assert!(!server.log().contains("\"ready\""), "{}", server.log());
}
