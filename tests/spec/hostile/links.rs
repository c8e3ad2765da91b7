//! Links to hosts that never answer: whoever may write Links in one namespace can make the server wait.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use super::{
    Form, NEIGHBOUR,
    admin::{Caller, listening},
    alone, report,
};
use crate::server::Server;

const GROUP: &str = "/apis/skupper.io/v2alpha1/namespaces";

/// A Link, and the Secret that it needs.
async fn apply(admin: &Caller, namespace: &str, name: &str, (host, port): (&str, u16), secret: &serde_json::Value) {
    let endpoints = serde_json::json!([{"group": "g", "name": "inter-router", "host": host, "port": port.to_string()}]);
    let link = serde_json::json!({
        "apiVersion": "skupper.io/v2alpha1", "kind": "Link", "metadata": {"name": name},
        "spec": {"endpoints": endpoints, "tlsCredentials": name},
    });
    let mut secret = secret.clone();
    secret["metadata"] = serde_json::json!({"name": name});
    for (path, document) in
        [(format!("/api/v1/namespaces/{namespace}/secrets"), secret), (format!("{GROUP}/{namespace}/links"), link)]
    {
        let (status, said) = admin.ask("POST", &path, &document.to_string()).await.unwrap();
        assert_eq!(status, 201, "{said}");
    }
}

/// The Secret of a redemption.
fn redeemed_secret(server: &Server) -> serde_json::Value {
    server.ok(&["token", "issue", "t.yaml", "--name", "t"]);
    server.ok(&["token", "redeem", "t.yaml"]);
    let text = std::fs::read_to_string(server.scratch().file("Secret-t.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Whether the Link was tried: its status says that nobody listens there.
async fn has_a_verdict(admin: &Caller, namespace: &str, name: &str) -> bool {
    let (_, text) = admin.ask("GET", &format!("{GROUP}/{namespace}/links/{name}"), "").await.unwrap();
    let link: serde_json::Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
    link["status"]["message"].as_str().is_some_and(|message| message.contains("refused"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_one_namespace_to_silent_hosts_do_not_delay_those_of_another() {
    let _alone = alone().await;
    let server = listening();
    let admin = Caller::user(&server, NEIGHBOUR, &[]);
    let secret = redeemed_secret(&server);
    // The kernel completes connections, and nobody ever reads from them. Each host is an address of its own.
    let silent = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let count = Form::of(80, 200);
    for number in 0..count {
        let to = format!("127.0.1.{number}");
        apply(&admin, "crowd", &format!("l{number}"), (&to, port), &secret).await;
    }

    let begun = Instant::now();
    apply(&admin, "quiet", "new", ("127.0.0.1", 1), &secret).await;
    let patience = Form::of(Duration::from_secs(8), Duration::from_secs(200));
    let mut found = false;
    while !found && begun.elapsed() < patience {
        found = has_a_verdict(&admin, "quiet", "new").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let took = begun.elapsed();
    let result = if found {
        format!("a verdict for a new Link of another namespace after {:.1} s", took.as_secs_f64())
    } else {
        format!("no verdict for a new Link of another namespace in {} s", took.as_secs())
    };
    report(&format!("{count} Links to hosts that never answer, one namespace"), &result);
    assert!(found, "{result}");
    drop(silent);
}
