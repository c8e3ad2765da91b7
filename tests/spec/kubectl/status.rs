//! What is printed for each code that a request can be answered with (docs/kubernetes-api.md section 4.5).

use super::{Kubectl, MANIFEST, versions};
use crate::faults::database;

const GRANTS: &str = "/apis/skupper.io/v2alpha1/namespaces/default/accessgrants";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_code_is_printed_as_that_of_a_cluster() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        kubectl.write("minus.yaml", &MANIFEST.replace("Allowed: 2", "Allowed: -2"));
        kubectl.write("minus.json", r#"{"kind":"AccessGrant","spec":{"redemptionsAllowed":-2}}"#);
        let continued = format!("{GRANTS}?limit=1&continue=made-up");
        let table: [(&[&str], &str); 9] = [
            (
                &["get", "--raw", &continued],
                "Error from server (BadRequest): continue key is not valid: not one that this server gave\n",
            ),
            (
                &["create", "--raw", GRANTS, "-f", "grant.yaml"],
                "Error from server (BadRequest): the body is not valid JSON: expected value at line 1 column 1\n",
            ),
            (
                &["get", "gr", "west", "-n", "Bad_Name"],
                "Error from server (BadRequest): namespace \"Bad_Name\" must consist of lower case letters, digits or \
                 '-', and start and end with a letter or digit (for example 'west')\n",
            ),
            (
                &["patch", "gr", "west", "--subresource=status", "--type=merge", "-p", r#"{"status":{"code":"mine"}}"#],
                "Error from server (Forbidden): status is written by this server alone\n",
            ),
            (
                &["get", "--raw", "/nothing"],
                "Error from server (NotFound): the server could not find the requested resource\n",
            ),
            (
                &["delete", "--raw", GRANTS],
                "Error from server (MethodNotAllowed): the server does not allow this method on the requested \
                 resource\n",
            ),
            (
                &["create", "-f", "grant.yaml"],
                "Error from server (AlreadyExists): error when creating \"grant.yaml\": accessgrants.skupper.io \
                 \"west\" already exists\n",
            ),
            (
                &["apply", "--server-side", "-f", "grant.yaml"],
                "error: Server-side apply not available on the server: (server-side apply is not supported; use \
                 kubectl apply without --server-side)\n",
            ),
            // With one cause it is one line.
            (
                &["create", "-f", "minus.yaml"],
                "The AccessGrant \"west\" is invalid: spec.redemptionsAllowed: Invalid value: -2: must be at least 1\n",
            ),
        ];
        for (arguments, expected) in table {
            let printed = kubectl.complains(arguments).await;
            assert_eq!(printed, expected, "{} {arguments:?}", kubectl.binary.display());
        }
        assert_eq!(kubectl.field(".metadata.generation").await, "1", "nothing was changed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_cannot_read_is_its_own_error() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let uid = kubectl.field(".metadata.uid").await;
        let mut intruder = database(&kubectl.server).await;
        let spoil = "UPDATE access_grant SET sealed_code = randomblob(53) WHERE name = 'west'";
        sqlx::query(spoil).execute(&mut intruder).await.unwrap();

        let message = kubectl.complains(&["get", "gr", "west"]).await;

        let expected = format!("Error from server (InternalError): stored object {uid} is corrupt: ");
        assert!(message.starts_with(&expected), "{message}");
        // A list warns of it and shows the others.
        kubectl.write("east.yaml", &MANIFEST.replace("name: west", "name: east"));
        kubectl.says(&["apply", "-f", "east.yaml"]).await;
        let (listed, warned) = kubectl.says_and_warns(&["get", "gr", "-o", "name"]).await;
        assert_eq!(listed, "accessgrant.skupper.io/east\n");
        assert!(warned.starts_with("Warning: ") && warned.contains(&uid), "{warned}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_served_is_no_type_of_resource() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let table: [(&[&str], &str); 5] = [
            (&["get", "pods"], "the server doesn't have a resource type \"pods\""),
            (&["logs", "west"], "the server doesn't have a resource type \"pods\""),
            (&["exec", "west", "--", "true"], "the server doesn't have a resource type \"pods\""),
            (&["cluster-info"], "the server doesn't have a resource type \"services\""),
            (&["scale", "--replicas=2", "gr/west"], "the server could not find the requested resource"),
        ];
        for (arguments, expected) in table {
            let message = kubectl.complains(arguments).await;
            assert!(message.contains(expected), "{} {arguments:?}: {message}", kubectl.binary.display());
        }
        kubectl.write("more.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {}\n");
        let message = kubectl.complains(&["apply", "-f", "more.yaml"]).await;
        assert!(message.contains("no matches for kind \"Deployment\" in version \"apps/v1\""), "{message}");
        assert!(message.contains("ensure CRDs are installed first"), "{message}");
    }
}
