use super::*;
use crate::cli::{exit::Exit, output::DocumentFormat};

fn link(name: &str, status: &str, message: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "east"},
        "spec": {"endpoints": [], "tlsCredentials": name},
        "status": {"status": status, "message": message, "remoteSiteName": "west"},
    })
}

fn links() -> Vec<Value> {
    let mut ready = link("west", "Ready", "OK");
    ready["spec"]["cost"] = 5.into();
    vec![ready, link("north", "Pending", "Not Operational"), json!({"metadata": {"name": "new"}})]
}

struct Shown {
    printed: String,
    noted: String,
    outcome: Result<(), CliError>,
}

fn show_links(name: Option<&str>, output: Option<DocumentFormat>, scope: Scope, links: Vec<Value>) -> Shown {
    let args = LinkStatusArgs {
        name: name.map(str::to_owned),
        from: None,
        namespace: crate::cli::args::NamespaceArg { namespace: "east".to_owned() },
        all_namespaces: false,
        output,
    };
    let source = Source {
        place: "in namespace \"east\"".to_owned(),
        list: "grantd link status -n east".to_owned(),
        scope: Some(scope),
    };
    let (mut results, mut notes) = (Vec::new(), Vec::new());
    let name = super::name(&args).unwrap();
    let outcome = show(&args, name.as_ref(), &source, links, &mut Console::new(&mut results, &mut notes));
    Shown { printed: String::from_utf8(results).unwrap(), noted: String::from_utf8(notes).unwrap(), outcome }
}

fn east() -> Scope {
    Scope::Namespace("east".parse().unwrap())
}

#[test]
fn the_columns_are_skupper_s_and_a_link_that_is_not_ready_has_its_exit_code() {
    let shown = show_links(None, None, east(), links());
    assert_eq!(
        shown.printed,
        "NAME   STATUS   COST  MESSAGE\n\
         west   Ready    5     OK\n\
         north  Pending  1     Not Operational\n\
         new    -        1     -\n"
    );
    let error = shown.outcome.unwrap_err();
    assert_eq!((error.exit(), error.exit().code()), (Exit::NotReady, 75));
    assert_eq!(error.to_string(), "2 of 3 links are not ready");
}

#[test]
fn the_namespace_comes_first_when_there_may_be_several() {
    let shown = show_links(None, None, Scope::All, links());
    assert!(shown.printed.starts_with("NAMESPACE  NAME   STATUS   COST  MESSAGE\neast       west   Ready"));
}

#[test]
fn one_link_is_shown_in_lines_and_counts_alone() {
    let shown = show_links(Some("west"), None, east(), links());
    assert_eq!(shown.printed, "Name:    west\nStatus:  Ready\nCost:    5\nMessage: OK\n");
    assert!(shown.outcome.is_ok());

    let error = show_links(Some("north"), None, east(), links()).outcome.unwrap_err();
    assert_eq!((error.exit(), error.to_string()), (Exit::NotReady, "the link is not ready".to_owned()));
}

#[test]
fn a_missing_link_is_reported_with_where_it_was_searched_for() {
    let error = show_links(Some("nope"), None, east(), links()).outcome.unwrap_err();
    assert_eq!(error.to_string(), "There is no link resource in namespace \"east\" with the name \"nope\"");
    assert_eq!(error.hint().unwrap(), "'grantd link status -n east' shows the links there are");
    assert_eq!(error.exit(), Exit::Failure);
}

#[test]
fn without_links_there_is_a_note_and_no_table() {
    let shown = show_links(None, None, east(), Vec::new());
    assert_eq!((shown.printed.as_str(), shown.outcome.is_ok()), ("", true));
    assert_eq!(shown.noted, "There are no link resources in namespace \"east\"\n");
}

#[test]
fn documents_are_the_objects_as_they_came() {
    let list = show_links(None, Some(DocumentFormat::Json), east(), links()).printed;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list["kind"], &list["items"]), (&json!("LinkList"), &Value::from(links())));

    let one = show_links(Some("west"), Some(DocumentFormat::Json), east(), links()).printed;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap(), links()[0]);
}

#[test]
fn what_a_link_says_cannot_drive_a_terminal() {
    let hostile = || vec![link("west", "Ready", "\u{1b}[2J")];
    let table = show_links(None, None, east(), hostile()).printed;
    let lines = show_links(Some("west"), None, east(), hostile()).printed;
    assert!(!table.contains('\u{1b}') && !lines.contains('\u{1b}'));
}
