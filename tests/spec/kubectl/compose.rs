//! Manifests that kubectl puts together itself, and what it remembers of them.

use std::fs;

use tokio::time::timeout;

use super::{Kubectl, MANIFEST, versions};
use crate::server::PATIENCE;

fn labelled(name: &str) -> String {
    MANIFEST.replace("name: west", &format!("name: {name}\n  labels: {{app: x}}"))
}

async fn names(kubectl: &Kubectl) -> String {
    kubectl.says(&["get", "gr", "-o", "jsonpath={.items[*].metadata.name}"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_customized_is_applied_and_what_is_applied_no_more_is_pruned() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        fs::create_dir(kubectl.home.file("both")).unwrap();
        kubectl.write("both/kustomization.yaml", "namePrefix: k-\nresources: [east.yaml, west.yaml]\n");
        kubectl.write("both/east.yaml", &labelled("east"));
        kubectl.write("both/west.yaml", &labelled("west"));
        kubectl.write("alone.yaml", &labelled("alone"));

        assert_eq!(
            kubectl.says(&["apply", "-k", "both"]).await,
            "accessgrant.skupper.io/k-east created\naccessgrant.skupper.io/k-west created\n"
        );
        let prune = [
            "apply",
            "-f",
            "alone.yaml",
            "--prune",
            "-l",
            "app=x",
            "--prune-allowlist=skupper.io/v2alpha1/AccessGrant",
        ];
        let dry = kubectl.says(&[&prune[..], &["--dry-run=server"]].concat()).await;
        assert!(dry.contains("accessgrant.skupper.io/k-east pruned (server dry run)\n"), "{dry}");
        assert_eq!(names(&kubectl).await, "k-east k-west");
        assert_eq!(
            kubectl.says(&prune).await,
            "accessgrant.skupper.io/alone created\naccessgrant.skupper.io/k-east pruned\naccessgrant.skupper.io/k-west pruned\n"
        );
        assert_eq!(names(&kubectl).await, "alone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_applied_item_by_item_and_again_without_a_change() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        let item = |kind: &str, name: &str| {
            format!("- {{apiVersion: skupper.io/v2alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {{}}}}\n")
        };
        let items = item("AccessGrant", "one") + &item("Site", "two");
        kubectl.write("list.yaml", &format!("apiVersion: v1\nkind: List\nitems:\n{items}"));
        let apply = ["apply", "-n", "other", "-f", "list.yaml"];

        for done in ["created", "unchanged"] {
            let expected = format!("accessgrant.skupper.io/one {done}\nsite.skupper.io/two {done}\n");
            assert_eq!(kubectl.says(&apply).await, expected);
        }
        kubectl.says(&["delete", "-n", "other", "-f", "list.yaml"]).await;
        assert_eq!(kubectl.says(&["get", "gr,sites", "-n", "other", "-o", "name"]).await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_is_remembered_and_can_be_made_another() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let seen = async || kubectl.says(&["apply", "view-last-applied", "gr", "west"]).await;
        kubectl.write("grant.yaml", &MANIFEST.replace("Allowed: 2", "Allowed: 3"));

        assert!(seen().await.contains("redemptionsAllowed: 2"));
        let set = kubectl.says(&["apply", "set-last-applied", "-f", "grant.yaml"]).await;
        assert_eq!(set, "accessgrant.skupper.io/west configured\n");
        assert!(seen().await.contains("redemptionsAllowed: 3"));
        assert_eq!(kubectl.field(".spec.redemptionsAllowed").await, "2", "it is a note, not a wish");
        assert_eq!(kubectl.says(&["apply", "-f", "grant.yaml"]).await, "accessgrant.skupper.io/west configured\n");
        assert_eq!(kubectl.field(".spec.redemptionsAllowed").await, "3");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_completes_types_and_names() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;

        let server = format!("--server={}", kubectl.url());
        let complete = async |words: &[&str]| {
            let arguments = [&["__complete", server.as_str(), "get"], words].concat();
            let output = timeout(PATIENCE, kubectl.bare().args(&arguments).output()).await.unwrap().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(complete(&["accessgrants", ""]).await.lines().next(), Some("west"));
        let types = complete(&["accessg"]).await;
        assert!(types.lines().any(|line| line.starts_with("accessgrants")), "{types}");
    }
}
