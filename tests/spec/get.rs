//! `grantd get`: what `kubectl get` shows, without kubectl.

use std::fs;

use serde_json::Value;

use crate::server::{Server, grantd};

/// Two grants, in two namespaces, each with a label.
pub(crate) const TWO_GRANTS: &str = "\
apiVersion: skupper.io/v2alpha1
kind: AccessGrant
metadata: {name: west, labels: {side: left}}
---
apiVersion: skupper.io/v2alpha1
kind: AccessGrant
metadata: {name: east, namespace: other, labels: {side: right}}
";

fn with_two() -> Server {
    let server = Server::start();
    fs::write(server.scratch().file("two.yaml"), TWO_GRANTS).unwrap();
    server.ok(&["apply", "-f", "two.yaml"]);
    server
}

/// The cells of each line; empty ones leave nothing but blanks.
fn cells(printed: &str) -> Vec<Vec<&str>> {
    printed.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

#[test]
fn grants_are_shown_in_the_columns_of_kubectl() {
    let server = with_two();
    let headings = ["NAME", "REDEMPTIONS ALLOWED", "REDEMPTIONS MADE", "EXPIRATION", "STATUS", "MESSAGE"];
    let grant = server.grant_named("west");
    let west = ["west", "1", "0", grant["status"]["expirationTime"].as_str().unwrap(), "Ready", "OK"];
    for arguments in [&["get", "accessgrants"][..], &["get", "gr", "west"], &["get", "grant", "-l", "side=left"]] {
        assert_eq!(cells(&server.ok(arguments)), [headings, west], "{arguments:?}");
    }

    let everywhere = server.ok(&["get", "AccessGrants", "--all-namespaces"]);
    let [header, first, second] = &cells(&everywhere)[..] else { panic!("{everywhere}") };
    assert_eq!(*header, [&["NAMESPACE"], &headings[..]].concat());
    assert_eq!((first[..2].to_vec(), second[..2].to_vec()), (vec!["default", "west"], vec!["other", "east"]));

    assert_eq!(
        server.ok(&["get", "accessgrants", "-A", "-l", "side!=left", "-o", "name"]),
        "accessgrant.skupper.io/east\n"
    );
}

#[test]
fn documents_are_the_server_s_own_objects() {
    let server = with_two();
    let list: Value = serde_json::from_str(&server.ok(&["get", "accessgrants", "-A", "-o", "json"])).unwrap();
    assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&Value::from("AccessGrantList"), 2));
    assert_eq!(list["items"][0], server.grant_named("west"));
    let yaml = server.ok(&["get", "accessgrants", "-A", "-o", "yaml"]);
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), list);

    let one: Value = serde_json::from_str(&server.ok(&["get", "grant", "west", "-o", "json"])).unwrap();
    assert_eq!(one, list["items"][0]);
}

#[test]
fn the_site_is_shown_and_what_is_not_known_of_it_left_empty() {
    let server = Server::start();
    let printed = server.ok(&["get", "sites"]);
    let [header, site] = &cells(&printed)[..] else { panic!("{printed}") };
    assert_eq!(*header, ["NAME", "STATUS", "SITES IN NETWORK", "MESSAGE"]);
    assert_eq!(site[1..], ["Ready", "OK"]);
    let message = printed.lines().next().unwrap().find("MESSAGE").unwrap();
    assert_eq!(&printed.lines().nth(1).unwrap()[message..], "OK");
}

#[test]
fn a_list_of_several_pages_is_one_list() {
    let server = Server::start();
    let documents = (0..501).map(|number| {
        format!("---\napiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata: {{name: grant-{number:03}}}\n")
    });
    fs::write(server.scratch().file("many.yaml"), documents.collect::<String>()).unwrap();
    server.ok(&["apply", "-f", "many.yaml"]);

    let names = server.ok(&["get", "accessgrants", "-o", "name"]);
    let expected: Vec<String> = (0..501).map(|number| format!("accessgrant.skupper.io/grant-{number:03}")).collect();
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);
    let table = server.ok(&["get", "accessgrants"]);
    assert_eq!((table.lines().count(), table.matches("NAME").count()), (502, 1));
    let list: Value = serde_json::from_str(&server.ok(&["get", "accessgrants", "-o", "json"])).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 501);
}

#[test]
fn missing_objects_and_wrong_types_give_different_errors() {
    let server = Server::start();
    let empty = server.run(&["get", "accessgrants", "-n", "west"]);
    assert_eq!((empty.status.code(), empty.stdout.len()), (Some(0), 0));
    assert_eq!(String::from_utf8_lossy(&empty.stderr), "No accessgrants found in namespace west.\n");

    let absent = server.run(&["get", "accessgrant", "nope"]);
    assert_eq!((absent.status.code(), absent.stdout.len()), (Some(1), 0));
    let said = String::from_utf8_lossy(&absent.stderr);
    assert!(said.starts_with("grantd: accessgrants.skupper.io \"nope\" not found\nhint: 'grantd get access"), "{said}");

    let unknown = server.run(&["get", "pods"]);
    assert_eq!(unknown.status.code(), Some(64));
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(said.contains("accessgrants, accesstokens, links, sites, secrets"), "{said}");

    let selector = server.run(&["get", "accessgrants", "-l", "a=b=c"]);
    assert_eq!(selector.status.code(), Some(1), "{}", String::from_utf8_lossy(&selector.stderr));
}

#[test]
fn without_a_server_the_error_names_the_socket() {
    let output = grantd(["--data-dir", "/nowhere", "get", "links", "-w"]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no grantd is serving at /nowhere/admin.sock"));
}
