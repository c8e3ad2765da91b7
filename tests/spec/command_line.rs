//! The command line as a user meets it.

use std::fs;

use crate::server::{Scratch, Server, grantd, wait_until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn issue_redeem_list_show_tell_one_story() {
    let server = Server::start();
    let issued = server.ok(&["token", "issue", "west_token.yaml", "--name", "offer"]);
    assert!(issued.contains("Grant \"offer\" is ready\nToken file west_token.yaml created\n"), "{issued}");
    assert!(issued.contains("The token expires after 1 use(s) or after 15m0s."), "{issued}");
    assert!(issued.contains("skupper token redeem west_token.yaml"), "{issued}");

    let redeemed = server.ok(&["token", "redeem", "west_token.yaml", "--output", ".", "--subject", "east site"]);
    assert!(redeemed.contains("Token \"offer\" has been redeemed."), "{redeemed}");
    for file in ["Secret-offer.yaml", "Link-offer.yaml"] {
        assert!(server.scratch().file(file).exists(), "{file}");
    }

    let again = server.run(&["token", "redeem", "west_token.yaml", "--output", ".", "--force"]);
    assert_eq!(again.status.code(), Some(1));
    let said = text(&again.stderr);
    assert!(said.contains("404 (Not Found) No such access granted"), "{said}");
    assert!(said.contains("hint: "), "{said}");

    let list = server.ok(&["grant", "list"]);
    let mut lines = list.lines();
    let header: Vec<&str> = lines.next().unwrap().split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
    assert_eq!(header, ["NAME", "REDEMPTIONS ALLOWED", "REDEMPTIONS MADE", "EXPIRATION", "STATUS", "MESSAGE"]);
    let row: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[1], row[2]), ("offer", "1", "1"));

    let shown = server.ok(&["grant", "show", "offer"]);
    let ledger = server.ledger_named("offer");
    assert!(shown.contains("east site"), "{shown}");
    assert!(shown.contains(ledger[0]["serial"].as_str().unwrap()), "{shown}");
    assert_eq!(ledger[0]["subject"], "east site");
}

#[test]
fn a_file_that_is_there_is_not_overwritten_and_costs_no_grant() {
    let server = Server::start();
    fs::write(server.scratch().file("kept"), "precious").unwrap();
    let refused = server.run(&["token", "issue", "kept"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("--force"), "{}", text(&refused.stderr));
    assert_eq!(fs::read_to_string(server.scratch().file("kept")).unwrap(), "precious");
    assert_eq!(server.ok(&["grant", "list", "-o", "name"]), "");

    server.ok(&["token", "issue", "kept", "--force"]);
    assert!(fs::read_to_string(server.scratch().file("kept")).unwrap().contains("kind: AccessToken"));
}

#[test]
fn links_that_are_there_are_not_overwritten_and_cost_no_redemption() {
    let server = Server::start();
    server.ok(&["token", "issue", "t", "--name", "offer"]);
    fs::write(server.scratch().file("Link-offer.yaml"), "precious").unwrap();
    let refused = server.run(&["token", "redeem", "t"]);
    assert!(!refused.status.success());
    assert_eq!(server.grant_named("offer")["status"]["redemptions"], 0);
}

/// A limit on the size of files is what a full disk is: a file can be made, and takes no byte.
#[test]
fn a_directory_that_takes_no_file_costs_no_redemption() {
    let server = Server::start();
    server.ok(&["token", "issue", "t", "--name", "offer"]);
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" token redeem t";
    let full = std::process::Command::new("bash")
        .args(["-c", script, crate::server::GRANTD])
        .current_dir(server.scratch().path())
        .output()
        .unwrap();
    assert_eq!(full.status.code(), Some(1));
    assert!(text(&full.stderr).contains("cannot write in .: File too large"), "{}", text(&full.stderr));

    let nowhere = server.run(&["token", "redeem", "t", "--output", "none"]);
    assert!(text(&nowhere.stderr).contains("cannot write in none"), "{}", text(&nowhere.stderr));
    assert_eq!(server.grant_named("offer")["status"]["redemptions"], 0);
    server.ok(&["token", "redeem", "t"]);
}

#[test]
fn redeeming_tells_which_namespace_the_files_name() {
    let server = Server::start();
    server.ok(&["token", "issue", "t", "--name", "offer", "--redemptions-allowed", "2"]);
    let none = server.ok(&["token", "redeem", "t"]);
    assert!(none.contains("name no namespace") && none.contains("\"default\""), "{none}");
    let east = server.ok(&["token", "redeem", "t", "-n", "east", "--force"]);
    assert!(east.contains("name the namespace \"east\""), "{east}");
    let help = text(&grantd(["token", "redeem", "--help"]).output().unwrap().stdout);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!help.contains("fit any") && help.contains("reads a document without a namespace"), "{help}");
}

#[test]
fn the_cost_of_a_token_becomes_the_cost_of_its_link() {
    let server = Server::start();
    server.ok(&["token", "issue", "t", "--name", "offer", "--cost", "7"]);
    server.ok(&["token", "redeem", "t"]);
    let link: serde_json::Value =
        serde_saphyr::from_str(&fs::read_to_string(server.scratch().file("Link-offer.yaml")).unwrap()).unwrap();
    assert_eq!(link["spec"]["cost"], 7);
    assert_eq!(link["spec"]["endpoints"][0]["host"], "west.example.com");
}

#[test]
fn documents_are_applied_all_or_none_and_a_bad_one_is_reported_with_its_line() {
    let server = Server::start();
    let good =
        "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata:\n  name: one\nspec:\n  redemptionsAllowed: 2\n";
    let bad = "---\napiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata:\n  name: [two\n";
    fs::write(server.scratch().file("mixed.yaml"), format!("{good}{bad}")).unwrap();
    let refused = server.run(&["apply", "-f", "mixed.yaml"]);
    assert_eq!(refused.status.code(), Some(64), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("line 1"), "{}", text(&refused.stderr));
    assert_eq!(server.ok(&["grant", "list", "-o", "name"]), "");

    fs::write(server.scratch().file("good.yaml"), good).unwrap();
    assert_eq!(server.ok(&["apply", "-f", "good.yaml"]), "accessgrant.skupper.io/one created\n");
    assert_eq!(server.ok(&["apply", "-f", "good.yaml"]), "accessgrant.skupper.io/one unchanged\n");
    fs::write(server.scratch().file("good.yaml"), good.replace(": 2", ": 3")).unwrap();
    assert_eq!(server.ok(&["apply", "-f", "good.yaml"]), "accessgrant.skupper.io/one configured\n");
    assert_eq!(server.grant_named("one")["spec"]["redemptionsAllowed"], 3);
}

#[test]
fn raising_the_allowance_revives_a_used_up_grant() {
    let server = Server::start();
    server.ok(&["token", "issue", "t", "--name", "offer"]);
    server.ok(&["token", "redeem", "t"]);
    assert!(!server.run(&["token", "redeem", "t", "--force"]).status.success());
    let document =
        "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata: {name: offer}\nspec: {redemptionsAllowed: 2}\n";
    fs::write(server.scratch().file("raise.yaml"), document).unwrap();
    server.ok(&["apply", "-f", "raise.yaml"]);
    server.ok(&["token", "redeem", "t", "--force"]);
    assert_eq!(server.grant_named("offer")["status"]["redemptions"], 2);
}

#[test]
fn an_expired_grant_says_so_and_is_redeemed_no_more() {
    let server = Server::start();
    server.ok(&["grant", "create", "brief", "--expiration-window", "1s"]);
    wait_until("it has expired", || server.ok(&["grant", "list"]).contains("Expired"));
    let ready = server.grant_named("brief")["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|condition| condition["type"] == "Ready")
        .unwrap()["status"]
        .clone();
    assert_eq!(ready, "False");
}

#[test]
fn without_a_server_commands_say_how_to_start_one() {
    let scratch = Scratch::new();
    let output = grantd(["--data-dir", scratch.path().to_str().unwrap(), "grant", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let said = text(&output.stderr);
    let serve = format!("hint: start it with 'grantd serve --data-dir {}'", scratch.path().display());
    assert!(said.contains(&serve), "{said}");
}

#[test]
fn wrong_usage_exits_64_and_help_exits_0() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["serve", "--help"], 0),
        (&["version"], 0),
        (&["frobnicate"], 64),
        (&["token", "issue"], 64),
        (&["token", "redeem", "/does/not/exist"], 64),
        (&["completion", "bash"], 0),
        (&["completion", "zsh"], 0),
        (&["completion", "fish"], 0),
    ] {
        let output = grantd(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let script = format!("{} completion bash | head -n 1", crate::server::GRANTD);
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_file_that_is_no_token_is_refused_with_its_line_and_what_is_expected() {
    let scratch = Scratch::new();
    for (contents, expected) in [
        ("", "AccessToken"),
        ("hello", "line 1, column 1"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n", "AccessToken"),
        (
            "apiVersion: skupper.io/v2alpha1\nkind: AccessToken\nmetadata: {name: x}\nspec: {url: 'https://a/b'}\n",
            "spec.ca is missing",
        ),
        ("kind: [\n", "line"),
    ] {
        fs::write(scratch.file("t"), contents).unwrap();
        let output = grantd(["token", "redeem", "t"]).current_dir(scratch.path()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{contents:?}: {said}");
        assert!(said.contains(expected), "{contents:?}: {said}");
    }
}

#[test]
fn a_short_code_is_taken_and_warned_of_once() {
    let server = Server::start();
    fs::write(server.scratch().file("code"), "fifteen-letters\n").unwrap();
    let grant = "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata:\n  name: applied\nspec:\n  code: fifteen-letters\n";
    fs::write(server.scratch().file("grant.yaml"), grant).unwrap();
    for arguments in [&["grant", "create", "made", "--code-file", "code"][..], &["apply", "-f", "grant.yaml"]] {
        let output = server.run(arguments);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(said.matches("warning: spec.code: a code of fewer than 16 characters").count(), 1, "{said}");
        assert!(!said.contains("fifteen"), "{said}");
    }
}
