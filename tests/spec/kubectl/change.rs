//! What changes a grant that is there.

use super::{Kubectl, MANIFEST, versions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_patch_changes_what_it_names() {
    const MORE: &str = r#"{"spec":{"redemptionsAllowed":4}}"#;
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let patch =
            async |text: &str| kubectl.says(&["patch", "accessgrant", "west", "--type=merge", "-p", text]).await;

        assert_eq!(patch(MORE).await, "accessgrant.skupper.io/west patched\n");
        assert_eq!(patch(MORE).await, "accessgrant.skupper.io/west patched (no change)\n");
        assert_eq!(patch(r#"{"status":{"code":"mine"}}"#).await, "accessgrant.skupper.io/west patched (no change)\n");
        assert_eq!(kubectl.field(".spec").await, r#"{"expirationWindow":"1h","redemptionsAllowed":4}"#);
        assert_eq!(kubectl.field(".metadata.generation").await, "2");
        // For what has no effect there is a warning, printed beside what was done.
        let longer = ["patch", "accessgrant", "west", "--type=merge", "-p", r#"{"spec":{"expirationWindow":"2h"}}"#];
        let (printed, warned) = kubectl.says_and_warns(&longer).await;
        assert_eq!(printed, "accessgrant.skupper.io/west patched\n");
        assert!(warned.starts_with("Warning: spec.expirationWindow counts from a grant's creation only;"), "{warned}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_change_a_grant_when_all_of_them_can_be_done() {
    const MORE: &str = r#"[{"op":"test","path":"/spec/redemptionsAllowed","value":2},
        {"op":"replace","path":"/spec/redemptionsAllowed","value":4}]"#;
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let patch = ["patch", "accessgrant", "west", "--type=json", "-p", MORE];

        assert_eq!(kubectl.says(&patch).await, "accessgrant.skupper.io/west patched\n");
        assert_eq!(kubectl.field(".spec").await, r#"{"expirationWindow":"1h","redemptionsAllowed":4}"#);

        let message = kubectl.complains(&patch).await;
        let why = "patch[0]: test at \"/spec/redemptionsAllowed\": the value is another one";
        assert!(message.contains("The AccessGrant \"west\" is invalid") && message.contains(why), "{message}");
        assert_eq!(kubectl.field(".metadata.generation").await, "2");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_and_annotations_come_and_go() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;

        kubectl.says(&["label", "gr", "west", "side=left", "example.com/tier=front"]).await;
        let message = kubectl.complains(&["label", "gr", "west", "side=right"]).await;
        assert!(message.contains("--overwrite is false"), "{message}");
        kubectl.says(&["label", "gr", "west", "side=right", "--overwrite"]).await;
        kubectl.says(&["label", "gr", "west", "example.com/tier-"]).await;
        kubectl.says(&["annotate", "gr", "west", "note=for the west"]).await;

        assert_eq!(kubectl.field(".metadata.labels").await, r#"{"side":"right"}"#);
        assert_eq!(kubectl.field(".metadata.annotations.note").await, "for the west");
        assert_eq!(kubectl.field(".metadata.generation").await, "1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_editor_leaves_is_applied() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let edit = ["edit", "accessgrant", "west"];

        kubectl.write_editor("sed -i 's/redemptionsAllowed: 2/redemptionsAllowed: 7/' \"$1\"");
        assert_eq!(kubectl.says(&edit).await, "accessgrant.skupper.io/west edited\n");
        assert_eq!(kubectl.field(".spec.redemptionsAllowed").await, "7");
        kubectl.write_editor("true");
        let (said, warned) = kubectl.says_and_warns(&edit).await;
        assert!((said + &warned).contains("no changes made"));

        // Opened again with the fault written at its top, and left as it is.
        kubectl.write_editor("cat \"$1\" >> seen; sed -i 's/redemptionsAllowed: 7/redemptionsAllowed: -7/' \"$1\"");
        kubectl.complains(&edit).await;
        let seen = std::fs::read_to_string(kubectl.home.file("seen")).unwrap();
        assert!(seen.contains("# * spec.redemptionsAllowed: Invalid value: -7: must be at least 1"), "{seen}");
        assert_eq!(kubectl.field(".spec.redemptionsAllowed").await, "7");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replacing_needs_the_state_that_was_read() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let read = kubectl.says(&["get", "gr", "west", "-o", "json"]).await;
        kubectl.write("read.json", &read.replace("\"redemptionsAllowed\": 2", "\"redemptionsAllowed\": 5"));
        let replace = ["replace", "-f", "read.json"];

        assert_eq!(kubectl.says(&replace).await, "accessgrant.skupper.io/west replaced\n");
        let message = kubectl.complains(&replace).await;
        assert!(
            message.starts_with("Error from server (Conflict): ") && message.contains("has been modified"),
            "{message}"
        );
        // Without a version kubectl fills in the one it reads.
        kubectl.write("grant.yaml", MANIFEST);
        assert_eq!(kubectl.says(&["replace", "-f", "grant.yaml"]).await, "accessgrant.skupper.io/west replaced\n");
        let before = kubectl.field(".metadata.uid").await;
        kubectl.says(&["replace", "--force", "-f", "grant.yaml"]).await;
        assert_ne!(kubectl.field(".metadata.uid").await, before);
    }
}
