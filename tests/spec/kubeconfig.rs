//! kubectl over the network: the admin listener with TLS, and its client certificates.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    kubectl::versions,
    server::{Scratch, Server},
};

/// A server that listens for kubectl.
pub(crate) fn listening() -> Server {
    Server::start_with(&["--admin-listen", "127.0.0.1:0", "-n", "west", "--site-name", "west"])
}

/// What `grantd kubeconfig` prints, in a file.
pub(crate) fn kubeconfig(server: &Server, arguments: &[&str]) -> (Scratch, PathBuf) {
    let arguments: Vec<&str> = ["kubeconfig"].iter().chain(arguments).copied().collect();
    let text = server.ok(&arguments);
    let home = Scratch::new();
    let config = home.file("config");
    fs::write(&config, text).unwrap();
    (home, config)
}

pub(crate) fn kubectl(binary: &PathBuf, home: &(Scratch, PathBuf), arguments: &[&str]) -> Output {
    command(binary, home, arguments).output().unwrap()
}

pub(crate) fn command(binary: &PathBuf, (home, config): &(Scratch, PathBuf), arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["--request-timeout", "20s"])
        .args(arguments)
        .current_dir(home.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("KUBECONFIG", config)
        .env("KUBECACHEDIR", home.file("cache"))
        .stdin(Stdio::null());
    command
}

pub(crate) fn text(output: &Output) -> (String, String) {
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
            let (printed, errors) = text(&kubectl(&binary, &admin, &arguments));
            assert!(printed.contains(expected), "{} {arguments:?}: {printed}{errors}", binary.display());
        }
        assert!(server.log().contains(r#""user":"admin""#), "who changed something is in the log: {}", server.log());
    }
}

#[test]
fn a_kubeconfig_can_be_put_together_of_files_and_of_programs() {
    const PROGRAM: &str = r#"#!/bin/sh
cd "$(dirname "$0")/.."
text() { awk 'BEGIN{ORS="\\n"} {print}' "$1"; }
printf '{"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status":
    {"clientCertificateData": "%s", "clientKeyData": "%s"}}' "$(text user.pem)" "$(text user.key)"
"#;
    for binary in versions() {
        let server = listening();
        let (home, config) = kubeconfig(&server, &[]);
        let printed = fs::read_to_string(&config).unwrap();
        let line = |label: &str| {
            let found = printed.lines().find_map(|line| line.trim().strip_prefix(label));
            found.unwrap().trim().trim_matches('"').to_owned()
        };
        for (label, file) in [
            ("certificate-authority-data:", "ca.pem"),
            ("client-certificate-data:", "user.pem"),
            ("client-key-data:", "user.key"),
        ] {
            fs::write(home.file(file), STANDARD.decode(line(label)).unwrap()).unwrap();
        }
        // In a folder: kubectl stores it as seen from the kubeconfig, and would look for a bare name on the PATH.
        fs::create_dir(home.file("bin")).unwrap();
        fs::write(home.file("bin/program"), PROGRAM).unwrap();
        fs::set_permissions(home.file("bin/program"), fs::Permissions::from_mode(0o700)).unwrap();
        let (program, url) = (home.file("bin/program").display().to_string(), line("server:"));
        let own = (home, config.with_file_name("own"));
        let says = |arguments: &[&str]| {
            let output = kubectl(&binary, &own, arguments);
            assert!(output.status.success(), "{} {arguments:?}: {output:?}", binary.display());
            text(&output).0
        };

        for part in [
            "set-cluster files --certificate-authority ca.pem",
            "set-cluster data --certificate-authority ca.pem --embed-certs",
            "set-cluster blind --insecure-skip-tls-verify",
            "set-credentials files --client-certificate user.pem --client-key user.key",
            "set-credentials data --client-certificate user.pem --client-key user.key --embed-certs",
            "set-credentials token --token made-up",
            "set-credentials password --username alice --password made-up",
            "set-credentials program --exec-api-version client.authentication.k8s.io/v1beta1 --exec-command",
        ] {
            let mut arguments: Vec<&str> = ["config"].into_iter().chain(part.split(' ')).collect();
            if part.starts_with("set-cluster") {
                arguments.extend(["--server", &url]);
            } else if part.ends_with("command") {
                arguments.push(&program);
            }
            says(&arguments);
        }
        says(&["config", "set-context", "west", "--cluster", "files", "--user", "files", "--namespace", "west"]);
        assert_eq!(says(&["config", "use-context", "west"]), "Switched to context \"west\".\n");
        assert_eq!(says(&["config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"]), url);

        let get = ["get", "sites", "-o", "name"];
        for cluster in ["files", "data", "blind"] {
            assert_eq!(says(&[&["--cluster", cluster], &get[..]].concat()), "site.skupper.io/west\n", "{cluster}");
        }
        for user in ["data", "program"] {
            assert_eq!(says(&[&["--user", user], &get[..]].concat()), "site.skupper.io/west\n", "{user}");
        }
        for user in ["token", "password"] {
            let (_, refused) = text(&kubectl(&binary, &own, &[&["--user", user], &get[..]].concat()));
            assert_eq!(refused, "error: You must be logged in to the server (Unauthorized)\n", "{user}");
        }
    }
}

#[test]
fn both_versions_of_http_are_spoken_and_the_kubectl_on_the_path_is_content() {
    let server = listening();
    let admin = kubeconfig(&server, &["--namespace", "west"]);
    // It may be a front end that picks one by the server's version.
    for binary in versions().into_iter().chain([PathBuf::from("kubectl")]) {
        for http2 in ["", "true"] {
            let output = command(&binary, &admin, &["get", "sites", "-o", "name"])
                .env("DISABLE_HTTP2", http2)
                .env("GODEBUG", "http2debug=1")
                .output()
                .unwrap();
            let (printed, frames) = text(&output);
            assert_eq!(printed, "site.skupper.io/west\n", "{}: {frames}", binary.display());
            let sent = frames.contains(r#"header ":path" = "/apis/skupper.io/v2alpha1/namespaces/west/sites"#);
            assert_eq!(sent, http2.is_empty(), "{}: {frames}", binary.display());
        }
    }
    let (printed, errors) = text(&kubectl(&PathBuf::from("kubectl"), &admin, &["version"]));
    assert!(printed.contains("Server Version") && printed.contains("+grantd"), "{printed}{errors}");
}

#[test]
fn a_certificate_opens_what_it_says_and_nothing_else() {
    let binary = versions().pop().unwrap();
    let server = listening();
    let reader = kubeconfig(&server, &["--user", "alice", "--read-only"]);
    let east = kubeconfig(&server, &["--user", "bob", "--namespace", "east"]);
    fs::write(reader.0.file("grant.yaml"), GRANT).unwrap();

    let (printed, _) = text(&kubectl(&binary, &reader, &["get", "sites", "-A", "-o", "name"]));
    assert_eq!(printed, "site.skupper.io/west\n");
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
    let (_, errors) = text(&kubectl(&binary, &east, &["get", "accessgrants"]));
    assert!(errors.contains("No resources found in east namespace"), "{errors}");
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
    let (printed, errors) = text(&output);
    assert_eq!(printed, "401 2 200", "{errors}");
}

#[test]
fn a_user_can_ask_for_its_own_name_and_rights() {
    let binary = versions().pop().unwrap();
    let server = listening();
    let reader = kubeconfig(&server, &["--user", "alice", "--namespace", "west", "--read-only"]);
    for (question, answer) in [
        (["list", "accessgrants", "-n", "west"], "yes"),
        (["delete", "accessgrants", "-n", "west"], "no"),
        (["list", "accessgrants", "-n", "east"], "no"),
    ] {
        let arguments: Vec<&str> = ["auth", "can-i"].iter().chain(&question).copied().collect();
        let (printed, errors) = text(&kubectl(&binary, &reader, &arguments));
        assert_eq!(printed.split_whitespace().next(), Some(answer), "{question:?}: {printed}{errors}");
    }
    let (printed, errors) = text(&kubectl(&binary, &reader, &["auth", "whoami"]));
    assert!(printed.contains("alice") && printed.contains("grantd:west:read"), "{printed}{errors}");
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
fn a_kubeconfig_in_a_file_is_its_owner_s_alone_and_replaces_nothing_unasked() {
    let server = listening();
    let printed = server.ok(&["kubeconfig", "--output", "admin config"]);
    assert_eq!(printed, "Kubeconfig of user \"admin\" written to admin config\n");
    let file = server.scratch().file("admin config");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read_to_string(&file).unwrap();
    assert!(first.contains("client-key-data:"), "{first}");

    let refused = server.run(&["kubeconfig", "--output", "admin config"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).1.contains("exists; it may hold a kubeconfig") && text(&refused).1.contains("--force"));
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    server.ok(&["kubeconfig", "--output", "admin config", "--force", "--user", "alice"]);
    assert!(fs::read_to_string(&file).unwrap().contains("alice"));

    let nowhere = server.run(&["kubeconfig", "--output", "none/config"]);
    assert!(text(&nowhere).1.contains("cannot write in none"), "{nowhere:?}");
    assert!(server.ok(&["kubeconfig", "--output", "-"]).contains("client-key-data:"));
}

/// What the README says an operator does against a kubeconfig that was stolen, and less than it says.
#[test]
fn without_its_ca_no_kubeconfig_opens_the_server_any_more() {
    let mut server = listening();
    let mut stolen = kubeconfig(&server, &[]);
    let binary = versions().pop().unwrap();
    let get = ["get", "sites", "-A", "-o", "name"];
    for revocation in ["admin-ca", "admin-ca/tls.crt"] {
        server.signal("TERM");
        server.wait_for_exit();
        let path = server.data_dir.join(revocation);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        server = server.kill_and_restart();

        let new = kubeconfig(&server, &[]);
        assert_eq!(text(&kubectl(&binary, &new, &get)).0, "site.skupper.io/west\n", "{revocation}");
        // The address of the new server, so that only the certificate can be what is refused.
        let url = fs::read_to_string(server.data_dir.join("admin.url")).unwrap();
        let arguments = [&["--server", url.trim(), "--insecure-skip-tls-verify"], &get[..]].concat();
        let mut config = fs::read_to_string(&stolen.1).unwrap();
        config =
            config.lines().filter(|line| !line.contains("certificate-authority-data")).collect::<Vec<_>>().join("\n");
        fs::write(&stolen.1, config).unwrap();
        let (printed, refused) = text(&kubectl(&binary, &stolen, &arguments));
        assert_eq!(printed, "", "{revocation}: {refused}");
        assert!(!refused.is_empty());
        assert!(server.log().contains("kubeconfigs that were made before no longer work"), "{}", server.log());
        stolen = new;
    }
}

#[test]
fn a_ca_without_its_key_is_refused_with_the_files_named() {
    let mut server = listening();
    server.signal("TERM");
    server.wait_for_exit();
    fs::remove_file(server.data_dir.join("admin-ca/tls.key")).unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--observe-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let output = server.run(&[&["serve"], &listen[..]].concat());
    let (printed, errors) = text(&output);
    assert_eq!((output.status.code(), printed.as_str()), (Some(64), ""), "{errors}");
    for file in ["admin-ca/tls.crt", "admin-ca/tls.key"] {
        assert!(errors.contains(server.data_dir.join(file).to_str().unwrap()), "{errors}");
    }
    assert!(errors.contains("put the key back, or remove"), "{errors}");
}

#[test]
fn a_server_that_does_not_listen_for_kubectl_says_how_it_would() {
    let server = Server::start();
    let output = server.run(&["kubeconfig"]);
    let (printed, errors) = text(&output);
    assert_eq!((output.status.code(), printed.as_str()), (Some(1), ""));
    assert!(errors.contains("--admin-listen"), "{errors}");
}

#[test]
fn faulty_flags_are_reported_together() {
    let server = listening();
    let output = server.run(&["kubeconfig", "--user", "a:b", "--valid-for", "1m", "--namespace", "West"]);
    let (_, errors) = text(&output);
    assert_eq!(output.status.code(), Some(64));
    for flag in ["--user", "--valid-for", "--namespace"] {
        assert!(errors.contains(flag), "{errors}");
    }
}

/// docs/kubernetes-api.md section 3.16: over plain HTTP kubectl drops a bearer token without a word. So nothing is
/// served that way.
#[test]
fn the_admin_tls_listener_serves_no_plain_http() {
    let server = listening();
    let (home, config) = kubeconfig(&server, &[]);
    let config = fs::read_to_string(config).unwrap();
    let line = config.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap();
    let plain = line.trim_matches('"').replacen("https://", "http://", 1);

    let answer = Command::new("curl")
        .args(["--silent", "--max-time", "20", "-H", "Authorization: Bearer t", &format!("{plain}/version")])
        .output()
        .unwrap();
    assert!(!answer.status.success() && answer.stdout.is_empty(), "{answer:?}");
    let empty = home.file("empty");
    fs::write(&empty, "apiVersion: v1\nkind: Config\n").unwrap();
    for binary in versions() {
        let seen = kubectl(
            &binary,
            &(Scratch::new(), empty.clone()),
            &["--server", &plain, "--token", "t", "get", "accessgrants"],
        );
        assert!(!seen.status.success() && seen.stdout.is_empty(), "{seen:?}");
    }
}
