use std::{
    future,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Barrier;

use super::*;
use crate::{
    app::{PortFuture, ProbeFailure},
    link::KeyPem,
};

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantd-links-{}", uuid::Uuid::new_v4()));
        crate::file::create_private_directory(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    /// A link as `token redeem` writes it.
    fn link(&self, name: &str, endpoints: &str) {
        self.write(&format!("Link-{name}.yaml"), &link_text(name, endpoints));
        let pem = |label: &str| format!("-----BEGIN {label}-----\nAA==\n-----END {label}-----\n");
        let secret = TlsSecret {
            name: name.parse().unwrap(),
            ca_pem: pem("CERTIFICATE"),
            certificate_pem: pem("CERTIFICATE"),
            key: KeyPem::new(pem("PRIVATE KEY").into()),
        };
        self.write(&format!("Secret-{name}.yaml"), &secret.write(None));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn link_text(name: &str, endpoints: &str) -> String {
    format!(
        "apiVersion: skupper.io/v2alpha1\nkind: Link\nmetadata: {{name: {name}}}\n\
         spec: {{endpoints: [{endpoints}], tlsCredentials: {name}}}\n"
    )
}

const INTER_ROUTER: &str = "{name: inter-router, host: 10.1.1.1, port: '55671'}";
const EDGE: &str = "{name: edge, host: 10.1.1.1, port: '45671'}";

/// A prober for which only port 55671 works, and which records the tested endpoints.
#[derive(Default)]
struct Ports(Mutex<Vec<u16>>);

impl Prober for Ports {
    fn probe<'a>(&'a self, endpoint: &'a Endpoint, _: &'a TlsSecret) -> PortFuture<'a, (), ProbeFailure> {
        let port = endpoint.port.number();
        self.0.lock().unwrap().push(port);
        let failure = || ProbeFailure { message: format!("{}: connection refused", endpoint.port) };
        Box::pin(future::ready(if port == 55671 { Ok(()) } else { Err(failure()) }))
    }
}

#[tokio::test]
async fn each_link_is_tried_at_its_inter_router_endpoint_or_else_at_its_edge_one() {
    let scratch = Scratch::new();
    scratch.link("west", &format!("{EDGE}, {INTER_ROUTER}"));
    scratch.link("east", EDGE);
    scratch.write("Site-here.yaml", "kind: Site\n");
    scratch.write("west.yaml", "kind: AccessToken\n");

    let found = read(&scratch.0, None).unwrap();
    assert!(found.failures.is_empty());
    let ports = Arc::new(Ports::default());
    let objects = probe(found.links, Arc::clone(&ports)).await;

    let shown: Vec<_> = objects.iter().map(|object| (&object["metadata"]["name"], &object["status"])).collect();
    let (ready, pending) = (
        json!({"status": "Ready", "message": "OK"}),
        json!({"status": "Pending", "message": "Not Operational: 45671: connection refused"}),
    );
    assert_eq!(shown, [(&json!("east"), &pending), (&json!("west"), &ready)]);
    let mut asked = ports.0.lock().unwrap().clone();
    asked.sort_unstable();
    assert_eq!(asked, [45671, 55671]);
}

#[tokio::test]
async fn a_link_without_its_secret_is_not_ready_and_the_file_is_named() {
    let scratch = Scratch::new();
    scratch.link("west", INTER_ROUTER);
    scratch.link("east", INTER_ROUTER);
    fs::remove_file(scratch.0.join("Secret-west.yaml")).unwrap();
    scratch.write("Secret-east.yaml", "kind: Secret\n");

    let objects = probe(read(&scratch.0, None).unwrap().links, Arc::new(Ports::default())).await;

    for (object, file) in objects.iter().zip(["Secret-east.yaml: line 1", "Secret-west.yaml: No such file"]) {
        let message = object["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("Not Operational: ") && message.contains(file), "{message}");
    }
}

#[test]
fn a_file_that_is_no_link_is_named_and_hides_no_other() {
    let scratch = Scratch::new();
    scratch.link("west", INTER_ROUTER);
    scratch.write("Link-bad.yaml", "kind: Site\napiVersion: v1\n");
    fs::create_dir(scratch.0.join("Link-directory.yaml")).unwrap();

    let found = read(&scratch.0, None).unwrap();
    assert_eq!(found.links.len(), 1);
    let failures: Vec<String> = found.failures.iter().map(CliError::chain).collect();
    assert!(
        failures[0].contains("Link-bad.yaml: line 1, column 7: this is 'Site' (v1); expected a Link"),
        "{failures:?}"
    );
    assert!(failures[1].contains("Link-directory.yaml"), "{failures:?}");

    let west = read(&scratch.0, Some(&"west".parse().unwrap())).unwrap();
    assert_eq!((west.links.len(), west.failures.len()), (1, 0));
    let bad = read(&scratch.0, Some(&"bad".parse().unwrap())).unwrap();
    assert_eq!((bad.links.len(), bad.failures.len()), (0, 1));
}

/// A prober that answers only when eight tests run, and counts the tests that run at the same time.
struct Crowd {
    barrier: Barrier,
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Prober for Crowd {
    fn probe<'a>(&'a self, _: &'a Endpoint, _: &'a TlsSecret) -> PortFuture<'a, (), ProbeFailure> {
        Box::pin(async {
            let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(inside, Ordering::SeqCst);
            self.barrier.wait().await;
            self.inside.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
    }
}

#[tokio::test]
async fn several_links_are_tried_at_once_but_not_all() {
    let scratch = Scratch::new();
    for number in 0..2 * AT_ONCE {
        scratch.link(&format!("link-{number}"), INTER_ROUTER);
    }
    let crowd =
        Arc::new(Crowd { barrier: Barrier::new(AT_ONCE), inside: AtomicUsize::new(0), most: AtomicUsize::new(0) });

    let probes = probe(read(&scratch.0, None).unwrap().links, Arc::clone(&crowd));
    let objects = tokio::time::timeout(std::time::Duration::from_secs(20), probes).await.unwrap();

    assert_eq!(crowd.most.load(Ordering::SeqCst), AT_ONCE);
    assert!(objects.iter().all(|object| object["status"]["status"] == "Ready"));
}

#[test]
fn a_pipe_or_a_device_among_the_files_is_reported_and_not_read() {
    let scratch = Scratch::new();
    scratch.link("piped", INTER_ROUTER);
    fs::remove_file(scratch.0.join("Secret-piped.yaml")).unwrap();
    for name in ["Secret-piped.yaml", "Link-pipe.yaml"] {
        let made = std::process::Command::new("mkfifo").arg(scratch.0.join(name)).status().unwrap();
        assert!(made.success());
    }
    std::os::unix::fs::symlink("/dev/zero", scratch.0.join("Link-zero.yaml")).unwrap();

    let found = read(&scratch.0, None).unwrap();

    let messages: Vec<_> = found.failures.iter().map(CliError::chain).collect();
    let path = |name: &str| scratch.0.join(name).display().to_string();
    assert_eq!(
        messages,
        [path("Link-pipe.yaml"), path("Link-zero.yaml")].map(|path| format!("cannot read {path}: not a regular file"))
    );
    let credentials = found.links[0].credentials.as_ref().unwrap_err();
    assert!(credentials.ends_with("Secret-piped.yaml: not a regular file"), "{credentials}");
}
