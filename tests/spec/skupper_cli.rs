//! `skupper token issue`, `token redeem` and `link status` on the kubernetes platform
//! (docs/protocol.md sections 5.1 to 5.3, 5.5): their requests byte for byte, on one connection as Go keeps it, over
//! the admin socket.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use grantd::link::AccessToken;
use serde_json::Value;

use crate::server::{PATIENCE, Server};

const BASE: &str = "/apis/skupper.io/v2alpha1/namespaces/default";
const GRANT: &str = "west-12f75bc8-5dda-4256-88f8-9df48150281a";

/// The parts of an answer.
struct Answer {
    status: u16,
    content_type: String,
    body: String,
}

impl Answer {
    fn object(&self) -> Value {
        assert_eq!(self.content_type, "application/json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A connection of client-go's.
struct Connection(UnixStream);

impl Connection {
    fn to(server: &Server) -> Self {
        let stream = UnixStream::connect(server.data_dir.join("admin.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn get(&mut self, path: &str) -> Answer {
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nUser-Agent: skupper/v0.0.0 (linux/amd64) kubernetes/$Format\r\n\
             Accept: application/json, */*\r\nAccept-Encoding: gzip\r\n\r\n"
        ))
    }

    fn post(&mut self, path: &str, body: &str) -> Answer {
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nUser-Agent: skupper/v0.0.0 (linux/amd64) kubernetes/$Format\r\n\
             Content-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n\
             Accept-Encoding: gzip\r\n\r\n{body}",
            body.len()
        ))
    }

    fn exchange(&mut self, request: &str) -> Answer {
        self.0.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            content_type: header("content-type").unwrap(),
            body: String::from_utf8(body).unwrap(),
        }
    }
}

fn is_true(object: &Value, name: &str) -> bool {
    // An object that nothing is known of yet has none.
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == name && condition["status"] == "True")
}

#[test]
fn skupper_token_issue_gets_every_answer_it_needs() {
    let server = Server::start_with(&["--site-name", "west"]);
    let mut connection = Connection::to(&server);

    ask_for_openshift(&mut connection);
    let grants = connection.get(&format!("{BASE}/accessgrants"));
    assert_eq!((grants.status, &grants.object()["kind"]), (200, &"AccessGrantList".into()));
    assert!(grants.object()["items"].as_array().unwrap().is_empty());
    let sites = connection.get(&format!("{BASE}/sites")).object();
    assert_eq!(sites["kind"], "SiteList");
    let site = &sites["items"][0];
    assert!(is_true(site, "Ready") && !site["status"]["endpoints"].as_array().unwrap().is_empty(), "{site}");
    assert!(site["spec"].get("edge").is_none(), "{site}");
    assert_eq!(site["metadata"]["name"], GRANT.split('-').next().unwrap());

    let missing = connection.get(&format!("{BASE}/accessgrants/{GRANT}"));
    let status = missing.object();
    assert_eq!((missing.status, &status["kind"], &status["reason"]), (404, &"Status".into(), &"NotFound".into()));

    let body = format!(
        "{{\"kind\":\"AccessGrant\",\"apiVersion\":\"skupper.io/v2alpha1\",\"metadata\":{{\"name\":\"{GRANT}\",\
         \"creationTimestamp\":null}},\"spec\":{{\"redemptionsAllowed\":1,\"expirationWindow\":\"15m0s\"}},\
         \"status\":{{}}}}\n"
    );
    let created = connection.post(&format!("{BASE}/accessgrants"), &body);
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.object()["metadata"]["name"], GRANT);

    let grant = poll_until(&mut connection, &format!("accessgrants/{GRANT}"), "Ready");
    for field in ["url", "code", "ca"] {
        assert!(!grant["status"][field].as_str().unwrap().is_empty(), "{field}");
    }
    redeem(&server, &grant);
}

/// Every command asks first whether this is OpenShift. Plain text, from which client-go makes the error that the CLI
/// expects.
fn ask_for_openshift(connection: &mut Connection) {
    for group in ["route.openshift.io", "apps.openshift.io"] {
        let answer = connection.get(&format!("/apis/{group}/v1"));
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{group}");
        assert_eq!(answer.content_type, "text/plain; charset=utf-8");
    }
}

/// Polls as the CLI does: once a second, the first time after a second.
fn poll_until(connection: &mut Connection, object: &str, condition: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let object = connection.get(&format!("{BASE}/{object}")).object();
        if is_true(&object, condition) {
            return object;
        }
        assert!(Instant::now() < deadline, "{object}");
    }
}

/// With the token file that the CLI writes.
fn redeem(server: &Server, grant: &Value) {
    let text = |field: &str| grant["status"][field].as_str().unwrap().to_owned();
    let ca = text("ca").lines().map(|line| format!("    {line}\n")).collect::<String>();
    let file = format!(
        "apiVersion: skupper.io/v2alpha1\nkind: AccessToken\nmetadata:\n  name: {GRANT}\nspec:\n  ca: |\n{ca}  code: {}\n  \
         linkCost: 1\n  url: {}\n",
        text("code"),
        text("url")
    );
    assert_eq!(AccessToken::read(&file).unwrap().name.as_str(), GRANT);
    std::fs::write(server.scratch().file("token.yaml"), file).unwrap();
    server.ok(&["token", "redeem", "token.yaml"]);
    assert_eq!(server.grant_named(GRANT)["status"]["redemptions"], 1);
}

#[test]
fn a_type_that_is_not_served_makes_the_cli_name_what_is_missing() {
    let server = Server::start();
    let answer = Connection::to(&server).get(&format!("{BASE}/certificates"));
    assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"));
}

#[test]
fn a_name_that_is_taken_is_an_object_so_that_the_cli_says_so() {
    let server = Server::start();
    server.ok(&["grant", "create", GRANT]);
    let answer = Connection::to(&server).get(&format!("{BASE}/accessgrants/{GRANT}"));
    assert_eq!((answer.status, &answer.object()["kind"]), (200, &"AccessGrant".into()));
}

/// The token file's object as Go writes it.
fn written_by_go(token: &AccessToken) -> String {
    let text = |text: &str| Value::from(text).to_string();
    format!(
        "{{\"kind\":\"AccessToken\",\"apiVersion\":\"skupper.io/v2alpha1\",\"metadata\":{{\"name\":\"{}\",\
         \"namespace\":\"default\",\"creationTimestamp\":null}},\"spec\":{{\"url\":{},\"code\":{},\"ca\":{},\
         \"linkCost\":1}},\"status\":{{}}}}\n",
        token.name,
        text(&token.url),
        text(token.code.expose()),
        text(&token.ca)
    )
}

#[test]
fn skupper_token_redeem_gets_every_answer_it_needs_and_link_status_shows_the_link() {
    let west = Server::start_with(&["--site-name", "west"]);
    let token = west.issue(1);
    let east = Server::start_with(&["--site-name", "east"]);
    let mut connection = Connection::to(&east);

    ask_for_openshift(&mut connection);
    let tokens = connection.get(&format!("{BASE}/accesstokens"));
    assert_eq!((tokens.status, &tokens.object()["kind"]), (200, &"AccessTokenList".into()));
    assert!(tokens.object()["items"].as_array().unwrap().is_empty());
    let sites = connection.get(&format!("{BASE}/sites")).object();
    assert!(is_true(&sites["items"][0], "Ready"), "{sites}");
    let created = connection.post(&format!("{BASE}/accesstokens"), &written_by_go(&token));
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.object()["metadata"]["name"], token.name.as_str());
    let redeemed = poll_until(&mut connection, &format!("accesstokens/{}", token.name), "Redeemed");
    assert_eq!((&redeemed["status"]["status"], &redeemed["status"]["message"]), (&"Ready".into(), &"OK".into()));
    assert_eq!((&redeemed["status"]["redeemed"], &redeemed["spec"]["linkCost"]), (&true.into(), &1.into()));
    assert_eq!(west.grant(&token)["status"]["redemptions"], 1);
    assert_eq!(west.ledger(&token)[0]["name"], token.name.as_str());

    // `skupper link status`, then the same with the name.
    ask_for_openshift(&mut connection);
    assert_eq!(connection.get(&format!("{BASE}/links")).status, 200);
    assert_eq!(connection.get(&format!("{BASE}/sites")).status, 200);
    let links = connection.get(&format!("{BASE}/links")).object();
    assert_eq!(links["kind"], "LinkList");
    let [link] = &links["items"].as_array().unwrap()[..] else { panic!("{links}") };
    let name = link["metadata"]["name"].as_str().unwrap();
    assert_eq!((name, &link["spec"]["cost"]), (token.name.as_str(), &1.into()));
    let one = connection.get(&format!("{BASE}/links/{name}")).object();
    assert_eq!((&one["kind"], &one["spec"]), (&"Link".into(), &link["spec"]));
    assert!(!east.log().contains(token.code.expose()), "the code is in the log of the redeeming server");
}

#[test]
fn the_cli_gets_the_reason_of_a_refused_token_and_no_more() {
    let west = Server::start();
    let token = west.issue(1);
    west.ok(&["grant", "delete", token.name.as_str()]);
    let east = Server::start();
    let mut connection = Connection::to(&east);

    let created = connection.post(&format!("{BASE}/accesstokens"), &written_by_go(&token));
    assert_eq!(created.status, 201, "{}", created.body);
    let path = format!("{BASE}/accesstokens/{}", token.name);
    let deadline = Instant::now() + PATIENCE;
    let refused = loop {
        let object = connection.get(&path).object();
        if object["status"]["status"] == "Error" {
            break object;
        }
        assert!(Instant::now() < deadline, "{object}");
        std::thread::sleep(Duration::from_millis(20));
    };

    assert!(!is_true(&refused, "Redeemed"), "{refused}");
    let message = refused["status"]["message"].as_str().unwrap();
    assert!(message.contains("404 (Not Found) No such claim"), "{message}");
    let links = connection.get(&format!("{BASE}/links")).object();
    assert!(links["items"].as_array().unwrap().is_empty(), "{links}");
}
