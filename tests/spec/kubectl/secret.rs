//! Secrets.

use std::fs;

use super::{Kubectl, versions};
use crate::server::Server;

const CANARY: &str = "canary0in0the0coal0mine";
/// The same in base64.
const CANARY_BASE64: &str = "Y2FuYXJ5MGluMHRoZTBjb2FsMG1pbmU=";
const MANIFEST: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: s
type: Opaque
data:
  old: b2xk
stringData:
  code: canary0in0the0coal0mine
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_applied_shown_changed_and_removed() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write("secret.yaml", MANIFEST);
        let apply = async || kubectl.says(&["apply", "-f", "secret.yaml"]).await;
        let field =
            async |path: &str| kubectl.says(&["get", "secret", "s", "-o", &format!("jsonpath={{{path}}}")]).await;

        assert_eq!(
            kubectl.says(&["apply", "-f", "secret.yaml", "--dry-run=server"]).await,
            "secret/s created (server dry run)\n"
        );
        assert_eq!(apply().await, "secret/s created\n");
        assert_eq!(field(".data.code").await, CANARY_BASE64);
        apply().await;
        kubectl.write("secret.yaml", &MANIFEST.replace("  old: b2xk\n", "  new: bmV3\n"));
        assert_eq!(apply().await, "secret/s configured\n");
        assert_eq!(field(".data.new").await, "bmV3");
        assert_eq!(field(".data.old").await, "");

        let (plain, _) = MANIFEST.split_once("stringData").unwrap();
        kubectl.write("plain.yaml", &plain.replace("name: s", "name: plain"));
        for said in ["created", "unchanged"] {
            assert_eq!(kubectl.says(&["apply", "-f", "plain.yaml"]).await, format!("secret/plain {said}\n"));
        }
        kubectl.says(&["delete", "-f", "plain.yaml"]).await;

        let table = kubectl.says(&["get", "secrets"]).await;
        let words: Vec<&str> = table.split_whitespace().collect();
        assert_eq!(words[..7], ["NAME", "TYPE", "DATA", "AGE", "s", "Opaque", "2"], "{table}");
        let described = kubectl.says(&["describe", "secret", "s"]).await;
        assert!(described.contains("code:  23 bytes") && !described.contains(CANARY), "{described}");
        assert_eq!(
            kubectl.says(&["patch", "secret", "s", "-p", r#"{"data":{"new":null}}"#]).await,
            "secret/s patched\n"
        );
        assert_eq!(field(".data.new").await, "");
        kubectl.write_editor("sed -i 's/^type: Opaque/type: other/' \"$1\"");
        assert!(kubectl.run(&["edit", "secret", "s"]).await.status.code() != Some(0));
        kubectl.write_editor("sed -i 's/^data:/data:\\n  added: YQ==/' \"$1\"");
        assert_eq!(kubectl.says(&["edit", "secret", "s"]).await, "secret/s edited\n");
        assert_eq!(field(".data.added").await, "YQ==");
        kubectl.says(&["delete", "secret", "s"]).await;
        assert_eq!(kubectl.says(&["get", "secrets", "-o", "name"]).await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_made_of_literals_and_selected_by_type() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        assert_eq!(
            kubectl.says(&["create", "secret", "generic", "s", "--from-literal=a=b"]).await,
            "secret/s created\n"
        );
        let data = kubectl.says(&["get", "secret", "s", "-o", "jsonpath={.type} {.data.a}"]).await;
        assert_eq!(data, "Opaque Yg==");
        let typed = ["create", "secret", "generic", "t", "--type=kubernetes.io/tls", "--from-literal=tls.crt=c"];
        let refused = kubectl.complains(&typed).await;
        assert!(refused.contains("data[tls.key]: Required value"), "{refused}");
        kubectl.says(&[&typed[..], &["--from-literal=tls.key=k"]].concat()).await;
        let selected = ["get", "secrets", "--field-selector", "type=kubernetes.io/tls", "-o", "name"];
        assert_eq!(kubectl.says(&selected).await, "secret/t\n");
        let explained = kubectl.says(&["explain", "secret.data"]).await;
        assert!(explained.contains("The secret values in base64"), "{explained}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_a_secret_is_in_no_log_and_not_readable_in_the_database() {
    let server = Server::start_with(&["--log", "trace", "--log-format", "json"]);
    let kubectl = Kubectl::start_with(versions().pop().unwrap(), server).await;
    kubectl.write("secret.yaml", MANIFEST);
    kubectl.says(&["apply", "-f", "secret.yaml"]).await;
    kubectl.write("secret.yaml", &MANIFEST.replace("b2xk", "b2xk%"));
    kubectl.complains(&["apply", "-f", "secret.yaml"]).await;

    let files = fs::read_dir(&kubectl.server.data_dir).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let bytes = fs::read(&file).unwrap();
        for needle in [CANARY, CANARY_BASE64] {
            let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "{needle} in {}", file.display());
        }
    }
    let log = kubectl.server.log();
    assert!(!log.contains(CANARY) && !log.contains(CANARY_BASE64), "{log}");
}
