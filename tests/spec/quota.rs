//! What one namespace may store.

use std::{fs, process::Command, thread};

use crate::server::Server;

/// Creates a Secret with this many bytes; answers whether that was done, and what the server said.
fn create(server: &Server, name: &str, bytes: usize) -> (bool, String) {
    let (file, value) = (server.scratch().file(&format!("{name}.json")), "x".repeat(bytes));
    let secret = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": value},
    });
    fs::write(&file, secret.to_string()).unwrap();
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", "--unix-socket"])
        .arg(server.data_dir.join("admin.sock"))
        .args(["--header", "Content-Type: application/json", "--data-binary", &format!("@{}", file.display())])
        .arg("http://grantd/api/v1/namespaces/default/secrets")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (said, status) = text.rsplit_once('\n').unwrap();
    assert!(["201", "403"].contains(&status), "{text}");
    (status == "201", said.to_owned())
}

#[test]
fn of_many_concurrent_writes_exactly_as_many_succeed_as_the_quota_has_space_for() {
    let server = Server::start_with(&["--max-objects-per-namespace", "5"]);
    let token = server.issue(1);

    let outcomes: Vec<(bool, String)> = thread::scope(|scope| {
        let server = &server;
        let writes: Vec<_> = (0..12).map(|n| scope.spawn(move || create(server, &format!("s{n}"), 10))).collect();
        writes.into_iter().map(|write| write.join().unwrap()).collect()
    });

    assert_eq!(outcomes.iter().filter(|(succeeded, _)| *succeeded).count(), 4, "{outcomes:?}");
    let wording = "is forbidden: exceeded quota: namespace, requested: objects=1, used: objects=5, limited: objects=5";
    assert!(outcomes.iter().all(|(succeeded, said)| *succeeded || said.contains(wording)), "{outcomes:?}");
    let refused = server.run(&["token", "issue", "-"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("exceeded quota"), "{refused:?}");

    server.ok(&["grant", "delete", token.name.as_str()]);
    server.issue(1);
}

#[test]
fn the_bytes_of_a_namespace_are_limited_too() {
    let server = Server::start_with(&["--max-bytes-per-namespace", "1048576"]);

    assert!(create(&server, "one", 600_000).0);
    let (succeeded, said) = create(&server, "two", 600_000);

    assert!(!succeeded && said.contains("limited: bytes=1048576"), "{said}");
}
