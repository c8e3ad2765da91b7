//! The real kubectl without a cluster: the oldest and the newest that are installed, and the one between.

mod access;
mod change;
mod compose;
mod read;
mod refuse;
mod secret;
mod status;
mod under_a_path;
mod unwell;
mod watch;
mod write;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
};

use tokio::{
    net::{TcpListener, UnixStream},
    process::Command,
    task::JoinHandle,
    time::timeout,
};

use crate::server::{PATIENCE, Scratch, Server};

/// The manifest that most tests apply.
const MANIFEST: &str = "\
apiVersion: skupper.io/v2alpha1
kind: AccessGrant
metadata:
  name: west
spec:
  redemptionsAllowed: 2
  expirationWindow: 1h
";

/// The oldest, the newest and the middle one of those that are installed.
pub(crate) fn versions() -> Vec<PathBuf> {
    let all = installed();
    match all.len() {
        0..=3 => all,
        count => [0, count / 2, count - 1].map(|at| all[at].clone()).into(),
    }
}

/// The kubectl on the PATH, or each of the versions that some distributions put beside it as `kubectl.1.NN`.
///
/// Those are taken for themselves: the one on the PATH may be a front end that picks one by the server's version
/// (docs/kubernetes-api.md section 3.1).
pub(crate) fn installed() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|directory| directory.join("kubectl")).find(|file| file.is_file());
    let found = found.expect("these tests need kubectl on the PATH").canonicalize().unwrap();
    let beside = fs::read_dir(found.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut numbered: Vec<(u32, PathBuf)> = beside.filter_map(|file| Some((minor_version(&file)?, file))).collect();
    numbered.sort();
    if numbered.is_empty() { vec![found] } else { numbered.into_iter().map(|(_, file)| file).collect() }
}

fn minor_version(file: &Path) -> Option<u32> {
    file.file_name()?.to_str()?.strip_prefix("kubectl.1.")?.parse().ok()
}

/// A kubectl with a server of its own, whose admin socket it reaches through a port of this host.
struct Kubectl {
    binary: PathBuf,
    home: Scratch,
    server: Server,
    port: u16,
    forwarding: JoinHandle<()>,
}

impl Kubectl {
    async fn start(binary: PathBuf) -> Self {
        Self::start_with(binary, Server::start()).await
    }

    async fn start_with(binary: PathBuf, server: Server) -> Self {
        let home = Scratch::new();
        fs::write(home.file("config"), "apiVersion: v1\nkind: Config\n").unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let forwarding = tokio::spawn(forward(listener, server.data_dir.join("admin.sock")));
        Self { binary, home, server, port, forwarding }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare();
        command.args(["--server", &self.url(), "--request-timeout", "20s"]).args(arguments);
        command
    }

    /// A kubectl command without an argument for the server's address.
    fn bare(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(self.home.path())
            .env_clear()
            // `kubectl diff` runs diff.
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("KUBECONFIG", self.home.file("config"))
            .env("KUBECACHEDIR", self.home.file("cache"))
            .env("EDITOR", self.home.file("editor"))
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        timeout(PATIENCE, self.command(arguments).output()).await.unwrap().unwrap()
    }

    /// Output and warnings of a command that must succeed.
    async fn says_and_warns(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments).await;
        let (printed, warned) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{} {arguments:?}: {warned}{printed}", self.binary.display());
        (printed, warned)
    }

    async fn says(&self, arguments: &[&str]) -> String {
        self.says_and_warns(arguments).await.0
    }

    /// The error message of a command that must fail.
    async fn complains(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{} {arguments:?}", self.binary.display());
        String::from_utf8(output.stderr).unwrap()
    }

    /// One field of the grant `west`.
    async fn field(&self, path: &str) -> String {
        self.says(&["get", "accessgrant", "west", "-o", &format!("jsonpath={{{path}}}")]).await
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.home.file(name), text).unwrap();
    }

    /// What `kubectl edit` runs, with the file to be edited as `$1`.
    fn write_editor(&self, script: &str) {
        self.write("editor", &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(self.home.file("editor"), fs::Permissions::from_mode(0o700)).unwrap();
    }

    async fn with_grant(self) -> Self {
        self.write("grant.yaml", MANIFEST);
        self.says(&["apply", "-f", "grant.yaml"]).await;
        self
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

/// Takes connections for the socket until aborted.
async fn forward(listener: TcpListener, socket: PathBuf) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let socket = socket.clone();
        tokio::spawn(async move {
            let mut server = UnixStream::connect(&socket).await.unwrap();
            // Either side may go away at any time.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
