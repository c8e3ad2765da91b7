//! kubectl over the network: the admin door with TLS, and the certificates that open it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use crate::{
    kubectl::versions,
    server::{Scratch, Server},
};

/// A server that listens for kubectl.
fn listening() -> Server {
    Server::start_with(&["--admin-listen", "127.0.0.1:0", "-n", "west", "--site-name", "west"])
}

/// What `grantd kubeconfig` prints, in a file.
fn kubeconfig(server: &Server, arguments: &[&str]) -> (Scratch, PathBuf) {
    let arguments: Vec<&str> = ["kubeconfig"].iter().chain(arguments).copied().collect();
    let text = server.ok(&arguments);
    let home = Scratch::new();
    let config = home.file("config");
    fs::write(&config, text).unwrap();
    (home, config)
}

fn kubectl(binary: &PathBuf, (home, config): &(Scratch, PathBuf), arguments: &[&str]) -> Output {
    Command::new(binary)
        .args(["--request-timeout", "20s"])
        .args(arguments)
        .current_dir(home.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("KUBECONFIG", config)
        .env("KUBECACHEDIR", home.file("cache"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

const GRANT: &str = "\
apiVersion: skupper.io/v2alpha1
kind: AccessGrant
metadata:
  name: offer
spec:
  redemptionsAllowed: 2
  expirationWindow: 25m
";

#[test]
fn kubectl_works_with_the_kubeconfig_as_it_is() {
    for binary in versions() {
        let server = listening();
        let admin = kubeconfig(&server, &["--namespace", "west"]);
        fs::write(admin.0.file("grant.yaml"), GRANT).unwrap();
        for (arguments, expected) in [
            (vec!["apply", "-f", "grant.yaml"], "accessgrant.skupper.io/offer created"),
            (vec!["get", "accessgrant", "offer", "-o", "template", "--template", "{{ .status.url }}"], "https://"),
            (vec!["get", "gr", "-o", "name"], "accessgrant.skupper.io/offer"),
            (vec!["patch", "gr", "offer", "--type=merge", "-p", r#"{"spec":{"redemptionsAllowed":5}}"#], "patched"),
            (vec!["delete", "gr", "offer"], "deleted"),
        ] {
            let (told, complained) = text(&kubectl(&binary, &admin, &arguments));
            assert!(told.contains(expected), "{} {arguments:?}: {told}{complained}", binary.display());
        }
        assert!(server.log().contains(r#""user":"admin""#), "who changed something is in the log: {}", server.log());
    }
}

#[test]
fn a_certificate_opens_what_it_says_and_nothing_else() {
    let binary = versions().pop().unwrap();
    let server = listening();
    let reader = kubeconfig(&server, &["--user", "alice", "--read-only"]);
    let east = kubeconfig(&server, &["--user", "bob", "--namespace", "east"]);
    fs::write(reader.0.file("grant.yaml"), GRANT).unwrap();

    let (told, _) = text(&kubectl(&binary, &reader, &["get", "sites", "-A", "-o", "name"]));
    assert_eq!(told, "site.skupper.io/west\n");
    let (_, refused) = text(&kubectl(&binary, &reader, &["create", "-n", "west", "-f", "grant.yaml"]));
    assert!(
        refused.contains(
            "accessgrants.skupper.io is forbidden: User \"alice\" cannot create resource \"accessgrants\" in API group \
             \"skupper.io\" in the namespace \"west\""
        ),
        "{refused}"
    );
    let (_, refused) = text(&kubectl(&binary, &east, &["get", "accessgrants", "-n", "west"]));
    assert!(refused.contains("User \"bob\" cannot list resource \"accessgrants\""), "{refused}");
    let (_, refused) = text(&kubectl(&binary, &east, &["get", "accessgrants", "-A"]));
    assert!(refused.contains("at the cluster scope"), "{refused}");
    let (_, told) = text(&kubectl(&binary, &east, &["get", "accessgrants"]));
    assert!(told.contains("No resources found in east namespace"), "{told}");
}

#[test]
fn each_part_of_a_kubeconfig_is_a_line_so_that_curl_can_use_it_too() {
    let server = listening();
    let (home, config) = kubeconfig(&server, &[]);
    let script = r#"
        part() { sed -n "s/^ *$1: //p" config | base64 -d; }
        part certificate-authority-data > ca.pem
        part client-certificate-data > user.pem
        part client-key-data > user.key
        url=$(sed -n 's/^ *server: //p' config | tr -d '"')/apis/skupper.io/v2alpha1/sites
        curl -sS -o /dev/null -w '%{http_code} ' --cacert ca.pem "$url"
        curl -sS -o /dev/null -w '%{http_version} %{http_code}' --cacert ca.pem --cert user.pem --key user.key "$url"
    "#;
    assert!(config.is_file());
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(home.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    let (told, complained) = text(&output);
    assert_eq!(told, "401 2 200", "{complained}");
}

#[test]
fn whoever_asks_is_told_who_they_are_and_what_they_may_do() {
    let binary = versions().pop().unwrap();
    let server = listening();
    let reader = kubeconfig(&server, &["--user", "alice", "--namespace", "west", "--read-only"]);
    for (question, answer) in [
        (["list", "accessgrants", "-n", "west"], "yes"),
        (["delete", "accessgrants", "-n", "west"], "no"),
        (["list", "accessgrants", "-n", "east"], "no"),
    ] {
        let arguments: Vec<&str> = ["auth", "can-i"].iter().chain(&question).copied().collect();
        let (told, complained) = text(&kubectl(&binary, &reader, &arguments));
        assert_eq!(told.split_whitespace().next(), Some(answer), "{question:?}: {told}{complained}");
    }
    let (told, complained) = text(&kubectl(&binary, &reader, &["auth", "whoami"]));
    assert!(told.contains("alice") && told.contains("grantd:west:read"), "{told}{complained}");
}

#[test]
fn impersonation_is_refused_over_the_network_too() {
    let binary = versions().pop().unwrap();
    let server = listening();
    let admin = kubeconfig(&server, &[]);
    let (_, refused) = text(&kubectl(&binary, &admin, &["get", "sites", "--as", "bob"]));
    assert!(refused.contains("impersonation is not supported by this server"), "{refused}");
}

#[test]
fn a_server_that_does_not_listen_for_kubectl_says_how_it_would() {
    let server = Server::start();
    let output = server.run(&["kubeconfig"]);
    let (told, complained) = text(&output);
    assert_eq!((output.status.code(), told.as_str()), (Some(1), ""));
    assert!(complained.contains("--admin-listen"), "{complained}");
}

#[test]
fn faulty_flags_are_told_together() {
    let server = listening();
    let output = server.run(&["kubeconfig", "--user", "a:b", "--valid-for", "1m", "--namespace", "West"]);
    let (_, complained) = text(&output);
    assert_eq!(output.status.code(), Some(64));
    for flag in ["--user", "--valid-for", "--namespace"] {
        assert!(complained.contains(flag), "{complained}");
    }
}
