//! What makes Kubernetes' clients fail, one test each: the numbered findings of docs/kubernetes-api.md section 3, with
//! curl over the socket.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
};

use serde_json::{Value, json};

use crate::{
    kubectl::versions,
    server::{PATIENCE, Scratch, Server},
};

const GRANTS: &str = "/apis/skupper.io/v2alpha1/namespaces/default/accessgrants";
const GRANT: &str = "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata:\n  name: west\nspec: {}\n";
const TABLE: &str = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/// The annotation of the bookmark that ends a streamed list.
const END_OF_LIST: &str = "k8s.io/initial-events-end";

fn curl(server: &Server, path: &str) -> Command {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--no-buffer", "--globoff", "--max-time", "30", "--unix-socket"])
        .arg(server.data_dir.join("admin.sock"))
        .arg(format!("http://grantd{path}"))
        .stdin(Stdio::null());
    command
}

/// The status and the lines of an answer until the server ends it.
fn ask(server: &Server, path: &str, arguments: &[&str]) -> (u16, Vec<Value>) {
    let output = curl(server, path).args(["--write-out", "\n%{http_code}"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    let lines = body.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).expect(line));
    (status.parse().unwrap(), lines.collect())
}

fn list(server: &Server) -> Value {
    let (status, mut lines) = ask(server, GRANTS, &[]);
    assert_eq!(status, 200);
    lines.remove(0)
}

fn version(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.unwrap_or_else(|| panic!("without a resourceVersion: {object}")).parse().unwrap()
}

fn name(event: &Value) -> &str {
    event["object"]["metadata"]["name"].as_str().unwrap_or_default()
}

fn patch(server: &Server, grant: &str, patch: &Value) -> Value {
    let patch = patch.to_string();
    let merge = ["-X", "PATCH", "-H", "Content-Type: application/merge-patch+json", "--data", &patch];
    let (status, mut lines) = ask(server, &format!("{GRANTS}/{grant}"), &merge);
    assert_eq!(status, 200, "{lines:?}");
    lines.remove(0)
}

/// A watch that is being read.
struct Watch {
    curl: Child,
    events: Receiver<Value>,
}

impl Watch {
    fn start(server: &Server, query: &str, arguments: &[&str]) -> Self {
        let path = format!("{GRANTS}?watch=true{query}");
        let mut curl = curl(server, &path).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(curl.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { curl, events }
    }

    #[track_caller]
    fn next(&self) -> Value {
        self.events.recv_timeout(PATIENCE).expect("another event")
    }

    /// The type of the next event, and the name of its object.
    #[track_caller]
    fn next_of(&self) -> (String, String) {
        let event = self.next();
        (event["type"].as_str().unwrap_or_default().to_owned(), name(&event).to_owned())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

fn of(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

fn with_grants(names: &[&str]) -> Server {
    let server = Server::start();
    for name in names {
        server.ok(&["grant", "create", name]);
    }
    server
}

/// 6: otherwise a wait for one grant ends because of another.
#[test]
fn pitfall_6_a_watch_of_one_name_is_of_that_alone_and_other_fields_are_refused() {
    let server = with_grants(&["a", "b"]);
    let watch = Watch::start(&server, "&resourceVersion=0&fieldSelector=metadata.name%3Db", &[]);
    assert_eq!(watch.next_of(), of("ADDED", "b"));
    patch(&server, "a", &json!({"metadata": {"labels": {"side": "left"}}}));
    patch(&server, "b", &json!({"metadata": {"labels": {"side": "left"}}}));
    assert_eq!(watch.next_of(), of("MODIFIED", "b"));

    let (status, refusal) = ask(&server, &format!("{GRANTS}?watch=true&fieldSelector=spec.code%3Dx"), &[]);
    assert_eq!((status, &refusal[0]["reason"]), (400, &"BadRequest".into()));
}

/// 7: kubectl drops the first event of `get NAME -w`.
#[test]
fn pitfall_7_a_watch_from_version_0_or_none_begins_with_what_is_there() {
    let server = with_grants(&["a", "b"]);
    for query in ["&resourceVersion=0", "&resourceVersion=", ""] {
        let watch = Watch::start(&server, query, &[]);
        let mut first = [watch.next_of(), watch.next_of()];
        first.sort();
        assert_eq!(first, [of("ADDED", "a"), of("ADDED", "b")], "{query}");
        let changed = patch(&server, "a", &json!({"metadata": {"annotations": {"seen": query}}}));
        let event = watch.next();
        assert_eq!((&event["type"], &event["object"]), (&"MODIFIED".into(), &changed), "{query}");
    }
}

/// 8: otherwise `get -w` prints rows twice, and other clients never begin.
#[test]
fn pitfall_8_every_list_and_every_event_has_a_version_from_which_a_watch_goes_on() {
    let server = with_grants(&["a"]);
    let from = version(&list(&server));
    server.ok(&["grant", "create", "b"]);
    let created = server.grant_named("b");
    patch(&server, "a", &json!({"spec": {"redemptionsAllowed": 3}}));
    server.ok(&["grant", "delete", "b"]);

    let watch = Watch::start(&server, &format!("&resourceVersion={from}"), &[]);
    let events = [watch.next(), watch.next(), watch.next()];
    let kinds: Vec<_> = events.iter().map(|event| (event["type"].as_str().unwrap(), name(event))).collect();
    assert_eq!(kinds, [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]);
    let versions: Vec<u64> = events.iter().map(|event| version(&event["object"])).collect();
    assert!(from < versions[0] && versions.is_sorted_by(|a, b| a < b), "{from} {versions:?}");
    assert_eq!(events[2]["object"]["metadata"]["uid"], created["metadata"]["uid"], "the last state");

    let later = Watch::start(&server, &format!("&resourceVersion={}", versions[1]), &[]);
    assert_eq!(later.next(), events[2]);
    assert_eq!(version(&list(&server)), versions[2]);
}

/// 9 and 10: with a status of 410, or without an answer, clients wait for ever.
#[test]
fn pitfalls_9_and_10_a_version_of_the_future_ends_in_an_event_410_that_http_answers_with_200() {
    let server = with_grants(&["a"]);
    let future = version(&list(&server)) + 1000;

    let (status, events) = ask(&server, &format!("{GRANTS}?watch=true&resourceVersion={future}"), &[]);

    assert_eq!((status, events.len()), (200, 1), "{events:?}");
    let (kind, object) = (&events[0]["type"], &events[0]["object"]);
    assert_eq!((kind, &object["kind"], &object["code"]), (&"ERROR".into(), &"Status".into(), &410.into()));
    assert_eq!((&object["reason"], &object["status"]), (&"Expired".into(), &"Failure".into()));
    let (status, events) = ask(&server, &format!("{GRANTS}?watch=true&resourceVersion=soon"), &[]);
    assert!([400, 422].contains(&status), "{status} {events:?}");
}

/// 9 and 10: versions that were known only before a restart end in 410.
#[test]
fn pitfalls_9_and_10_versions_go_on_growing_after_a_crash_and_those_before_it_end_in_an_event_410() {
    let server = with_grants(&["a"]);
    let before = version(&list(&server));
    let server = server.kill_and_restart();
    assert!(version(&list(&server)) >= before);

    server.ok(&["grant", "create", "b"]);
    assert!(version(&list(&server)) > before);
    // One version before the newest of the crash: a change is missing for sure.
    let old = format!("{GRANTS}?watch=true&timeoutSeconds=2&resourceVersion={}", before - 1);
    let (status, events) = ask(&server, &old, &[]);
    assert_eq!((status, events.len()), (200, 1), "{events:?}");
    assert_eq!((&events[0]["type"], &events[0]["object"]["code"]), (&"ERROR".into(), &410.into()));
}

/// 11: client-go and kube-rs wait for the bookmark.
#[test]
fn pitfall_11_a_list_can_be_streamed_and_its_end_is_marked() {
    let server = with_grants(&["a", "b"]);
    let query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0&allowWatchBookmarks=true";
    let watch = Watch::start(&server, query, &[]);

    let mut first = [watch.next_of(), watch.next_of()];
    first.sort();
    assert_eq!(first, [of("ADDED", "a"), of("ADDED", "b")]);
    let end = watch.next();
    assert_eq!((&end["type"], &end["object"]["kind"]), (&"BOOKMARK".into(), &"AccessGrant".into()));
    assert_eq!(end["object"]["apiVersion"], "skupper.io/v2alpha1");
    assert_eq!(end["object"]["metadata"]["annotations"][END_OF_LIST], "true");
    assert_eq!(version(&end["object"]), version(&list(&server)));
    server.ok(&["grant", "create", "c"]);
    assert_eq!(watch.next_of(), of("ADDED", "c"));
}

#[test]
fn a_streamed_list_of_nothing_is_at_its_end_at_once() {
    let server = Server::start();
    let query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let end = Watch::start(&server, query, &[]).next();
    assert_eq!(end["object"]["metadata"]["annotations"][END_OF_LIST], "true", "{end}");
}

/// 4.4: no bookmark unless the client asks for it; the watch ends after the time that the client gives.
#[test]
fn a_watch_ends_when_it_was_asked_to_and_brings_no_bookmark_unasked() {
    let server = with_grants(&["a"]);
    let (status, events) = ask(&server, &format!("{GRANTS}?watch=true&timeoutSeconds=2&resourceVersion=0"), &[]);
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!((status, kinds), (200, vec!["ADDED"]));

    let query = "watch=true&timeoutSeconds=2&resourceVersion=0&allowWatchBookmarks=true";
    let (_, events) = ask(&server, &format!("{GRANTS}?{query}"), &[]);
    for bookmark in events.iter().filter(|event| event["type"] == "BOOKMARK") {
        version(&bookmark["object"]);
        assert!(bookmark["object"]["metadata"]["annotations"][END_OF_LIST].is_null(), "it ends no list: {bookmark}");
    }
}

/// 5: kubectl throws away a table whose rows hold objects without a kind.
#[test]
fn pitfall_5_a_watch_for_people_is_a_table_of_one_row_an_event() {
    let server = with_grants(&["a"]);
    let watch = Watch::start(&server, "&resourceVersion=0", &["-H", TABLE]);
    let check = |event: &Value, kind: &str, allowed: u64| {
        let (table, rows) = (&event["object"], event["object"]["rows"].as_array().unwrap());
        assert_eq!((&event["type"], &table["kind"], rows.len()), (&kind.into(), &"Table".into(), 1), "{event}");
        assert_eq!(table["apiVersion"], "meta.k8s.io/v1");
        assert_eq!((&rows[0]["cells"][0], &rows[0]["cells"][1]), (&"a".into(), &allowed.into()));
        assert_eq!(rows[0]["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(rows[0]["object"]["metadata"]["namespace"], "default");
        version(if table["metadata"]["resourceVersion"].is_null() { &rows[0]["object"] } else { table });
    };
    check(&watch.next(), "ADDED", 1);
    patch(&server, "a", &json!({"spec": {"redemptionsAllowed": 3}}));
    check(&watch.next(), "MODIFIED", 3);
    server.ok(&["grant", "delete", "a"]);
    check(&watch.next(), "DELETED", 3);
}

#[test]
fn an_object_that_is_selected_no_more_is_deleted_for_that_watch() {
    let server = with_grants(&["a", "b"]);
    patch(&server, "a", &json!({"metadata": {"labels": {"side": "left"}}}));
    let watch = Watch::start(&server, "&resourceVersion=0&labelSelector=side%3Dleft", &[]);
    assert_eq!(watch.next_of(), of("ADDED", "a"));
    patch(&server, "b", &json!({"metadata": {"labels": {"side": "left"}}}));
    assert_eq!(watch.next_of(), of("ADDED", "b"));
    patch(&server, "a", &json!({"metadata": {"labels": {"side": "right"}}}));
    assert_eq!(watch.next_of(), of("DELETED", "a"));
    server.ok(&["grant", "delete", "a"]);
    server.ok(&["grant", "delete", "b"]);
    assert_eq!(watch.next_of(), of("DELETED", "b"));
}

/// 12: `kubectl wait` ignores a condition of another generation.
#[test]
fn pitfall_12_conditions_are_always_of_the_generation_beside_them() {
    let server = with_grants(&["a"]);
    for allowed in [3, 4] {
        let grant = patch(&server, "a", &json!({"spec": {"redemptionsAllowed": allowed}}));
        for condition in grant["status"]["conditions"].as_array().unwrap() {
            let observed = &condition["observedGeneration"];
            assert!(observed.is_null() || *observed == grant["metadata"]["generation"], "{grant}");
        }
    }
}

/// 14: otherwise controllers that write what they see never come to rest.
#[test]
fn pitfall_14_a_write_that_changes_nothing_is_no_event() {
    let server = with_grants(&["a"]);
    let from = version(&list(&server));
    let watch = Watch::start(&server, &format!("&resourceVersion={from}"), &[]);
    let label = json!({"metadata": {"labels": {"side": "left"}}});
    patch(&server, "a", &label);
    assert_eq!(watch.next_of(), of("MODIFIED", "a"));
    patch(&server, "a", &label);
    server.ok(&["grant", "create", "b"]);
    assert_eq!(watch.next_of(), of("ADDED", "b"));
}

/// 15: kubectl asks five times for the documents that strangers do not get, and its last line says what is missing.
#[test]
fn pitfall_15_a_user_without_credentials_is_told_to_log_in() {
    let server = Server::start_with(&["--admin-listen", "127.0.0.1:0"]);
    let home = Scratch::new();
    let config: String = server
        .ok(&["kubeconfig"])
        .lines()
        .filter(|line| !line.contains("client-key-data"))
        .map(|line| match line.split_once("client-certificate-data:") {
            Some((indent, _)) => format!("{indent}token: made-up\n"),
            None => format!("{line}\n"),
        })
        .collect();
    std::fs::write(home.file("config"), config).unwrap();
    std::fs::write(home.file("grant.yaml"), GRANT).unwrap();
    for binary in versions() {
        for arguments in [&["get", "accessgrants"][..], &["apply", "-f", "grant.yaml"]] {
            let output = Command::new(&binary)
                .args(arguments)
                .current_dir(home.path())
                .env_clear()
                .env("HOME", home.path())
                .env("KUBECONFIG", home.file("config"))
                .env("KUBECACHEDIR", home.file("cache"))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let last = said.lines().last().unwrap_or_default();
            let told = last.contains("the server has asked for the client to provide credentials");
            assert!(!output.status.success() && output.stdout.is_empty() && told, "{said}");
        }
    }
}

/// 22: `kubectl create --raw` sends the file as it is, without saying that it is YAML.
#[test]
fn pitfall_22_yaml_that_does_not_say_so_is_refused_and_not_guessed_at() {
    let server = Server::start();
    let (status, refusal) = ask(&server, GRANTS, &["-H", "Content-Type:", "--data-binary", GRANT]);
    assert_eq!((status, &refusal[0]["reason"]), (400, &"BadRequest".into()), "{refusal:?}");
    assert!(list(&server)["items"].as_array().unwrap().is_empty());
}

/// 27: the annotation last-applied-configuration has the codes and keys of what was applied.
#[test]
fn pitfall_27_rows_for_people_carry_no_annotations_and_no_secrets() {
    let server = with_grants(&["a"]);
    let code = server.grant_named("a")["status"]["code"].as_str().unwrap().to_owned();
    patch(&server, "a", &json!({"metadata": {"annotations": {"applied": code}}}));
    let (_, tables) = ask(&server, GRANTS, &["-H", TABLE]);
    let watch = Watch::start(&server, "&resourceVersion=0", &["-H", TABLE]);
    for table in [&tables[0], &watch.next()["object"]] {
        assert_eq!(table["rows"].as_array().unwrap().len(), 1);
        assert!(!table.to_string().contains(&code), "{table}");
    }
}

/// A watch is of one type, in one namespace or in all.
#[test]
fn a_watch_of_all_namespaces_is_of_all_and_a_watch_on_a_name_is_refused() {
    let server = with_grants(&["a"]);
    server.ok(&["grant", "create", "a", "-n", "other"]);
    let all = "/apis/skupper.io/v2alpha1/accessgrants?watch=true&resourceVersion=0&timeoutSeconds=2";
    let (_, events) = ask(&server, all, &[]);
    let mut namespaces: Vec<_> = events.iter().map(|event| &event["object"]["metadata"]["namespace"]).collect();
    namespaces.sort_by_key(ToString::to_string);
    assert_eq!(namespaces, ["default", "other"]);

    let (status, _) = ask(&server, &format!("{GRANTS}/a?watch=true"), &[]);
    assert!([400, 405].contains(&status), "{status}");
}
