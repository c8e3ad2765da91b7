//! Secrets stay secret: whatever is printed, logged, served or stored is searched for what must not be in it.

use std::{fs, path::Path, process::Command};

use grantd::link::Bundle;

use crate::{
    server::{Scratch, Server, wait_until},
    wire::{self, Client},
};

const CANARY: &str = "canary0code0in0the0coal0mine";

/// Every file below, with what is in it.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// The middle of the base64 of a key: what would be left of it in a log line.
fn heart_of(pem: &str) -> String {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64[base64.len() / 4..base64.len() * 3 / 4].to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_code_and_no_key_appears_anywhere_but_in_its_own_answer() {
    let server = Server::start_with(&["--log", "trace", "--log-format", "json"]);
    fs::write(server.scratch().file("code"), CANARY).unwrap();
    let mut printed = Vec::new();
    let mut run = |arguments: &[&str]| {
        let output = server.run(arguments);
        printed.push((format!("{arguments:?}"), [output.stdout, output.stderr].concat()));
    };
    run(&["grant", "create", "coal", "--redemptions-allowed", "5", "--code-file", "code"]);
    run(&["grant", "create", "coal", "--code-file", "code"]);
    run(&["grant", "list"]);
    run(&["grant", "show", "coal"]);
    let mut token = server.issue(1);
    token.url = server.grant_named("coal")["status"]["url"].as_str().unwrap().to_owned();
    token.code = CANARY.parse().unwrap();
    fs::write(server.scratch().file("coal.yaml"), token.write().as_bytes()).unwrap();
    run(&["token", "redeem", "coal.yaml", "--output", "missing"]);
    run(&["token", "redeem", "coal.yaml"]);
    run(&["token", "redeem", "coal.yaml"]);

    // A request is refused for every reason there is, with the code in it.
    let client = Client::new(server.redeem, &token);
    let good = wire::request(&token, "east", "s");
    let text = String::from_utf8(good.clone()).unwrap();
    let mut answers = Vec::new();
    for request in [
        text.replace("POST", "PUT"),
        text.replace("Name: east", "Name: Not A Name"),
        text.replace("Subject: s", &format!("Subject: {}", "s".repeat(300))),
        text.replace(" /", " /no-uuid-"),
        text.replace(&format!("\r\n\r\n{CANARY}"), &format!("\r\n\r\n{CANARY}").to_uppercase()),
        format!("{CANARY} / HTTP/1.1\r\n\r\n"),
    ] {
        answers.extend(client.exchange(request.as_bytes()).await);
    }
    assert!(answers.len() >= 5, "too few refusals to search");
    let answer = client.redeem(&token, "east").await.unwrap();
    assert_eq!(answer.status, 200);
    let bundle = Bundle::read(answer.body.as_bytes()).unwrap();
    let key = heart_of(bundle.secret.key.expose());

    let mut searched: Vec<(String, Vec<u8>)> = printed;
    searched.push(("the log".to_owned(), server.log().into_bytes()));
    searched.push(("/metrics".to_owned(), server.observe("/metrics").1.into_bytes()));
    searched.push(("/readyz".to_owned(), server.observe("/readyz").1.into_bytes()));
    searched.push(("the banner".to_owned(), server.banner.clone().into_bytes()));
    searched.extend(answers.iter().map(|a| (format!("answer {}", a.status), a.body.clone().into_bytes())));
    searched.extend(files(&server.data_dir));
    for part in ["cmdline", "environ"] {
        // Only root may read the environment of a process that is not dumpable.
        let read = fs::read(format!("/proc/{}/{part}", server.pid()));
        searched.extend(read.ok().map(|contents| (part.to_owned(), contents)));
    }
    assert!(server.log().contains("grant redeemed"), "the log to be searched is empty");
    for (place, contents) in &searched {
        assert!(!holds(contents, CANARY), "the code is in {place}");
        assert!(!holds(contents, &key), "the private key is in {place}");
    }
}

#[test]
fn what_holds_a_secret_is_the_owners_alone_and_no_core_is_dumped() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let server = Server::start();
    server.ok(&["token", "issue", "token.yaml"]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.scratch().file("token.yaml")), 0o600);
    assert_eq!(mode(&server.data_dir), 0o700);
    let mut sockets = 0;
    for entry in fs::read_dir(&server.data_dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::metadata(&path).unwrap();
        sockets += usize::from(metadata.file_type().is_socket());
        let allowed = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path) & !allowed, 0, "{} is {:o}", path.display(), mode(&path));
    }
    assert_eq!(sockets, 1);
    for key in ["server/tls.key", "server-ca/tls.key", "issuers/default/skupper-site-ca/tls.key"] {
        assert_eq!(mode(&server.data_dir.join(key)), 0o600, "{key}");
    }
}

/// The files of a process that is not dumpable belong to root, whoever runs it (proc(5)).
#[test]
fn no_process_of_the_same_user_can_read_the_memory_of_one_that_handles_secrets() {
    use std::os::unix::fs::MetadataExt;
    let another_user = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let script =
        format!("if [ $(id -u) = 0 ]; then as='{another_user}'; fi; exec $as /proc/self/fd/3 token redeem - 3< \"$0\"");
    // It waits for the token.
    let mut command = Command::new("sh");
    command.args(["-c", &script, crate::server::GRANTD]).stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = || fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();

    wait_until("it has set its umask", || status().lines().any(|line| line == "Umask:\t0077"));
    assert!(!status().lines().any(|line| line.starts_with("Uid:\t0\t")), "{}", status());
    let owner = || fs::metadata(format!("/proc/{}/environ", child.id())).unwrap().uid();
    wait_until("its files belong to root", || owner() == 0);

    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn redeemed_keys_are_written_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    server.ok(&["token", "issue", "token.yaml"]);
    let scratch = Scratch::new();
    let redeemed = Command::new(crate::server::GRANTD)
        .args(["token", "redeem", "token.yaml", "--output"])
        .arg(scratch.path())
        .current_dir(server.scratch().path())
        .output()
        .unwrap();
    assert!(redeemed.status.success(), "{}", String::from_utf8_lossy(&redeemed.stderr));
    for entry in fs::read_dir(scratch.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name.starts_with("Secret-") { 0o600 } else { 0o644 & mode }, "{name}");
    }
}
