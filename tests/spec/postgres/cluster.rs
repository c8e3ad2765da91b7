//! Real PostgreSQL clusters for tests and the benchmark: each in a directory of its own, both gone when this process ends, also
//! when it is killed.
//!
//! Uses std alone, as unit tests of the library, the specification and the benchmark include this file.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use super::programs::{Account, bounded, program, run};

/// The deadline of every wait.
const PATIENCE: Duration = Duration::from_secs(60);
/// The role that owns the cluster.
const SUPERUSER: &str = "postgres";
/// Only listeners take ports below those that the system gives to clients (32768 by default), so the port is free again when a
/// cluster is stopped and started.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Stops the server of the cluster in `$1` and removes the cluster, when its standard input ends: when the process that holds the
/// other end has ended, in whatever way. The working directory tells whether the pid is still the server's.
const WATCHDOG: &str = r#"
    read -r nothing
    is_there() { [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; }
    pid=$(head -n 1 "$1/data/postmaster.pid") && is_there "$1" && kill -QUIT "$pid"
    for _ in $(seq 100); do is_there "$1" || break; sleep 0.1; done
    is_there "$1" && kill -KILL "$pid"
    rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// What a cluster is started with. The default is what `initdb` makes: durable commits, no TLS, and a password over TCP.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClusterOptions {
    /// Lines of `postgresql.conf`, such as `fsync = off`.
    pub(crate) settings: Vec<String>,
    /// The lines of `pg_hba.conf` for TCP, such as `hostssl all all 127.0.0.1/32 scram-sha-256`; none for a password from
    /// 127.0.0.1.
    pub(crate) access: Vec<String>,
    /// The certificate of the server and its key, in PEM; without them it has no TLS.
    pub(crate) certificate: Option<(String, String)>,
    /// Whether it begins as a standby does: in recovery, without a primary.
    pub(crate) in_recovery: bool,
    /// Where the cluster's directory is made; `None` for the system's temporary directory. The path must be short, as the Unix
    /// socket is in the cluster's directory.
    pub(crate) parent: Option<PathBuf>,
}

/// A running PostgreSQL.
#[derive(Debug)]
pub(crate) struct Cluster {
    directory: Directory,
    port: u16,
    server: Mutex<Child>,
}

/// A directory of a cluster, and the process that removes it.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    watchdog: Child,
}

/// A database of a cluster, made for one test.
#[derive(Debug)]
pub(crate) struct Database<'a> {
    cluster: &'a Cluster,
    /// Its name.
    pub(crate) name: String,
}

/// The cluster that all tests of this process share, each with a database of its own.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start(&ClusterOptions::default()))
}

impl Directory {
    fn new(parent: &Path) -> Self {
        let path = parent.join(format!("grantd-pg-{}", random_name()));
        fs::create_dir(&path).unwrap();
        Account::of_the_server().own(&path, 0o700);
        // In a process group of its own, so that Ctrl-C in a terminal does not end it before it has cleaned up.
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh", path.to_str().unwrap()])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { path, watchdog }
    }

    fn data(&self) -> PathBuf {
        self.path.join("data")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// What `initdb` made, once for all clusters of this process, and the password of the superuser.
fn template() -> &'static (Directory, String) {
    static TEMPLATE: OnceLock<(Directory, String)> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let directory = Directory::new(&std::env::temp_dir());
        let password = random_name();
        let file = directory.path.join("password");
        fs::write(&file, &password).unwrap();
        Account::of_the_server().own(&file, 0o600);
        let mut initdb = bounded("initdb");
        initdb.args(["--username", SUPERUSER, "--pwfile", file.to_str().unwrap(), "--pgdata"]).arg(directory.data());
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        run(Account::of_the_server().as_user(&mut initdb));
        (directory, password)
    })
}

impl Cluster {
    /// Starts a new cluster.
    pub(crate) fn start(options: &ClusterOptions) -> Self {
        let parent = options.parent.clone().unwrap_or_else(std::env::temp_dir);
        let directory = Directory::new(&parent);
        run(Command::new("cp").arg("-a").args([template().0.data(), directory.data()]));
        let port = free_port();
        configure(&directory, port, options);
        let server = Mutex::new(spawn(&directory));
        let cluster = Self { directory, port, server };
        cluster.wait_until_ready();
        cluster
    }

    /// The directory of the Unix socket, where every role is trusted: only the owner of the cluster and root can enter it.
    pub(crate) fn socket_directory(&self) -> &Path {
        &self.directory.path
    }

    /// The port on 127.0.0.1, also part of the name of the Unix socket.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The password of the role `postgres`, asked for over TCP.
    pub(crate) fn password(&self) -> &str {
        &template().1
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path.join("log")).unwrap()
    }

    /// The URL of a database over the Unix socket, where no password is needed.
    pub(crate) fn socket_url(&self, database: &str) -> String {
        let directory = self.socket_directory().to_str().unwrap().replace('/', "%2F");
        format!("postgres://{SUPERUSER}@{directory}:{}/{database}", self.port)
    }

    /// Makes a database, which is there until the cluster is not.
    pub(crate) fn create_database(&self) -> Database<'_> {
        let name = format!("test_{}", random_name());
        self.sql(SUPERUSER, &format!("CREATE DATABASE {name}"));
        Database { cluster: self, name }
    }

    /// Runs statements as the superuser; gives the rows, with `|` between columns.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = bounded("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", database, "-c", statements]);
        psql.args(["-p", &self.port.to_string(), "-h"]).arg(self.socket_directory());
        run(&mut psql).trim_end().to_owned()
    }

    /// The process id of the server.
    pub(crate) fn pid(&self) -> u32 {
        self.server.lock().unwrap().id()
    }

    /// Kills the server with SIGKILL, as a crash does; its own processes end a moment later.
    pub(crate) fn kill(&self) {
        let mut server = self.server.lock().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Stops the server in order, without waiting for its clients.
    pub(crate) fn stop(&self) {
        let mut server = self.server.lock().unwrap();
        run(Command::new("kill").args(["-INT", &server.id().to_string()]));
        wait_until("the cluster stops", || server.try_wait().unwrap().is_some());
    }

    /// Starts the server again, with its data and its port.
    pub(crate) fn start_again(&self) {
        // Until the last process of a server that was killed has ended, its shared memory is in use and a new one refuses to start.
        let deadline = Instant::now() + PATIENCE;
        loop {
            *self.server.lock().unwrap() = spawn(&self.directory);
            if self.has_become_ready() {
                return;
            }
            assert!(Instant::now() < deadline, "PostgreSQL does not start again:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wait_until_ready(&self) {
        assert!(self.has_become_ready(), "PostgreSQL does not start:\n{}", self.log());
    }

    /// Waits until the server accepts connections; false when it has ended instead.
    fn has_become_ready(&self) -> bool {
        let mut server = self.server.lock().unwrap();
        let mut ended = false;
        wait_until("PostgreSQL accepts connections", || {
            ended = server.try_wait().unwrap().is_some();
            ended || is_ready(&self.directory, server.id())
        });
        !ended
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let server = self.server.get_mut().unwrap();
        // SIGQUIT: at once, without writing what is thrown away. It fails when the server has ended.
        let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).stderr(Stdio::null()).status();
        let _ = server.wait();
    }
}

impl Database<'_> {
    /// Its URL over TCP, without a password.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{}", self.cluster.port, self.name)
    }

    /// Its URL over the Unix socket, where no password is needed.
    pub(crate) fn socket_url(&self) -> String {
        self.cluster.socket_url(&self.name)
    }

    /// Runs statements in it, as [`Cluster::sql`] does.
    pub(crate) fn sql(&self, statements: &str) -> String {
        self.cluster.sql(&self.name, statements)
    }
}

fn configure(directory: &Directory, port: u16, options: &ClusterOptions) {
    let data = directory.data();
    let mut lines = vec![
        format!("port = {port}"),
        "listen_addresses = '127.0.0.1'".to_owned(),
        format!("unix_socket_directories = '{}'", directory.path.display()),
        "max_connections = 300".to_owned(),
    ];
    if let Some((certificate, key)) = &options.certificate {
        lines.push("ssl = on".to_owned());
        for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
            fs::write(data.join(name), pem).unwrap();
            Account::of_the_server().own(&data.join(name), 0o600);
        }
    }
    lines.extend(options.settings.iter().cloned());
    append(&data.join("postgresql.conf"), &lines);
    if !options.access.is_empty() {
        fs::write(data.join("pg_hba.conf"), "local all all trust\n").unwrap();
        append(&data.join("pg_hba.conf"), &options.access);
    }
    if options.in_recovery {
        fs::write(data.join("standby.signal"), "").unwrap();
        Account::of_the_server().own(&data.join("standby.signal"), 0o600);
    }
}

fn append(path: &Path, lines: &[String]) {
    let mut file = fs::File::options().append(true).open(path).unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
}

fn spawn(directory: &Directory) -> Child {
    let log = fs::File::options().create(true).append(true).open(directory.path.join("log")).unwrap();
    let mut server = program("postgres");
    server.arg("-D").arg(directory.data()).stdout(log.try_clone().unwrap()).stderr(log);
    Account::of_the_server().as_user(&mut server).spawn().unwrap()
}

/// Whether the server has written to its pid file that it accepts connections: the eighth line, as pg_ctl reads it.
fn is_ready(directory: &Directory, pid: u32) -> bool {
    let text = fs::read_to_string(directory.data().join("postmaster.pid")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let name = random_name();
    let first = u16::from_str_radix(&name[..3], 16).unwrap();
    let mut candidates = PORTS.cycle().skip(usize::from(first) * 2).take(PORTS.len());
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// Twelve random hexadecimal digits.
fn random_name() -> String {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    uuid.replace('-', "")[..12].to_owned()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
