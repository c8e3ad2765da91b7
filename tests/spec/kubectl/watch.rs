//! `kubectl get -w` and `kubectl wait`: changes after the command was started.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};

use super::{Kubectl, PATIENCE, Server, versions};

/// A kubectl that has begun, and what it prints.
struct Begun {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Kubectl {
    fn begin(&self, arguments: &[&str]) -> Begun {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Begun { child, lines }
    }

    fn was_asked(&self, label: &str) -> bool {
        let (_, text) = self.server.observe("/metrics");
        let counts = |line: &&str| line.starts_with("grantd_admin_requests_total{") && line.contains(label);
        text.lines().filter(counts).any(|line| !line.ends_with(" 0"))
    }

    /// Waits until a request has been counted with this label.
    pub(super) async fn until_asked(&self, label: &str) {
        let asked = async {
            while !self.was_asked(label) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, asked).await.unwrap();
    }

    /// Waits until kubectl has asked for a watch.
    async fn until_it_watches(&self) {
        self.until_asked("verb=\"watch\"").await;
    }
}

impl Begun {
    async fn line(&mut self) -> String {
        timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap().expect("another line")
    }

    /// The output until kubectl ends, which it must do with success.
    async fn end(mut self) -> String {
        let mut printed = String::new();
        while let Some(line) = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap() {
            printed.push_str(&line);
        }
        assert!(timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().success(), "{printed}");
        printed
    }
}

/// The first so many columns.
fn cells(line: &str, count: usize) -> Vec<&str> {
    line.split_whitespace().take(count).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_prints_what_is_there_and_every_change() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let mut all = kubectl.begin(&["get", "accessgrants", "--watch"]);
        let allowed = "jsonpath={.spec.redemptionsAllowed}{\"\\n\"}";
        let mut one = kubectl.begin(&["get", "accessgrant", "west", "--watch", "-o", allowed]);
        assert!(all.line().await.starts_with("NAME "));
        assert_eq!(cells(&all.line().await, 3), ["west", "2", "0"]);
        assert_eq!(one.line().await, "2");

        let patch = ["patch", "accessgrant", "west", "--type=merge", "-p", r#"{"spec":{"redemptionsAllowed":3}}"#];
        kubectl.says(&patch).await;
        assert_eq!(cells(&all.line().await, 3), ["west", "3", "0"]);
        assert_eq!(one.line().await, "3", "kubectl drops the first event unseen, which must not be this one");
        kubectl.says(&["delete", "accessgrant", "west"]).await;
        assert_eq!(cells(&all.line().await, 3), ["west", "3", "0"], "as it was last");
        assert_eq!(one.line().await, "3");
        all.child.kill().await.unwrap();
        one.child.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_ends_when_it_becomes_so() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        kubectl.server.ok(&["token", "issue", "token.yaml"]);
        let names = kubectl.says(&["get", "accessgrants", "-o", "name"]).await;
        let issued = names.lines().find(|name| !name.ends_with("/west")).unwrap();
        let waiting = kubectl.begin(&["wait", issued, "--for=jsonpath={.status.redemptions}=1", "--timeout=20s"]);
        kubectl.until_it_watches().await;

        kubectl.server.ok(&["token", "redeem", "token.yaml"]);

        assert_eq!(waiting.end().await, format!("{issued} condition met"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_an_end_ends_with_it() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let waiting = kubectl.begin(&["wait", "accessgrant/west", "--for=delete", "--timeout=20s"]);
        kubectl.until_it_watches().await;

        kubectl.says(&["delete", "accessgrant", "west"]).await;

        assert_eq!(waiting.end().await, "accessgrant.skupper.io/west condition met");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_goes_on_through_a_restart_of_the_server() {
    for binary in versions() {
        let mut kubectl = Kubectl::start(binary).await.with_grant().await;
        let what = "--for=jsonpath={.spec.redemptionsAllowed}=7";
        let waiting = kubectl.begin(&["wait", "accessgrant/west", what, "--timeout=20s"]);
        kubectl.until_it_watches().await;

        // `kubectl` must contain a server, so a second one takes the place of the first during its restart.
        let server = std::mem::replace(&mut kubectl.server, Server::start());
        kubectl.server = server.kill_and_restart();
        kubectl.until_it_watches().await;
        let patch = ["patch", "accessgrant", "west", "--type=merge", "-p", r#"{"spec":{"redemptionsAllowed":7}}"#];
        kubectl.says(&patch).await;

        assert_eq!(waiting.end().await, "accessgrant.skupper.io/west condition met");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_what_is_not_there_ends_when_it_is_made() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        let wait = ["wait", "accessgrant/west", "--for=create", "--timeout=20s"];
        // Older versions of kubectl do not support this.
        if String::from_utf8_lossy(&kubectl.run(&["wait", "--help"]).await.stdout).contains("--for=create") {
            let waiting = kubectl.begin(&wait);
            kubectl.until_asked("code=\"4xx\",resource=\"accessgrants\",verb=\"get\"").await;
            let kubectl = kubectl.with_grant().await;
            assert_eq!(waiting.end().await, "accessgrant.skupper.io/west condition met");
            let late = kubectl.complains(&["wait", "accessgrant/nope", "--for=create", "--timeout=1s"]).await;
            assert!(late.contains("timed out waiting"), "{late}");
        }
    }
}
