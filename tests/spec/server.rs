//! A separate grantd for each test: a real process, real files, and ports that the system chooses.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use grantd::link::AccessToken;

/// The deadline of every wait, longer than any step takes, so that a test that waits in vain ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program that was built with the tests.
pub(crate) const GRANTD: &str = env!("CARGO_BIN_EXE_grantd");

/// The program under test: the variable names another one, for instance a release build, or an older version to compare with.
fn program_under_test() -> String {
    std::env::var("GRANTD_UNDER_TEST").unwrap_or_else(|_| GRANTD.to_owned())
}

/// A directory that is removed after the test.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantd-spec-{}", uuid::Uuid::new_v4().as_simple()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits until the condition is true, and fails when that takes too long.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command of grantd with no variable of the caller's environment except PATH.
pub(crate) fn grantd<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = bare(&program_under_test());
    command.args(arguments);
    command
}

fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
    command
}

/// A running server and its data directory, which outlives a kill.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) data_dir: PathBuf,
    pub(crate) redeem: SocketAddr,
    pub(crate) observe: SocketAddr,
    pub(crate) banner: String,
    scratch: Scratch,
    arguments: Vec<String>,
    /// The codes of the tokens it issued: whatever a test does, they must not be in its log.
    codes: Mutex<Vec<String>>,
}

impl Server {
    /// Starts a server that is configured with loopback addresses only.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments of `serve`.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_under(":", arguments)
    }

    /// Starts a server after a command of the shell, which limits its resources. A restart does not repeat the command.
    pub(crate) fn start_under(shell: &str, arguments: &[&str]) -> Self {
        Self::spawn(Scratch::new(), shell, arguments.iter().map(ToString::to_string).collect())
    }

    /// Starts a server with its data in this directory.
    pub(crate) fn start_in(scratch: Scratch, arguments: Vec<String>) -> Self {
        Self::spawn(scratch, ":", arguments)
    }

    /// The same after a command of the shell.
    pub(crate) fn start_in_under(scratch: Scratch, shell: &str, arguments: Vec<String>) -> Self {
        Self::spawn(scratch, shell, arguments)
    }

    fn spawn(scratch: Scratch, shell: &str, arguments: Vec<String>) -> Self {
        let data_dir = scratch.file("data");
        let log = fs::File::options().create(true).append(true).open(scratch.file("log")).unwrap();
        // Sites come from flags or from a file, never from both.
        let from_file = arguments.iter().any(|argument| argument == "--config");
        let site: &[&str] = if from_file { &[] } else { &["--link-host", "west.example.com"] };
        // `exec`: the shell is replaced, so that the process is the server's.
        let mut child = bare("sh")
            .args(["-c", &format!("{shell}; exec \"$0\" \"$@\""), &program_under_test()])
            .args(["--data-dir", data_dir.to_str().unwrap(), "serve"])
            .args(["--listen", "127.0.0.1:0", "--observe-listen", "127.0.0.1:0"])
            .args(site)
            .args(&arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let banner = read_banner(&mut child, &scratch.file("log"));
        let address = |label: &str, before: &str| -> SocketAddr {
            let line = banner.lines().find(|line| line.trim_start().starts_with(label)).unwrap();
            let text = line.split(before).nth(1).unwrap();
            text.split(['/', ')']).next().unwrap().parse().unwrap()
        };
        let redeem = address("redeem", "listening on ");
        let observe = address("observe", "http://");
        Self { child, data_dir, redeem, observe, banner, scratch, arguments, codes: Mutex::default() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Everything the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.scratch.file("log")).unwrap()
    }

    /// Waits until the server has logged this.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "{text:?} is not in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the server with SIGKILL, and starts a new one with the same data.
    pub(crate) fn kill_and_restart(self) -> Self {
        let arguments = self.arguments.clone();
        self.kill_and_start(":", arguments)
    }

    /// The same with these further arguments of `serve` in the place of those before.
    pub(crate) fn restart_with(self, arguments: &[&str]) -> Self {
        self.kill_and_start(":", arguments.iter().map(ToString::to_string).collect())
    }

    /// The same after a command of the shell, as in [`start_under`](Self::start_under).
    pub(crate) fn kill_and_restart_under(self, shell: &str) -> Self {
        let arguments = self.arguments.clone();
        self.kill_and_start(shell, arguments)
    }

    fn kill_and_start(mut self, shell: &str, arguments: Vec<String>) -> Self {
        self.kill();
        let scratch = std::mem::replace(&mut self.scratch, Scratch::new());
        let codes = std::mem::take(self.codes.get_mut().unwrap());
        let server = Self::spawn(scratch, shell, arguments);
        server.codes.lock().unwrap().extend(codes);
        server
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server did not end; it logged:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs a command against this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = grantd(["--data-dir", self.data_dir.to_str().unwrap()]);
        command.args(arguments).current_dir(self.scratch.path());
        command
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// As [`ok`](Self::ok), after a command of the shell.
    pub(crate) fn ok_under(&self, shell: &str, arguments: &[&str]) -> String {
        let output = bare("sh")
            .args(["-c", &format!("{shell}; exec \"$0\" \"$@\""), GRANTD])
            .args(["--data-dir", self.data_dir.to_str().unwrap()])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A token that can be redeemed this often.
    pub(crate) fn issue(&self, allowed: u32) -> AccessToken {
        let text = self.ok(&["token", "issue", "-", "--redemptions-allowed", &allowed.to_string()]);
        let token = AccessToken::read(&text).unwrap();
        self.codes.lock().unwrap().push(token.code.expose().to_owned());
        token
    }

    /// The grant of a token as the API shows it.
    pub(crate) fn grant(&self, token: &AccessToken) -> serde_json::Value {
        self.grant_named(token.name.as_str())
    }

    /// The grant of this name as the API shows it.
    pub(crate) fn grant_named(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.ok(&["grant", "show", name, "-o", "json"])).unwrap()
    }

    /// The ledger rows of a token's grant.
    pub(crate) fn ledger(&self, token: &AccessToken) -> Vec<serde_json::Value> {
        self.ledger_named(token.name.as_str())
    }

    /// The ledger rows of the grant of this name.
    pub(crate) fn ledger_named(&self, name: &str) -> Vec<serde_json::Value> {
        let socket = self.data_dir.join("admin.sock");
        let mut rows = Vec::new();
        let mut after = String::new();
        loop {
            let url = format!(
                "http://grantd/apis/skupper.io/v2alpha1/namespaces/default/accessgrants/{name}/redemptions?limit=500{after}"
            );
            let answer = Command::new("curl")
                .args(["--silent", "--fail", "--unix-socket", socket.to_str().unwrap(), &url])
                .output()
                .unwrap();
            assert!(answer.status.success(), "{url}: {answer:?}");
            let page: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
            rows.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["metadata"]["continue"].as_str() {
                Some(next) if !next.is_empty() => after = format!("&continue={next}"),
                Some(_) | None => return rows,
            }
        }
    }

    /// The body and status of a page of the observe listener.
    pub(crate) fn observe(&self, path: &str) -> (u16, String) {
        let answer = Command::new("curl")
            .args(["--silent", "--max-time", "10", "--write-out", "\n%{http_code}"])
            .arg(format!("http://{}{path}", self.observe))
            .output()
            .unwrap();
        let text = String::from_utf8(answer.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            return;
        }
        // A server that was restarted has passed its directory, and its log, to the next one.
        let log = fs::read_to_string(self.scratch.file("log")).unwrap_or_default();
        assert!(!log.contains("PRIVATE KEY"), "a private key is in the log");
        for code in self.codes.lock().unwrap().iter() {
            assert!(!log.contains(code), "a code is in the log");
        }
    }
}

/// Reads standard output until the line with the next command.
fn read_banner(child: &mut Child, log: &Path) -> String {
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut banner = String::new();
        for line in stdout.lines().map_while(Result::ok) {
            banner.push_str(&line);
            banner.push('\n');
            if line.contains("token issue") {
                let _ = sender.send(std::mem::take(&mut banner));
            }
        }
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = child.kill();
        panic!("the server did not start; it logged:\n{}", fs::read_to_string(log).unwrap_or_default())
    })
}
