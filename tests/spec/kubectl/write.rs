//! What makes and removes grants.

use super::{Kubectl, MANIFEST, versions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applying_creates_then_finds_nothing_to_do_then_changes() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write("grant.yaml", MANIFEST);
        let apply = async || kubectl.says(&["apply", "-f", "grant.yaml"]).await;

        assert_eq!(apply().await, "accessgrant.skupper.io/west created\n");
        assert_eq!(apply().await, "accessgrant.skupper.io/west unchanged\n");
        kubectl.write("grant.yaml", &MANIFEST.replace("Allowed: 2", "Allowed: 3"));
        assert_eq!(apply().await, "accessgrant.skupper.io/west configured\n");
        assert_eq!(kubectl.field(".spec.redemptionsAllowed").await, "3");
        // What the manifest no longer has goes back to its default.
        kubectl.write("grant.yaml", &MANIFEST.replace("  redemptionsAllowed: 2\n", ""));
        assert_eq!(apply().await, "accessgrant.skupper.io/west configured\n");
        assert_eq!(kubectl.field(".spec.redemptionsAllowed").await, "1");
        assert!(kubectl.says(&["apply", "view-last-applied", "gr", "west"]).await.contains("expirationWindow: 1h"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creating_makes_one_or_many_under_given_or_generated_names() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write("grant.yaml", MANIFEST);
        kubectl.write("generated.yaml", &MANIFEST.replace("name: west", "generateName: west-"));
        let item = |name: &str| {
            format!(
                "- {{apiVersion: skupper.io/v2alpha1, kind: AccessGrant, metadata: {{name: {name}}}, spec: {{}}}}\n"
            )
        };
        kubectl.write("list.yaml", &format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item("one"), item("two")));

        assert_eq!(kubectl.says(&["create", "-f", "grant.yaml"]).await, "accessgrant.skupper.io/west created\n");
        let first = kubectl.says(&["create", "-f", "generated.yaml", "-o", "name"]).await;
        let second = kubectl.says(&["create", "-f", "generated.yaml", "-o", "name"]).await;
        assert!(first.starts_with("accessgrant.skupper.io/west-") && first != second, "{first} {second}");
        let listed = kubectl.says(&["create", "-f", "list.yaml"]).await;
        assert_eq!(listed, "accessgrant.skupper.io/one created\naccessgrant.skupper.io/two created\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_removes_what_is_named_selected_or_all() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        let manifest = |name: &str, side: &str| {
            MANIFEST.replace("name: west", &format!("name: {name}\n  labels: {{side: {side}}}")) + "---\n"
        };
        let all = [("a", "left"), ("b", "left"), ("c", "right"), ("d", "right"), ("e", "right")];
        kubectl.write("all.yaml", &all.map(|(name, side)| manifest(name, side)).concat());
        kubectl.write("d.yaml", &manifest("d", "right"));
        kubectl.says(&["apply", "-f", "all.yaml"]).await;
        let left =
            async || kubectl.says(&["get", "gr", "-o", "jsonpath={.items[*].metadata.name}"]).await.replace(' ', "");

        kubectl.says(&["delete", "gr", "c", "--dry-run=server"]).await;
        assert_eq!(left().await, "abcde");
        let said = kubectl.says(&["delete", "gr", "c"]).await;
        assert!(said.starts_with("accessgrant.skupper.io \"c\" deleted"), "{said}");
        kubectl.says(&["delete", "-f", "d.yaml"]).await;
        assert_eq!(left().await, "abe");
        kubectl.says(&["delete", "gr", "-l", "side=left"]).await;
        assert_eq!(left().await, "e");
        kubectl.says(&["delete", "gr", "--all"]).await;
        assert_eq!(left().await, "");
        kubectl.says(&["delete", "gr", "c", "--ignore-not-found"]).await;

        kubectl.says(&["apply", "-f", "all.yaml"]).await;
        for cascade in ["background", "foreground", "orphan"] {
            let cascade = format!("--cascade={cascade}");
            kubectl.says(&["delete", "gr", "a", &cascade, "--grace-period=0", "--force", "--dry-run=server"]).await;
            assert_eq!(left().await, "abcde");
            kubectl.says(&["delete", "gr", "a", &cascade, "--grace-period=0", "--force"]).await;
            assert_eq!(left().await, "bcde");
            kubectl.says(&["apply", "-f", "all.yaml"]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_checks_and_shows_and_keeps_nothing() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write("grant.yaml", MANIFEST);
        kubectl.write("more.yaml", &MANIFEST.replace("Allowed: 2", "Allowed: 3"));
        kubectl.write("bad.yaml", &MANIFEST.replace("Allowed: 2", "Allowed: -3"));
        let dry = async |command: &str, file: &str| kubectl.says(&[command, "--dry-run=server", "-f", file]).await;

        assert_eq!(dry("create", "grant.yaml").await, "accessgrant.skupper.io/west created (server dry run)\n");
        assert_eq!(kubectl.says(&["get", "gr", "-o", "name"]).await, "");
        let message = kubectl.complains(&["create", "--dry-run=server", "-f", "bad.yaml"]).await;
        assert!(message.contains("spec.redemptionsAllowed"), "{message}");

        let client = kubectl.says(&["apply", "--dry-run=client", "-f", "grant.yaml"]).await;
        assert_eq!(client, "accessgrant.skupper.io/west created (dry run)\n");
        assert_eq!(kubectl.says(&["get", "gr", "-o", "name"]).await, "");

        kubectl.says(&["apply", "-f", "grant.yaml"]).await;
        assert_eq!(dry("apply", "more.yaml").await, "accessgrant.skupper.io/west configured (server dry run)\n");
        let diff = kubectl.run(&["diff", "-f", "more.yaml"]).await;
        assert_eq!(diff.status.code(), Some(1), "{diff:?}");
        let diff = String::from_utf8(diff.stdout).unwrap();
        let changed: Vec<&str> = diff.lines().filter(|line| line.starts_with(['+', '-'])).skip(2).collect();
        let generation = ["-  generation: 1", "+  generation: 2"];
        assert_eq!(changed[..2], generation);
        assert!(
            changed.contains(&"-  redemptionsAllowed: 2") && changed.contains(&"+  redemptionsAllowed: 3"),
            "{diff}"
        );
        assert!(kubectl.run(&["diff", "-f", "grant.yaml"]).await.status.success());
        assert_eq!(kubectl.field(".spec.redemptionsAllowed").await, "2");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_code_is_taken_and_warned_of() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write("short.yaml", &format!("{MANIFEST}  code: fifteen-letters\n"));
        kubectl.write("long.yaml", &format!("{MANIFEST}  code: sixteen-letters-\n").replace("west", "long"));

        let (printed, warned) = kubectl.says_and_warns(&["apply", "-f", "short.yaml"]).await;
        assert_eq!(printed, "accessgrant.skupper.io/west created\n");
        assert!(warned.starts_with("Warning: spec.code: a code of fewer than 16 characters"), "{warned}");
        assert!(!warned.contains("fifteen"), "{warned}");
        assert_eq!(kubectl.says_and_warns(&["apply", "-f", "long.yaml"]).await.1, "");
    }
}
