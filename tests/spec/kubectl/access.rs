//! `kubectl auth`, and namespaces, which are there without being made.

use super::{Kubectl, versions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_shows_a_user_its_name_and_rights() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        let can_i = async |arguments: &[&str]| {
            let output = kubectl.run(&[&["auth", "can-i"], arguments].concat()).await;
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };

        assert_eq!(can_i(&["create", "accessgrants"]).await, (Some(0), "yes\n".to_owned()));
        assert_eq!(can_i(&["list", "sites", "-A"]).await, (Some(0), "yes\n".to_owned()));
        assert_eq!(can_i(&["get", "/version"]).await, (Some(0), "yes\n".to_owned()));
        assert_eq!(can_i(&["create", "sites"]).await, (Some(0), "yes\n".to_owned()));
        let (code, said) = can_i(&["create", "pods"]).await;
        assert!(code == Some(1) && said.starts_with("no"), "{said}");
        let (code, said) = can_i(&["--list"]).await;
        assert_eq!(code, Some(0));
        assert!(said.contains("accessgrants.skupper.io"), "{said}");
        let me = kubectl.says(&["auth", "whoami"]).await;
        assert!(me.contains("grantd:owner") && me.contains("system:authenticated"), "{me}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_are_listed_and_made_without_an_error() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;

        assert_eq!(kubectl.says(&["get", "ns", "-o", "name"]).await, "namespace/default\n");
        assert!(kubectl.says(&["get", "namespaces"]).await.contains("default"));
        assert_eq!(kubectl.says(&["create", "namespace", "x"]).await, "namespace/x created\n");
        let dry = kubectl.says(&["create", "namespace", "y", "--dry-run=server"]).await;
        assert_eq!(dry, "namespace/y created (server dry run)\n");
        let taken = kubectl.complains(&["create", "namespace", "default"]).await;
        assert_eq!(taken, "Error from server (AlreadyExists): namespaces \"default\" already exists\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_description_ends_with_no_events() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;

        let (described, warned) = kubectl.says_and_warns(&["describe", "accessgrant", "west"]).await;

        assert!(described.trim_end().ends_with("<none>") && described.contains("\nEvents:"), "{described}");
        assert_eq!(warned, "");
    }
}
