//! Commands write regular files only, and use a token only when there is room for what it brings.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{FileTypeExt, symlink},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

use crate::server::{GRANTD, Server, wait_until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn no_command_replaces_what_is_not_a_regular_file() {
    let server = Server::start_with(&["--admin-listen", "127.0.0.1:0"]);
    let scratch = server.scratch();
    let made = Command::new("mkfifo").arg(scratch.file("pipe")).status().unwrap();
    assert!(made.success());
    fs::write(scratch.file("target"), "precious").unwrap();
    symlink("target", scratch.file("link")).unwrap();

    for (path, what) in [("/dev/full", "a character device"), ("pipe", "a named pipe"), ("link", "a symbolic link")] {
        for command in [&["token", "issue", path, "--force"][..], &["kubeconfig", "--output", path, "--force"]] {
            let refused = server.run(command);
            assert_eq!(refused.status.code(), Some(64), "{command:?}: {}", text(&refused.stderr));
            assert!(text(&refused.stderr).contains(&format!("is {what}: {path}; ")), "{}", text(&refused.stderr));
        }
    }

    assert_eq!(server.ok(&["grant", "list", "-o", "name"]), "", "a grant was made for a token that was not written");
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
    assert!(fs::metadata(scratch.file("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(fs::read_to_string(scratch.file("target")).unwrap(), "precious");
}

#[test]
fn a_redemption_that_would_replace_a_link_or_a_pipe_is_not_made() {
    let server = Server::start();
    server.ok(&["token", "issue", "t", "--name", "offer"]);
    symlink("/dev/full", server.scratch().file("Secret-offer.yaml")).unwrap();

    let refused = server.run(&["token", "redeem", "t", "--force"]);

    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("the token was not redeemed") && said.contains("Secret-offer.yaml"), "{said}");
    assert_eq!(server.grant_named("offer")["status"]["redemptions"], 0);
}

/// Room for the files of a small bundle, and not for those of the largest.
#[test]
fn a_redemption_is_not_made_without_room_for_the_largest_bundle() {
    let server = Server::start();
    server.ok(&["token", "issue", "t", "--name", "offer"]);
    let script = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" token redeem t";

    let full = Command::new("bash").args(["-c", script, GRANTD]).current_dir(server.scratch().path()).output().unwrap();

    assert_eq!(full.status.code(), Some(1));
    assert!(text(&full.stderr).contains("cannot write in .: File too large"), "{}", text(&full.stderr));
    assert_eq!(server.grant_named("offer")["status"]["redemptions"], 0);
    let left: Vec<_> = fs::read_dir(server.scratch().path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".grantd")), "{left:?}");
}

/// Takes one connection, waits for `go`, and then passes bytes on in both directions.
fn delay(to: SocketAddr, go: impl FnOnce() + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        go();
        let server = TcpStream::connect(to).unwrap();
        let copy = |mut from: TcpStream, mut to: TcpStream| {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        };
        let (other_client, other_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || copy(other_client, other_server));
        copy(server, client);
    });
    address
}

/// A file system of 4 MiB in a mount namespace of its own, with a program that fills it when it is told to.
fn redeem_while_the_disk_fills(server: &Server, signals: &Path) -> Output {
    let script = "mount -t tmpfs -o size=4m none \"$1\" || exit 99
        (until [ -e \"$2/fill\" ]; do sleep 0.05; done; cat /dev/zero > \"$1/filling\"; touch \"$2/full\") 2>/dev/null &
        \"$0\" token redeem t --output \"$1\"; code=$?
        ls -A \"$1\"; exit $code";
    let directory = server.scratch().file("small");
    fs::create_dir(&directory).unwrap();
    Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, GRANTD])
        .args([&directory, signals])
        .current_dir(server.scratch().path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_disk_that_fills_up_while_the_token_is_redeemed_loses_no_certificate() {
    let server = Server::start();
    let mut token = server.issue(1);
    let signals = server.scratch().file("signals");
    fs::create_dir(&signals).unwrap();
    let watched = signals.clone();
    let address = delay(server.redeem, move || {
        fs::File::create(watched.join("fill")).unwrap();
        wait_until("the disk is full", || watched.join("full").exists());
    });
    token.url = token.url.replace(&server.redeem.to_string(), &address.to_string());
    fs::File::create(server.scratch().file("t")).unwrap().write_all(token.write().as_bytes()).unwrap();

    let output = redeem_while_the_disk_fills(&server, &signals);

    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    if output.status.code() == Some(99) || complained.contains("unshare") {
        // Where no namespaces can be made, as in some containers, there is no small file system for this test.
        return;
    }
    assert!(output.status.success(), "{said}{complained}");
    for file in [format!("Secret-{}.yaml", token.name), format!("Link-{}.yaml", token.name), "filling".to_owned()] {
        assert!(said.lines().any(|line| line == file), "{file} is not in the directory: {said}");
    }
    assert_eq!(server.ledger(&token).len(), 1);
}
