//! Every real kubectl that lies beside the installed one, over a loopback port that leads to the Unix socket.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    net::{TcpListener, UnixStream},
    process::Command,
    task::JoinHandle,
    time::timeout,
};

use super::world::{Scratch, World};
use crate::kube::AdminDoor;

const DEADLINE: Duration = Duration::from_secs(60);

/// kubectl as it is on the PATH, and the versions that some distributions put beside it.
fn clients() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(found) = std::env::split_paths(&path).map(|d| d.join("kubectl")).find_map(|p| p.canonicalize().ok())
    else {
        return Vec::new();
    };
    let beside = fs::read_dir(found.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut versions: Vec<PathBuf> =
        beside.filter(|p| p.file_name().unwrap().to_str().is_some_and(|n| n.starts_with("kubectl.1."))).collect();
    versions.sort();
    if versions.is_empty() { vec![found] } else { versions }
}

/// A port of this host whose connections go to the socket.
async fn port_to(socket: PathBuf) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut server = UnixStream::connect(&socket).await.unwrap();
                // Either side may go away at any time.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, serving)
}

struct Kubectl<'a> {
    binary: &'a Path,
    home: Scratch,
    server: String,
}

impl Kubectl<'_> {
    async fn run(&self, arguments: &[&str]) -> Output {
        let run = Command::new(self.binary)
            .args(["--server", &self.server, "--namespace", "west", "--request-timeout", "20s"])
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            // `kubectl diff` runs diff.
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .env("KUBECACHEDIR", self.home.path().join("cache"))
            .kill_on_drop(true)
            .output();
        timeout(DEADLINE, run).await.unwrap().unwrap()
    }

    async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let (told, complaint) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{} {arguments:?}: {complaint}{told}", self.binary.display());
        told
    }

    async fn complains(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(!output.status.success(), "{} {arguments:?}", self.binary.display());
        String::from_utf8(output.stderr).unwrap()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

const MANIFEST: &str = "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata:\n  name: g\nspec:\n  \
                        redemptionsAllowed: 2\n  expirationWindow: 1h\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_works_without_a_cluster() {
    let world = World::start().await;
    let socket = world.scratch.path().join("admin.sock");
    let door = AdminDoor::bind_unix(&socket).unwrap();
    let serving = tokio::spawn(door.serve(Arc::clone(&world.app), std::future::pending()));
    let (port, proxy) = port_to(socket).await;
    let clients = clients();
    if clients.is_empty() {
        eprintln!("kubectl is not installed: nothing was tested");
    }
    for binary in &clients {
        let kubectl = Kubectl { binary, home: Scratch::new(), server: format!("http://127.0.0.1:{port}") };
        kubectl.write("config", "apiVersion: v1\nkind: Config\n");
        apply_and_read(&kubectl).await;
        change_and_remove(&kubectl).await;
        be_refused(&kubectl).await;
    }
    serving.abort();
    proxy.abort();
}

async fn apply_and_read(kubectl: &Kubectl<'_>) {
    let file = kubectl.write("grant.yaml", MANIFEST);
    assert_eq!(kubectl.says(&["apply", "-f", &file]).await, "accessgrant.skupper.io/g created\n");
    assert_eq!(kubectl.says(&["apply", "-f", &file]).await, "accessgrant.skupper.io/g unchanged\n");

    // Without a watch kubectl complains on stderr, and goes on by listing.
    let met = kubectl.says(&["wait", "--for=condition=Ready", "accessgrant/g", "--timeout=20s"]).await;
    assert_eq!(met, "accessgrant.skupper.io/g condition met\n");
    let url = kubectl.says(&["get", "accessgrant", "g", "-o", "template", "--template", "{{ .status.url }}"]).await;
    assert!(url.starts_with("https://grants.example.com:9090/"), "{url}");
    let yaml = kubectl.says(&["get", "gr", "g", "-o", "yaml"]).await;
    assert!(yaml.contains("  redemptionsAllowed: 2\n") && yaml.contains("    type: Ready\n"), "{yaml}");
    assert!(kubectl.says(&["get", "accessgrants", "-A"]).await.contains("west"));
    assert!(kubectl.says(&["get", "grant", "-l", "!none", "-o", "name"]).await.contains("accessgrant.skupper.io/g"));
    let endpoints = kubectl.says(&["get", "sites", "-o", "jsonpath={.items[0].status.endpoints[*].port}"]).await;
    assert_eq!(endpoints, "55671 45671");
    assert!(kubectl.says(&["describe", "accessgrant", "g"]).await.contains("Redemptions Allowed"));

    let types = kubectl.says(&["api-resources", "--no-headers"]).await;
    assert!(types.contains("accessgrants") && types.contains("grant,gr") && types.contains("Site"), "{types}");
    let redemptions =
        kubectl.says(&["get", "--raw", "/apis/skupper.io/v2alpha1/namespaces/west/accessgrants/g/redemptions"]);
    assert!(redemptions.await.contains("RedemptionList"));
}

async fn change_and_remove(kubectl: &Kubectl<'_>) {
    let more = kubectl.write("more.yaml", &MANIFEST.replace("Allowed: 2", "Allowed: 3"));
    assert_eq!(kubectl.says(&["apply", "-f", &more]).await, "accessgrant.skupper.io/g configured\n");
    let patch = json!({"spec": {"redemptionsAllowed": 4}}).to_string();
    let patched = kubectl.says(&["patch", "accessgrant", "g", "--type=merge", "-p", &patch]).await;
    assert_eq!(patched, "accessgrant.skupper.io/g patched\n");
    assert!(kubectl.says(&["patch", "gr", "g", "--type=merge", "-p", &patch]).await.contains("(no change)"));
    kubectl.says(&["label", "gr", "g", "app=a"]).await;
    kubectl.says(&["annotate", "gr", "g", "note=n"]).await;
    let labels =
        kubectl.says(&["get", "gr", "g", "-o", "jsonpath={.metadata.labels.app}{.spec.redemptionsAllowed}"]).await;
    assert_eq!(labels, "a4");
    let dry = kubectl.says(&["apply", "--dry-run=server", "-f", &more]).await;
    assert_eq!(dry, "accessgrant.skupper.io/g configured (server dry run)\n");
    let diff = kubectl.run(&["diff", "-f", &more]).await;
    assert_eq!(diff.status.code(), Some(1), "{}", String::from_utf8_lossy(&diff.stderr));
    assert!(String::from_utf8(diff.stdout).unwrap().contains("-  redemptionsAllowed: 4"));

    let whole = kubectl.says(&["get", "gr", "g", "-o", "json"]).await;
    let replaced =
        kubectl.write("replace.json", &whole.replace("\"redemptionsAllowed\": 4", "\"redemptionsAllowed\": 5"));
    assert_eq!(kubectl.says(&["replace", "-f", &replaced]).await, "accessgrant.skupper.io/g replaced\n");
    assert!(kubectl.says(&["delete", "gr", "g"]).await.starts_with("accessgrant.skupper.io \"g\" deleted"));
    assert!(kubectl.says(&["get", "gr", "--ignore-not-found"]).await.is_empty());
}

async fn be_refused(kubectl: &Kubectl<'_>) {
    let missing = kubectl.complains(&["get", "gr", "nope"]).await;
    assert_eq!(missing, "Error from server (NotFound): accessgrants.skupper.io \"nope\" not found\n");
    let unknown = kubectl.write("unknown.yaml", &format!("{MANIFEST}  bogus: 1\n"));
    let strict = kubectl.complains(&["apply", "-f", &unknown]).await;
    assert!(strict.contains("strict decoding error: unknown field \"spec.bogus\""), "{strict}");
    let invalid = kubectl.write("invalid.yaml", &MANIFEST.replace("1h", "soon").replace("Allowed: 2", "Allowed: -2"));
    let told = kubectl.complains(&["create", "-f", &invalid]).await;
    assert!(told.contains("The AccessGrant \"g\" is invalid:"), "{told}");
    assert!(
        told.contains("* spec.expirationWindow: Invalid duration \"soon\": time: invalid duration \"soon\""),
        "{told}"
    );
    let file = kubectl.write("grant.yaml", MANIFEST);
    let applied = kubectl.complains(&["apply", "--server-side", "-f", &file]).await;
    assert!(
        applied.contains("server-side apply is not supported; use kubectl apply without --server-side"),
        "{applied}"
    );
    let acted = kubectl.complains(&["get", "gr", "--as", "bob"]).await;
    assert_eq!(acted, "Error from server (Forbidden): impersonation is not supported by this server\n");
    let links = kubectl.complains(&["get", "links"]).await;
    assert!(links.contains("the server doesn't have a resource type \"links\""), "{links}");
    let site = kubectl.complains(&["delete", "site", "west-site"]).await;
    assert!(site.contains("sites come from the server's configuration"), "{site}");
}
