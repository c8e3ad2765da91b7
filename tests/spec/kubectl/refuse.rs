//! What kubectl prints for requests that are not supported.

use super::{Kubectl, MANIFEST, versions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_or_there_already_is_named() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;

        let missing = "Error from server (NotFound): accessgrants.skupper.io \"nope\" not found\n";
        assert_eq!(kubectl.complains(&["get", "gr", "nope"]).await, missing);
        // In another namespace than the default one it looks for that too, and would rather miss it.
        assert_eq!(kubectl.complains(&["get", "gr", "nope", "-n", "other"]).await, missing);
        assert_eq!(kubectl.complains(&["delete", "gr", "nope"]).await, missing);
        assert_eq!(kubectl.complains(&["patch", "gr", "nope", "--type=merge", "-p", "{}"]).await, missing);
        assert_eq!(kubectl.says(&["get", "gr", "nope", "--ignore-not-found"]).await, "");
        let taken = kubectl.complains(&["create", "-f", "grant.yaml"]).await;
        assert!(
            taken.starts_with("Error from server (AlreadyExists): error when creating \"grant.yaml\": "),
            "{taken}"
        );
        let listeners = kubectl.complains(&["get", "listeners"]).await;
        assert_eq!(listeners, "error: the server doesn't have a resource type \"listeners\"\n");
        let kind = MANIFEST.replace("AccessGrant", "Listener");
        kubectl.write("listener.yaml", &kind);
        let message = kubectl.complains(&["apply", "-f", "listener.yaml"]).await;
        assert!(message.contains("no matches for kind \"Listener\" in version \"skupper.io/v2alpha1\""), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_manifest_is_a_line() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write(
            "bad.yaml",
            &(MANIFEST.replace("1h", "soon").replace("Allowed: 2", "Allowed: -2") + "  code: a b\n"),
        );

        let message = kubectl.complains(&["create", "-f", "bad.yaml"]).await;

        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(
            lines,
            [
                "The AccessGrant \"west\" is invalid: ",
                "* spec.redemptionsAllowed: Invalid value: -2: must be at least 1",
                "* spec.expirationWindow: Invalid duration \"soon\": time: invalid duration \"soon\"",
                "* spec.code: Invalid value: must consist of visible ASCII characters, without blanks",
            ]
        );
        assert_eq!(kubectl.says(&["get", "gr", "-o", "name"]).await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_field_is_refused_warned_of_or_dropped_as_validate_says() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write("bogus.yaml", &format!("{MANIFEST}  bogus: 1\n"));
        let apply = |mode: &'static str| [mode, "-f", "bogus.yaml"];
        let strict = "strict decoding error: unknown field \"spec.bogus\"";

        for mode in ["--validate=strict", "--validate=true", "--validate"] {
            let message = kubectl.complains(&[&["apply"], &apply(mode)[..]].concat()).await;
            assert!(
                message.starts_with("Error from server (BadRequest): ") && message.contains(strict),
                "{mode} {message}"
            );
        }
        let (said, warned) = kubectl.says_and_warns(&["apply", "--validate=warn", "-f", "bogus.yaml"]).await;
        assert_eq!(said, "accessgrant.skupper.io/west created\n");
        assert!(warned.contains("Warning: unknown field \"spec.bogus\"\n"), "{warned}");
        for mode in ["--validate=ignore", "--validate=false"] {
            let (_, warned) = kubectl.says_and_warns(&[&["apply"], &apply(mode)[..]].concat()).await;
            assert_eq!(warned, "", "{mode}");
        }
        assert_eq!(kubectl.field(".spec.bogus").await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_supported_is_refused_with_an_alternative() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let table: [(&[&str], &str); 7] = [
            (
                &["patch", "gr", "west", "-p", "{}"],
                "strategic-merge-patch+json is not supported by skupper.io/v2alpha1, Kind=AccessGrant: use --type=merge or --type=json",
            ),
            (
                &["apply", "--server-side", "-f", "grant.yaml"],
                "server-side apply is not supported; use kubectl apply without --server-side",
            ),
            (
                &["get", "gr", "--as", "bob"],
                "Error from server (Forbidden): impersonation is not supported by this server",
            ),
            (&["get", "gr", "--field-selector", "spec.code=x"], "field label not supported: spec.code"),
            (
                &["patch", "gr", "west", "--type=merge", "-p", r#"{"spec":{"code":"other"}}"#],
                "spec.code: Forbidden: a grant's code cannot change; delete the grant and create another",
            ),
            (
                &["patch", "gr", "west", "--type=merge", "-p", r#"{"metadata":{"finalizers":["a"]}}"#],
                "metadata.finalizers: Forbidden: not supported",
            ),
            (&["delete", "sites", "--all"], "it comes from the server's configuration and cannot be changed here"),
        ];
        for (arguments, expected) in table {
            let message = kubectl.complains(arguments).await;
            assert!(message.contains(expected), "{} {arguments:?}: {message}", kubectl.binary.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_is_too_large_is_refused_with_the_limit() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write("large.yaml", &format!("{MANIFEST}  settings: {{a: {}}}\n", "x".repeat(2 * 1024 * 1024)));

        let printed = kubectl.complains(&["create", "-f", "large.yaml"]).await;

        let expected = "Error from server (RequestEntityTooLarge): error when creating \"large.yaml\": Request entity too large: limit is 1048576\n";
        assert_eq!(printed, expected);
    }
}
