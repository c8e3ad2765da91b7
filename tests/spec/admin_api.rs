//! The admin API where it meets the rest: redemptions meanwhile, and secrets in what it refuses.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, time::Duration};

use grantd::client::{AdminClient, AdminError, AdminMethod};
use serde_json::{Value, json};

use crate::{
    server::{PATIENCE, Server},
    wire::Client,
};

const GRANTS: &str = "/apis/skupper.io/v2alpha1/namespaces/default/accessgrants";
const CANARY: &str = "canary0code0in0the0coal0mine";

fn admin(server: &Server) -> AdminClient {
    AdminClient::unix(server.data_dir.join("admin.sock"), PATIENCE)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_and_redemptions_at_once_lose_nothing_of_each_other() {
    const PATCHERS: usize = 6;
    const PATCHES: usize = 8;
    const REDEMPTIONS: usize = 60;
    let server = Server::start();
    let token = server.issue(100);
    let path = format!("{GRANTS}/{}", token.name);
    let (admin, client) = (admin(&server), Client::new(server.redeem, &token));

    let mut work = tokio::task::JoinSet::new();
    for patcher in 0..PATCHERS {
        let (admin, path) = (admin.clone(), path.clone());
        work.spawn(async move {
            for n in 0..PATCHES {
                let patch = json!({"metadata": {"labels": {format!("l{patcher}-{n}"): "x"}}});
                patch_until_done(&admin, &path, &patch).await;
            }
        });
    }
    for number in 0..REDEMPTIONS {
        let (client, token) = (client.clone(), token.clone());
        work.spawn(async move {
            assert_eq!(client.redeem(&token, &format!("site-{number}")).await.unwrap().status, 200);
        });
    }
    work.join_all().await;

    let grant = server.grant(&token);
    assert_eq!(grant["status"]["redemptions"], REDEMPTIONS);
    assert_eq!(server.ledger(&token).len(), REDEMPTIONS);
    assert_eq!(grant["metadata"]["labels"].as_object().unwrap().len(), PATCHERS * PATCHES);
}

/// After a conflict the caller tries again; what is answered as done must be done.
async fn patch_until_done(admin: &AdminClient, path: &str, patch: &Value) {
    for _ in 0..100 {
        match admin.send(AdminMethod::MergePatch, path, Some(patch)).await {
            Ok(_) => return,
            Err(AdminError::Refused(status)) if status.code == 409 => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no patch in a hundred went through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_refusal_repeats_a_secret_and_no_log_keeps_one() {
    let server = Server::start_with(&["--log", "trace"]);
    let admin = admin(&server);
    let last_applied = json!({"spec": {"code": CANARY}}).to_string();
    let good = json!({
        "apiVersion": "skupper.io/v2alpha1", "kind": "AccessGrant",
        "metadata": {
            "name": "coal", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": last_applied},
        },
        "spec": {"code": CANARY, "settings": {"password": CANARY}},
    });
    let made = admin.send(AdminMethod::Post, GRANTS, Some(&good)).await.unwrap();
    assert_eq!(made["status"]["code"], CANARY);

    let faults = [
        ("/metadata", json!(CANARY)),
        ("/metadata/annotations", json!([CANARY])),
        ("/metadata/annotations", json!({"bad key": CANARY, "a": [CANARY], "b": {"c": CANARY}})),
        ("/metadata/annotations", json!({"a": CANARY.repeat(10_000)})),
        ("/metadata/resourceVersion", json!("1")),
        ("/metadata/finalizers", json!([CANARY])),
        ("/spec", json!([CANARY])),
        ("/spec/code", json!(format!("{CANARY} {CANARY}"))),
        ("/spec/code", json!([CANARY])),
        ("/spec/code", json!(CANARY.repeat(100))),
        ("/spec/code", json!(format!("{CANARY}2"))),
        ("/spec/settings", json!({"a": [CANARY]})),
        ("/spec/redemptionsAllowed", json!(CANARY)),
        ("/spec/expirationWindow", json!({"a": CANARY})),
        ("/spec/bogus", json!(CANARY)),
        ("/kind", json!("Site")),
    ];
    let mut refused = BTreeSet::new();
    for (place, wrong) in faults {
        let (parent, member) = place.rsplit_once('/').unwrap();
        let mut object = good.clone();
        object.pointer_mut(parent).unwrap()[member] = wrong;
        for (method, path) in [
            (AdminMethod::Post, GRANTS.to_owned()),
            (AdminMethod::Put, format!("{GRANTS}/coal")),
            (AdminMethod::MergePatch, format!("{GRANTS}/coal")),
        ] {
            let answer = admin.send(method, &format!("{path}?fieldValidation=Strict"), Some(&object)).await;
            let Err(AdminError::Refused(status)) = answer else { panic!("{method:?} {place}: {answer:?}") };
            assert!(!format!("{status:?}").contains(CANARY), "{method:?} {place}: {status:?}");
            refused.insert(status.code);
        }
    }
    assert_eq!(refused, BTreeSet::from([400, 409, 422]));
    assert!(!server.log().contains(CANARY), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_through_the_socket_is_logged_with_the_users_number() {
    let server = Server::start();

    let token = server.issue(1);

    // Of this process, which has asked.
    let uid = fs::metadata("/proc/self").unwrap().uid();
    let is_it = |line: &str| line.contains("admin request") && line.contains(token.name.as_str());
    let log = server.log();
    let line = log.lines().find(|line| is_it(line)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains(&format!(r#""user":"uid:{uid}""#)), "{line}");
}
