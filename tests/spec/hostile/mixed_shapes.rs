//! Requests put together at random from pieces that proxies and servers read differently.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use super::{
    Form, NEIGHBOUR, alone,
    honest::{at, clients_come},
    memory::Memory,
    report,
};
use crate::{
    server::{PATIENCE, Server},
    wire::Client,
};

/// The first of each is what clients send.
const METHODS: &[&str] = &["POST", "GET", "post", "POST ", "CONNECT", "\r\nPOST"];
const VERSIONS: &[&str] = &["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1", "HTTP/2.0", ""];
const LINE_ENDS: &[&str] = &["\r\n", "\n", "\r", " \r\n", "\r\n "];
const HEADERS: &[&str] = &[
    "Host: a",
    "Host: a, b",
    "host:a:99999",
    "Host: user@a",
    "Name: east",
    "Name: \u{e9}",
    "Subject: east",
    "Content-Length: 24",
    "Content-Length: 0",
    "Content-Length: +24",
    "Content-Length: 24, 24",
    "Content-Length: 18446744073709551616",
    "Content-Length : 24",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: gzip, chunked",
    "Connection: keep-alive",
    "Connection: Content-Length",
    "Upgrade: h2c",
    "Expect: 100-continue",
    ": none",
    "X: \0",
    "X",
];

/// Numbers that look random, and are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        // xorshift64: https://en.wikipedia.org/wiki/Xorshift
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    /// The first one, as a rule.
    fn usually(&mut self, from: &[&'static str]) -> &'static str {
        if self.below(20) == 0 { self.pick(from) } else { from[0] }
    }

    /// A request for this grant, perhaps with another one in or behind its body.
    fn request(&mut self, path: &str, code: &str) -> Vec<u8> {
        let target = match self.below(20) {
            0 => format!("//{path}"),
            1 => format!("http://a/{path}"),
            2 => format!("/{path}/"),
            _ => format!("/{path}"),
        };
        let start = [self.usually(METHODS), &target, self.usually(VERSIONS)].join(" ");
        let is_chunked = self.below(3) == 0;
        let length = if is_chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", code.len())
        };
        let mut lines = vec![start];
        for line in ["Host: a", "Name: east", &length] {
            lines.push(if self.below(16) == 0 { self.pick(HEADERS) } else { line }.to_owned());
        }
        for _ in 0..self.below(3) {
            lines.push(self.pick(HEADERS).to_owned());
        }
        let mut text = String::new();
        for line in lines.iter().map(String::as_str).chain([""]) {
            text += line;
            text += self.usually(LINE_ENDS);
        }
        let hidden = format!("POST /{path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{code}", code.len());
        let body = if is_chunked { format!("{:x}\r\n{code}\r\n0\r\n\r\n", code.len()) } else { code.to_owned() };
        text += &match self.below(8) {
            0 => hidden,
            1 => format!("0\r\n\r\n{hidden}"),
            2 => code.to_owned(),
            3 | 4 => format!("{body}{hidden}"),
            _ => body,
        };
        text.into_bytes()
    }
}

/// The statuses of all final answers on one connection.
async fn statuses(client: &Client, bytes: &[u8]) -> Vec<u16> {
    let exchange = async {
        let Ok(mut stream) = client.connect().await else { return Vec::new() };
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let answer = timeout(PATIENCE, exchange).await.expect("the server closes");
    let text = String::from_utf8_lossy(&answer);
    // A request of HTTP/1.0 has its answer in that version.
    let of_line = |line: &str| line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok();
    let statuses = text.lines().filter_map(of_line);
    statuses.filter(|status| *status != 100).collect()
}

/// Whatever the shape, a connection gets one answer at most, and each 200 is one row of the ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_requests_in_any_shape_each_connection_has_one_answer_and_each_certificate_its_record() {
    const AT_ONCE: usize = 48;
    let _alone = alone().await;
    // Many of these wait for a body that does not come.
    let server = Server::start_with(&["--request-deadline", "2s"]);
    let token = server.issue(1_000_000);
    let client = Client::new(server.redeem, &token);
    let memory = Memory::of(&server);
    let each = Form::of(8, 400);
    let mut attackers = JoinSet::new();
    for number in 0..AT_ONCE {
        let (client, token) = (client.clone(), token.clone());
        attackers.spawn(async move {
            let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
            let path = token.url.rsplit('/').next().unwrap().to_owned();
            let mut answered: BTreeMap<u16, usize> = BTreeMap::new();
            for _ in 0..each {
                let sent = chance.request(&path, token.code.expose());
                let answers = statuses(&client, &sent).await;
                assert!(answers.len() <= 1, "{answers:?} for {:?}", String::from_utf8_lossy(&sent));
                *answered.entry(answers.first().copied().unwrap_or(0)).or_default() += 1;
            }
            answered
        });
    }
    let (honest, length) = Form::of((3, Duration::from_secs(2)), (40, Duration::from_secs(30)));
    let experience = clients_come(&client, &token, &at(NEIGHBOUR, &[0, 100]), honest, length).await;

    let mut answered: BTreeMap<u16, usize> = BTreeMap::new();
    for of_one in attackers.join_all().await {
        of_one.into_iter().for_each(|(status, count)| *answered.entry(status).or_default() += count);
    }
    let effect = memory.after().await;
    report(&format!("{} requests in mixed shapes", each * AT_ONCE), format!("{answered:?}; {experience}; {effect}"));
    assert!(experience.is_perfect(), "{experience}");
    let served = answered.get(&200).copied().unwrap_or_default();
    assert!(served > 0 && answered.len() > 3, "too few of these are near to a proper request: {answered:?}");
    assert_eq!(server.ledger(&token).len(), served + experience.served());
    effect.assert_bounded();
}
