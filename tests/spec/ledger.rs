//! `grantd ledger` shows every redemption there was, whatever became of its grant.

use crate::{server::Server, wire::Client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_is_listed_and_exported_with_filters_also_of_deleted_grants() {
    let server = Server::start();
    let (token, other) = (server.issue(3), server.issue(1));
    let client = Client::new(server.redeem, &token);
    let hostile = "=cmd|' /C calc'!A0,\"x\"";
    for subject in ["east", hostile] {
        let answer = client.exchange(&crate::wire::request(&token, "east", subject)).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(Client::new(server.redeem, &other).redeem(&other, "north").await.unwrap().status, 200);
    server.ok(&["grant", "delete", token.name.as_str()]);

    let rows = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let text = server.ok(&[&["ledger", "export"], arguments].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = rows(&["-A"]);
    assert_eq!(all.len(), 3);
    let of_deleted = rows(&["--grant", token.name.as_str()]);
    assert_eq!(of_deleted.iter().map(|row| row["ordinal"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(of_deleted[0]["grantUid"], token.url.rsplit('/').next().unwrap());
    assert_eq!(of_deleted[0]["type"], "redemption");
    assert_eq!(rows(&["--subject", hostile]), [of_deleted[1].clone()]);
    assert_eq!((rows(&["--since", "1h"]).len(), rows(&["--until", "1h"]).len()), (3, 0));
    assert_eq!((rows(&["--peer", "127.0.0.1"]).len(), rows(&["--peer", "10.1.1.1"]).len()), (3, 0));
    assert_eq!(rows(&["-n", "elsewhere"]).len(), 0);

    let table = server.ok(&["ledger", "list"]);
    assert!(table.starts_with("NAMESPACE  GRANT"), "{table}");
    assert_eq!(table.lines().count(), 4, "{table}");
    let csv = server.ok(&["ledger", "export", "-o", "csv", "--subject", hostile]);
    assert!(csv.starts_with("type,namespace,grant,grantUid,ordinal,"), "{csv}");
    assert!(csv.contains(",\"'=cmd|' /C calc'!A0,\"\"x\"\"\","), "{csv}");

    let wrong = server.run(&["ledger", "list", "--since", "yesterday", "--peer", "nobody"]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(64), "{said}");
    assert!(said.contains("--since") && said.contains("--peer"), "{said}");
}
