//! Two sites are linked with the kubectl commands of Skupper's documentation, word for word: two servers of grantd, and
//! `openssl s_server` in place of a router.

mod commands;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
};

use crate::{
    kubectl::{installed, versions},
    port,
    server::{PATIENCE, Scratch, Server, wait_until},
};

/// Where the west's router is; nothing else of these tests uses this address.
const ROUTER_HOST: &str = "127.0.0.2";

/// One of the two sites: a server, and a user with a kubeconfig for it and a shell.
struct Side {
    server: Server,
    home: Scratch,
}

impl Side {
    /// With a configured site in the namespace `configured`, whose router is at this port.
    fn start(kubectl: &Path, name: &str, router: u16) -> Self {
        let home = Scratch::new();
        fs::create_dir(home.file("bin")).unwrap();
        symlink(kubectl, home.file("bin/kubectl")).unwrap();
        let config = format!(
            "sites:\n  - name: {name}-host\n    namespace: configured\n    endpoints:\n      \
             - {{group: skupper-router, name: inter-router, host: {ROUTER_HOST}, port: \"{router}\"}}\n      \
             - {{group: skupper-router, name: edge, host: {ROUTER_HOST}, port: \"{}\"}}\n",
            port::free()
        );
        fs::write(home.file("grantd.yaml"), config).unwrap();
        let config = home.file("grantd.yaml");
        let server = Server::start_with(&["--config", config.to_str().unwrap(), "--admin-listen", "127.0.0.1:0"]);
        fs::write(home.file("kubeconfig"), server.ok(&["kubeconfig"])).unwrap();
        let side = Self { server, home };
        side.sh(&format!("kubectl config set-context --current --namespace {name}"));
        side
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", format!("{}:{}", self.home.file("bin").display(), std::env::var("PATH").unwrap()))
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("KUBECONFIG", self.home.file("kubeconfig"))
            .env("KUBECACHEDIR", self.home.file("cache"))
            .env("EDITOR", self.home.file("editor"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, script: &str) -> Output {
        self.shell(script).output().unwrap()
    }

    /// The output of a script that must succeed.
    #[track_caller]
    fn sh(&self, script: &str) -> String {
        let output = self.run(script);
        let (printed, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{}: {script}: {errors}{printed}", self.kubectl());
        printed
    }

    /// The error message of a script that must fail.
    #[track_caller]
    fn complains(&self, script: &str) -> String {
        let output = self.run(script);
        assert!(!output.status.success(), "{}: {script}: {}", self.kubectl(), text(&output.stdout));
        text(&output.stderr)
    }

    /// Which kubectl this is, for messages.
    fn kubectl(&self) -> String {
        fs::read_link(self.home.file("bin/kubectl")).unwrap().display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.home.file(name), text).unwrap();
    }

    /// What `kubectl edit` runs, with the file to be edited as `$1`.
    fn write_editor(&self, script: &str) {
        self.write("editor", &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(self.home.file("editor"), fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// The columns of each line; kubectl puts three blanks between two.
    #[track_caller]
    fn table(&self, script: &str) -> Vec<Vec<String>> {
        let printed = self.sh(script);
        let row = |line: &str| {
            line.split("   ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
        };
        printed.lines().map(row).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A command that runs until this is dropped.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(side: &Side, command: &str) -> Self {
        let mut child = side.shell(&format!("exec {command}")).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// Reads lines until one matches.
    #[track_caller]
    fn until(&self, is_it: impl Fn(&str) -> bool) -> String {
        let mut seen = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { panic!("not among {seen:#?}") };
            if is_it(&line) {
                return line;
            }
            seen.push(line);
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the west's router shows to those that link: a certificate of the site's CA, and a demand for theirs.
struct Router(Child);

impl Router {
    /// Accepts clients with a certificate of the CA of this server.
    fn start(west: &Side, port: u16) -> Self {
        let issuer = west.server.data_dir.join("issuers/configured/skupper-site-ca");
        let issuer = issuer.to_str().unwrap();
        west.write(
            "router.ext",
            &format!("subjectAltName=DNS:{ROUTER_HOST}\nextendedKeyUsage=serverAuth,clientAuth\n"),
        );
        west.sh(&format!(
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=skupper-router \
             -keyout router.key -out router.csr 2>&1 && \
             openssl x509 -req -in router.csr -CA {issuer}/tls.crt -CAkey {issuer}/tls.key -set_serial 0x77 -days 2 \
             -extfile router.ext -out router.crt 2>&1"
        ));
        let address = format!("{ROUTER_HOST}:{port}");
        let child = west
            .shell(&format!(
                "exec openssl s_server -accept {address} -cert router.crt -key router.key -CAfile {issuer}/tls.crt \
                 -Verify 1 -verify_return_error -tls1_3 -www"
            ))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let router = Self(child);
        wait_until("the router listens", || TcpStream::connect(&address).is_ok());
        router
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The documents of the workflow.
const SITE_WEST: &str = "\
apiVersion: skupper.io/v2alpha1
kind: Site
metadata:
  name: west
spec:
  linkAccess: default
";
const GRANT_WEST: &str = "\
apiVersion: skupper.io/v2alpha1
kind: AccessGrant
metadata:
  name: grant-west
spec:
  redemptionsAllowed: 2
  expirationWindow: 25m
";
const SITE_EAST: &str = "apiVersion: skupper.io/v2alpha1\nkind: Site\nmetadata:\n  name: east\n";

/// The token file, as it is made there.
const WRITE_TOKEN: &str = r#"
URL="$(kubectl get accessgrant grant-west -o template --template '{{ .status.url }}')"
CODE="$(kubectl get accessgrant grant-west -o template --template '{{ .status.code }}')"
CA_RAW="$(kubectl get accessgrant grant-west -o template --template '{{ .status.ca }}')"
cat > token.yaml <<EOF
apiVersion: skupper.io/v2alpha1
kind: AccessToken
metadata:
  name: token-to-west
spec:
  code: "$(printf '%s' "$CODE")"
  ca: "$(printf '%s' "$CA_RAW" | awk 'BEGIN{ORS="\\n"} {print}')"
  url: "$(printf '%s' "$URL")"
EOF
"#;

/// Both sides, with a grant in the west and its token file in the east.
fn with_token(kubectl: &Path, router: u16) -> (Side, Side) {
    let west = Side::start(kubectl, "west", router);
    west.write("site.yaml", SITE_WEST);
    west.write("accessgrant.yaml", GRANT_WEST);
    assert_eq!(west.sh("kubectl apply -f site.yaml"), "site.skupper.io/west created\n");
    assert_eq!(west.sh("kubectl apply -f accessgrant.yaml"), "accessgrant.skupper.io/grant-west created\n");
    west.sh(WRITE_TOKEN);

    let east = Side::start(kubectl, "east", port::free());
    east.write("site.yaml", SITE_EAST);
    assert_eq!(east.sh("kubectl apply -f site.yaml"), "site.skupper.io/east created\n");
    fs::copy(west.home.file("token.yaml"), east.home.file("token.yaml")).unwrap();
    (west, east)
}

/// Both sides after the east has redeemed the token.
fn linked(kubectl: &Path, router: u16) -> (Side, Side) {
    let (west, east) = with_token(kubectl, router);
    assert_eq!(east.sh("kubectl apply -f token.yaml"), "accesstoken.skupper.io/token-to-west created\n");
    let met = east.sh("kubectl wait --for=condition=Redeemed accesstoken/token-to-west --timeout=60s");
    assert_eq!(met, "accesstoken.skupper.io/token-to-west condition met\n");
    (west, east)
}

/// Runs a test with several versions of kubectl at the same time.
fn with_each_kubectl(check: impl Fn(&Path) + Sync) {
    with_each_of(versions(), check);
}

fn with_each_of(versions: Vec<PathBuf>, check: impl Fn(&Path) + Sync) {
    std::thread::scope(|scope| {
        for binary in versions {
            let check = &check;
            scope.spawn(move || check(&binary));
        }
    });
}

const GRANT_COLUMNS: [&str; 6] = ["NAME", "REDEMPTIONS ALLOWED", "REDEMPTIONS MADE", "EXPIRATION", "STATUS", "MESSAGE"];

#[test]
fn the_documented_workflow_links_two_sites_with_every_kubectl_there_is() {
    with_each_of(installed(), |kubectl| {
        let router_port = port::free();
        let (west, east) = with_token(kubectl, router_port);
        let expiration = west.sh("kubectl get accessgrant grant-west -o jsonpath='{.status.expirationTime}'");
        let grants = |made: &str, status: &str, message: &str| {
            let shown = west.table("kubectl get accessgrants");
            assert_eq!(shown, [GRANT_COLUMNS, ["grant-west", "2", made, &expiration, status, message]]);
        };
        let sites = west.table("kubectl get sites");
        assert_eq!(sites, [&["NAME", "STATUS", "SITES IN NETWORK", "MESSAGE"][..], &["west", "Ready", "OK"]]);
        grants("0", "Ready", "OK");

        east.sh("kubectl apply -f token.yaml");
        east.sh("kubectl wait --for=condition=Redeemed accesstoken/token-to-west --timeout=60s");
        let url = west.sh("kubectl get accessgrant grant-west -o template --template '{{ .status.url }}'");
        assert_eq!(
            east.table("kubectl get accesstokens"),
            [["NAME", "URL", "REDEEMED", "STATUS", "MESSAGE"], ["token-to-west", &url, "true", "Ready", "OK"]]
        );
        let secrets = east.table("kubectl get secret token-to-west");
        assert_eq!(secrets[0], ["NAME", "TYPE", "DATA", "AGE"]);
        assert_eq!(secrets[1][..3], ["token-to-west", "kubernetes.io/tls", "3"]);
        grants("1", "Ready", "OK");
        let token = east.sh("kubectl get accesstoken token-to-west -o jsonpath='{.metadata.name} {.status.redeemed}'");
        assert_eq!(token, "token-to-west true");

        comes_up_and_goes_down(&west, &east, router_port);
        twice_and_no_more(&west, &east, grants);
    });
}

/// The link follows what its router does.
fn comes_up_and_goes_down(west: &Side, east: &Side, port: u16) {
    let link = || {
        let shown = east.table("kubectl get link token-to-west");
        assert_eq!(shown[0], ["NAME", "STATUS", "REMOTE SITE", "MESSAGE"]);
        let row = &shown[1];
        (row[1].clone(), row.last().unwrap().clone())
    };
    let is_down = |(status, message): (String, String)| {
        assert_eq!(status, "Pending");
        assert!(message.to_lowercase().starts_with("not operational"), "{message}");
    };
    east.sh("kubectl wait --for=jsonpath='{.status.status}'=Pending link/token-to-west --timeout=60s");
    is_down(link());

    let watch = Following::start(east, "kubectl get links --watch");
    watch.until(|line| line.contains("Pending"));
    let router = Router::start(west, port);
    // A changed spec is processed at once; otherwise the next attempt may be a minute later.
    east.sh(r#"kubectl patch link token-to-west --type=merge -p '{"spec":{"cost":2}}'"#);
    let met = east.sh("kubectl wait --for=condition=Ready link/token-to-west --timeout=60s");
    assert_eq!(met, "link.skupper.io/token-to-west condition met\n");
    assert_eq!(link(), ("Ready".to_owned(), "OK".to_owned()));
    watch.until(|line| line.starts_with("token-to-west") && line.contains("Ready") && line.trim_end().ends_with("OK"));

    drop(router);
    east.sh(r#"kubectl patch link token-to-west --type=merge -p '{"spec":{"cost":3}}'"#);
    east.sh("kubectl wait --for=condition=Ready=false link/token-to-west --timeout=90s");
    is_down(link());
    watch.until(|line| line.contains("Pending"));
}

/// The grant allows two.
fn twice_and_no_more(west: &Side, east: &Side, grants: impl Fn(&str, &str, &str)) {
    for name in ["second", "third"] {
        east.sh(&format!("sed 's/name: token-to-west/name: {name}/' token.yaml | kubectl apply -f -"));
        let status = if name == "second" { "Ready" } else { "Error" };
        east.sh(&format!("kubectl wait --for=jsonpath='{{.status.status}}'={status} accesstoken/{name} --timeout=60s"));
    }
    let message = east.sh("kubectl get accesstoken third -o template --template '{{ .status.message }}'");
    assert!(message.contains("404 (Not Found) No such access granted"), "{message}");
    grants("2", "Error", "Exhausted");
    let links = east.sh("kubectl get links -o name");
    assert_eq!(links, "link.skupper.io/second\nlink.skupper.io/token-to-west\n");
    let code = west.sh("kubectl get accessgrant grant-west -o template --template '{{ .status.code }}'");
    for side in [west, east] {
        assert!(!side.server.log().contains(&code), "the code is in a log");
        assert!(!side.server.log().contains("PRIVATE KEY"), "a key is in a log");
    }
}
