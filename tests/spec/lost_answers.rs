//! An answer that is lost on its way costs no second redemption: between the two sides is a relay that loses it.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use grantd::link::AccessToken;
use serde_json::Value;

use crate::server::{PATIENCE, Scratch, Server, grantd, wait_until};

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    /// The connection ends without it.
    Cut,
    /// It never arrives, and the connection stays open.
    Held,
}

/// Passes connections on to a server. What the server sends after the handshake meets its fate.
struct Relay {
    address: SocketAddr,
    server: Arc<Mutex<Option<SocketAddr>>>,
    fate: Arc<Mutex<Fate>>,
    lost: Arc<AtomicUsize>,
}

impl Relay {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            address: listener.local_addr().unwrap(),
            server: Arc::default(),
            fate: Arc::new(Mutex::new(Fate::Delivered)),
            lost: Arc::default(),
        };
        let (server, fate, lost) = (Arc::clone(&relay.server), Arc::clone(&relay.fate), Arc::clone(&relay.lost));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (fate, lost) = (*fate.lock().unwrap(), Arc::clone(&lost));
                let Some(server) = *server.lock().unwrap() else { continue };
                thread::spawn(move || pass(&client, server, fate, &lost));
            }
        });
        relay
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    fn leads_to(&self, server: &Server) {
        *self.server.lock().unwrap() = Some(server.redeem);
    }

    fn set(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }

    fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

fn pass(client: &TcpStream, server: SocketAddr, fate: Fate, lost: &AtomicUsize) {
    let Ok(server) = TcpStream::connect(server) else { return };
    for stream in [client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    // The client's first bytes are its ClientHello; when it sends again, its handshake is done.
    let flights = Arc::new(AtomicUsize::new(0));
    let (counted, from, to) = (Arc::clone(&flights), client.try_clone().unwrap(), server.try_clone().unwrap());
    let upwards = thread::spawn(move || {
        copy(from, to, |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            true
        });
    });
    let is_handshake = |_: &[u8]| fate == Fate::Delivered || flights.load(Ordering::SeqCst) < 2;
    let mut has_lost = false;
    copy(server, client.try_clone().unwrap(), |bytes| {
        let passes = is_handshake(bytes);
        if !passes && !std::mem::replace(&mut has_lost, true) {
            lost.fetch_add(1, Ordering::SeqCst);
        }
        passes
    });
    if fate != Fate::Held {
        let _ = client.shutdown(Shutdown::Both);
    }
    let _ = upwards.join();
}

/// Passes on what `passes` lets through, until one side ends.
fn copy(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if passes(&buffer[..count]) && to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// A listening site behind a relay.
fn west(relay: &Relay, arguments: &[&str]) -> Server {
    let server = Server::start_with(&[&["--public-url", &relay.url()], arguments].concat());
    relay.leads_to(&server);
    server
}

/// Writes a token for this many redemptions to a file.
fn issue(server: &Server, scratch: &Scratch, allowed: u32) -> AccessToken {
    let token = server.issue(allowed);
    fs::write(scratch.file("west.yaml"), &*token.write()).unwrap();
    fs::set_permissions(scratch.file("west.yaml"), fs::Permissions::from_mode(0o600)).unwrap();
    token
}

fn replays(row: &Value) -> usize {
    row["replays"].as_array().map_or(0, Vec::len)
}

fn files(scratch: &Scratch) -> Vec<String> {
    let names = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_command_whose_answer_was_lost_is_run_again_and_costs_one_redemption() {
    let relay = Relay::start();
    let server = west(&relay, &[]);
    let scratch = Scratch::new();
    let token = issue(&server, &scratch, 1);
    let redeem = || grantd(["token", "redeem", "west.yaml"]).current_dir(scratch.path()).output().unwrap();

    relay.set(Fate::Cut);
    let lost = redeem();
    assert!(!lost.status.success());
    let said = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(said.contains("the answer was lost") && said.contains("run the same command again"), "{said}");
    let key = format!("{}.key.pending", token.name);
    assert_eq!(files(&scratch), sorted([key.clone(), "west.yaml".to_owned()]));
    assert_eq!(fs::metadata(scratch.file(&key)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((server.ledger(&token).len(), relay.lost()), (1, 1));
    relay.set(Fate::Delivered);
    let again = redeem();

    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let (secret, link) = (format!("Secret-{}.yaml", token.name), format!("Link-{}.yaml", token.name));
    assert_eq!(files(&scratch), sorted([link, secret, "west.yaml".to_owned()]));
    let ledger = server.ledger(&token);
    assert_eq!((ledger.len(), replays(&ledger[0])), (1, 1));
    assert_eq!(ledger[0]["replays"][0]["kind"], "Replayed");
    assert_eq!(ledger[0]["replays"][0]["serial"], ledger[0]["serial"]);
    let shown = server.ok(&["grant", "show", token.name.as_str()]);
    assert!(shown.contains("Answered again, and not counted") && shown.contains("Replayed"), "{shown}");
    assert!(server.observe("/metrics").1.contains("grantd_redemptions_total{outcome=\"replayed\"} 1"));
    // The files are a pair, and the used-up token is refused with another key.
    assert_pair(&scratch, &format!("Secret-{}.yaml", token.name));
    let other = Scratch::new();
    fs::copy(scratch.file("west.yaml"), other.file("west.yaml")).unwrap();
    let refused = grantd(["token", "redeem", "west.yaml"]).current_dir(other.path()).output().unwrap();
    assert!(!refused.status.success());
    assert_eq!(files(&other), ["west.yaml"], "a key that got nothing is not kept");
}

fn sorted<const N: usize>(mut names: [String; N]) -> [String; N] {
    names.sort();
    names
}

/// Whether the key of the Secret is the one of its certificate, by openssl.
fn assert_pair(scratch: &Scratch, secret: &str) {
    let script = format!(
        "for part in crt key; do sed -n \"s/^  tls.$part: //p\" {secret} | tr -d '\"' | base64 -d > tls.$part; done; \
         [ \"$(openssl x509 -in tls.crt -noout -pubkey)\" = \"$(openssl pkey -in tls.key -pubout)\" ]"
    );
    let same = Command::new("sh").args(["-c", &script]).current_dir(scratch.path()).status().unwrap();
    assert!(same.success(), "key and certificate are no pair");
}

#[test]
fn a_command_that_was_killed_after_its_redemption_was_counted_is_run_again_and_costs_one() {
    let relay = Relay::start();
    let server = west(&relay, &[]);
    let scratch = Scratch::new();
    let token = issue(&server, &scratch, 5);

    relay.set(Fate::Held);
    let mut command = grantd(["token", "redeem", "west.yaml"]);
    let mut command = command.current_dir(scratch.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the redemption is counted", || server.ledger(&token).len() == 1);
    command.kill().unwrap();
    command.wait().unwrap();
    relay.set(Fate::Delivered);
    let again = grantd(["token", "redeem", "west.yaml"]).current_dir(scratch.path()).output().unwrap();

    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let ledger = server.ledger(&token);
    assert_eq!((ledger.len(), replays(&ledger[0])), (1, 1));
    assert_pair(&scratch, &format!("Secret-{}.yaml", token.name));
}

/// Applies the token as kubectl does.
fn apply(server: &Server, token: &AccessToken) {
    let object = serde_json::json!({
        "apiVersion": "skupper.io/v2alpha1", "kind": "AccessToken", "metadata": {"name": token.name.as_str()},
        "spec": {
            "url": token.url, "code": token.code.expose(), "ca": token.ca,
            "settings": {"certificate-request": "pkcs10"},
        },
    });
    let applied = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "20", "--unix-socket"])
        .arg(server.data_dir.join("admin.sock"))
        .args(["-H", "content-type: application/json", "--data", &object.to_string()])
        .arg("http://grantd/apis/skupper.io/v2alpha1/namespaces/default/accesstokens")
        .output()
        .unwrap();
    assert!(applied.status.success(), "{applied:?}");
}

#[test]
fn a_connecting_server_that_is_killed_before_it_stored_the_answer_costs_one_redemption() {
    let relay = Relay::start();
    let west = west(&relay, &[]);
    let mut east = Server::start();
    let token = west.issue(5);

    relay.set(Fate::Held);
    apply(&east, &token);
    wait_until("the redemption is counted", || west.ledger(&token).len() == 1);
    east.kill();
    relay.set(Fate::Delivered);
    let east = east.kill_and_restart();

    let redeemed = |east: &Server| east.ok(&["get", "accesstokens"]).contains("true");
    wait_until("the token is redeemed", || redeemed(&east));
    let ledger = west.ledger(&token);
    assert_eq!((ledger.len(), replays(&ledger[0])), (1, 1));
    assert!(east.ok(&["get", "secrets"]).contains(token.name.as_str()));
    assert!(east.ok(&["get", "links"]).contains(token.name.as_str()));
    let shown = east.ok(&["get", "accesstokens", "-o", "json"]);
    assert!(!shown.contains("PRIVATE KEY") && !shown.contains("private"), "{shown}");
}

#[test]
fn with_a_retry_window_a_plain_client_that_lost_its_answer_asks_again_uncounted() {
    let relay = Relay::start();
    let server = west(&relay, &["--retry-window", "10m"]);
    let scratch = Scratch::new();
    let mut token = issue(&server, &scratch, 1);
    token.takes_certificate_requests = false;
    fs::write(scratch.file("west.yaml"), &*token.write()).unwrap();
    let redeem = || grantd(["token", "redeem", "west.yaml", "--force"]).current_dir(scratch.path()).output().unwrap();

    relay.set(Fate::Cut);
    assert!(!redeem().status.success());
    relay.set(Fate::Delivered);
    for _ in 0..2 {
        let again = redeem();
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    }

    let ledger = server.ledger(&token);
    assert_eq!((ledger.len(), replays(&ledger[0])), (1, 2));
    let serial = |index: usize| ledger[0]["replays"][index]["serial"].clone();
    assert!(serial(0) != serial(1) && serial(0) != ledger[0]["serial"], "each certificate is a new one");
    assert_eq!(ledger[0]["replays"][0]["kind"], "Reissued");
}
