//! What clients can make the server take in memory is bounded, and given back when they are gone.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use crate::server::{PATIENCE, Server};

const MIB: u64 = 1024 * 1024;
/// What the server may take more than at its start, whatever clients do: with what a release build starts with, less than 128 MiB.
const MOST: u64 = 100 * MIB;
/// What it may keep of that afterwards.
const KEPT: u64 = 20 * MIB;
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// A line of the server's status in `/proc`, in bytes (proc(5)).
fn status(server: &Server, line: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let kilobytes = text.lines().find_map(|found| found.strip_prefix(line)?.split_whitespace().nth(1)).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

fn resident(server: &Server) -> u64 {
    status(server, "VmRSS")
}

/// The most memory that was ever resident.
fn peak(server: &Server) -> u64 {
    status(server, "VmHWM")
}

/// User and system time the server has used, in clock ticks, of which Linux has 100 a second (proc(5)).
fn ticks(server: &Server) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    // Counted from the state, which is field 3 of the manual.
    fields[14 - 3].parse::<u64>().unwrap() + fields[15 - 3].parse::<u64>().unwrap()
}

#[track_caller]
fn gives_back(server: &Server, before: u64) {
    let deadline = Instant::now() + PATIENCE;
    while resident(server) > before + KEPT {
        assert!(Instant::now() < deadline, "{} MiB are kept, {} at the start", resident(server) / MIB, before / MIB);
        thread::sleep(Duration::from_millis(100));
    }
}

fn connect(server: &Server) -> UnixStream {
    let stream = UnixStream::connect(server.data_dir.join("admin.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The status of the answer to a POST of this body.
fn post(server: &Server, path: &str, body: &str) -> u16 {
    let mut stream = connect(server);
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: grantd\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
}

fn secret(name: &str, value: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"{name}"}},"stringData":{{"a":"{value}"}}}}"#)
}

#[test]
fn a_body_becomes_a_small_multiple_of_its_length_whatever_is_in_it() {
    const LENGTH: usize = 1024 * 1024 - 64;
    let server = Server::start();
    let before = resident(&server);
    let units = ["[],", "{\"a\":0},", "{\"a\":{\"a\":{}}},", "0,"];
    let dense = units.map(|unit| format!("{{\"a\":[{}0]}}", unit.repeat(LENGTH / unit.len())));
    let mut names = String::from("{\"data\":{");
    for number in 0..70_000 {
        let _ = write!(names, "\"{number}\":\"YQ==\",");
    }
    names.push_str("\"a\":\"\"}}");
    let long = secret("long", &"x".repeat(700_000));

    for (body, refusals) in dense.iter().chain([&names]).map(|body| (body, [413, 429])).chain([(&long, [422, 429])]) {
        let answers: Vec<u16> = thread::scope(|scope| {
            let posts: Vec<_> = (0..16).map(|_| scope.spawn(|| post(&server, SECRETS, body))).collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect()
        });
        let expected = |status: &u16| refusals.contains(status) || (refusals[0] == 422 && [201, 409].contains(status));
        assert!(answers.iter().all(expected), "{answers:?}");
        assert!(answers.iter().any(|status| *status != 429), "nothing was served: {answers:?}");
    }

    assert!(peak(&server) < before + MOST, "{} MiB, {} at the start", peak(&server) / MIB, before / MIB);
    gives_back(&server, before);
}

#[test]
fn watches_that_nobody_reads_take_no_more_than_the_budget() {
    let server = Server::start();
    let before = resident(&server);
    // Almost as many as there may be connections.
    let stalled: Vec<UnixStream> = (0..56)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(format!("GET {SECRETS}?watch=true HTTP/1.1\r\nHost: grantd\r\n\r\n").as_bytes()).unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).unwrap();
            assert_eq!(&status, b"HTTP/1.1 200");
            stream
        })
        .collect();

    let value = "x".repeat(700_000);
    for number in 0..12 {
        assert_eq!(post(&server, SECRETS, &secret(&format!("s{number}"), &value)), 201);
    }
    // As long as it takes until all of them wait for their clients or for memory.
    let mut used = ticks(&server);
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = ticks(&server);
        if now <= used + 1 {
            break;
        }
        used = now;
    }

    assert!(peak(&server) < before + MOST, "{} MiB, {} at the start", peak(&server) / MIB, before / MIB);
    drop(stalled);
    gives_back(&server, before);
    assert_eq!(post(&server, SECRETS, &secret("after", &value)), 201);
}
