//! Links are tried before any router is: the files of a redemption, with `openssl s_server` as the router.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
};

use crate::server::{PATIENCE, Scratch, Server, grantd};

fn openssl(scratch: &Scratch, arguments: &[&str]) {
    let output =
        Command::new("openssl").args(arguments).current_dir(scratch.path()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A router of the site: its certificate is the site CA's, and it takes links of that CA alone.
struct Router {
    process: Child,
    port: String,
}

impl Router {
    /// With a certificate for this name and no other.
    fn start(scratch: &Scratch, name: &str) -> Self {
        fs::write(scratch.file("extensions"), format!("subjectAltName=DNS:{name}\n")).unwrap();
        openssl(
            scratch,
            &[
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                "router.key",
                "-out",
                "router.csr",
                "-subj",
                "/CN=router",
            ],
        );
        openssl(
            scratch,
            &[
                "x509",
                "-req",
                "-in",
                "router.csr",
                "-CA",
                "data/issuers/default/skupper-site-ca/tls.crt",
                "-CAkey",
                "data/issuers/default/skupper-site-ca/tls.key",
                "-set_serial",
                "7",
                "-days",
                "2",
                "-extfile",
                "extensions",
                "-out",
                "router.crt",
            ],
        );
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "router.crt", "-key", "router.key"])
            .args(["-CAfile", "data/issuers/default/skupper-site-ca/tls.crt", "-Verify", "2", "-verify_return_error"])
            .current_dir(scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        // Reads on, so that the router never blocks on a full pipe.
        std::thread::spawn(move || {
            let mut lines = stdout.lines().map_while(Result::ok);
            let port = lines.find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:").map(str::to_owned));
            let _ = sender.send(port);
            lines.for_each(drop);
        });
        let port = receiver.recv_timeout(PATIENCE).unwrap().expect("openssl has ended");
        Self { process, port }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A directory with the redeemed files of a link `offer` that leads to this port of this machine.
fn redeemed(server: &Server, port: &str) {
    let _ = fs::remove_dir_all(server.scratch().file("links"));
    fs::create_dir(server.scratch().file("links")).unwrap();
    fs::write(server.scratch().file("token"), &*server.issue(1).write()).unwrap();
    server.ok(&["token", "redeem", "token", "--output", "links"]);
    for entry in fs::read_dir(server.scratch().file("links")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("Link-") {
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("west.example.com", "127.0.0.1").replace("55671", port)).unwrap();
        }
    }
}

/// Without a server, and without anything that would lead to one.
fn link_status(server: &Server, more: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        grantd(["link", "status", "--from", "links"]).args(more).current_dir(server.scratch().path()).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_redeemed_link_is_ready_when_its_router_takes_it() {
    let server = Server::start();
    let router = Router::start(server.scratch(), "127.0.0.1");
    redeemed(&server, &router.port);

    let (code, printed, noted) = link_status(&server, &[]);

    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATUS", "COST", "MESSAGE"], "{noted}");
    assert_eq!((&rows[1][1..], rows.len()), (&["Ready", "1", "OK"][..], 2), "{printed}");
    assert_eq!(code, Some(0));
    let (code, lines, _) = link_status(&server, &[rows[1][0]]);
    assert_eq!((code, lines), (Some(0), format!("Name:    {}\nStatus:  Ready\nCost:    1\nMessage: OK\n", rows[1][0])));
}

#[test]
fn a_link_that_would_not_come_up_says_why() {
    let server = Server::start();
    let router = Router::start(server.scratch(), "elsewhere.example.com");
    redeemed(&server, &router.port);

    let (code, printed, noted) = link_status(&server, &["-o", "json"]);

    assert_eq!((code, noted.as_str()), (Some(75), "grantd: the link is not ready\n"));
    let list: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let status = &list["items"][0]["status"];
    assert_eq!(status["status"], "Pending");
    let message = status["message"].as_str().unwrap();
    let expected = format!(
        "Not Operational: 127.0.0.1:{}: certificate does not name 127.0.0.1 (its names: elsewhere.example.com, router)",
        router.port
    );
    assert_eq!(message, expected);

    drop(router);
    let (code, printed, _) = link_status(&server, &[]);
    assert_eq!(code, Some(75));
    assert!(printed.contains("connection refused"), "{printed}");
}

#[test]
fn a_router_that_does_not_know_our_ca_is_heard() {
    let (server, other) = (Server::start(), Server::start());
    let router = Router::start(server.scratch(), "127.0.0.1");
    redeemed(&server, &router.port);
    // The credentials of another site's CA, and this site's to check the router with.
    redeemed(&other, &router.port);
    let secret_of = |server: &Server| {
        let files = fs::read_dir(server.scratch().file("links")).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("Secret-")).unwrap()
    };
    let (ours, theirs) = (secret_of(&server), secret_of(&other));
    let line_of = |path: &std::path::Path, key: &str| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().find(|line| line.trim_start().starts_with(key)).unwrap().to_owned()
    };
    let mut mixed = fs::read_to_string(&ours).unwrap();
    for key in ["tls.crt", "tls.key"] {
        mixed = mixed.replace(&line_of(&ours, key), &line_of(&theirs, key));
    }
    fs::write(&ours, mixed).unwrap();

    let (code, printed, _) = link_status(&server, &[]);

    assert_eq!(code, Some(75));
    assert!(printed.contains("it refused our certificate: it does not know our CA"), "{printed}");
}
