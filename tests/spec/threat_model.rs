//! The threat model promises only what a test holds.

use std::{fs, path::Path};

const DOCUMENT: &str = "docs/threat-model.md";

/// The rows of the tables below the heading `## Promises`: a promise, and the tests that it names.
fn promises(text: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let (_, section) = text.split_once("\n## Promises\n").expect("the promises");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let rows = rows.filter(|(promise, _)| *promise != "promise");
    rows.map(|(promise, held_by)| {
        let spans = held_by.split('`').skip(1).step_by(2);
        (promise, spans.filter_map(|span| span.split_once("::")).collect())
    })
    .collect()
}

/// Whether the text of a file has this function, and the function is a test that is run.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_its_head = |line: &&str| {
        let head = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        head.and_then(|head| head.strip_prefix(name)).is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let Some(at) = lines.iter().position(is_its_head) else { return false };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    let (is_test, is_ignored) = attributes.fold((false, false), |(test, ignored), line| {
        (test || line.contains("test"), ignored || line.contains("ignore"))
    });
    // The promises of a store become tests by a macro, which lists them.
    let is_promise = text.contains("on_every_store!(") && lines.contains(&&*format!("{name},"));
    (is_test || is_promise) && !is_ignored
}

#[test]
fn every_promise_of_the_threat_model_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(DOCUMENT)).unwrap();
    let promises = promises(&text);
    assert!(promises.len() >= 20, "the promises were not found");

    let mut faults = Vec::new();
    for (promise, tests) in promises {
        if tests.is_empty() {
            faults.push(format!("no test holds: {promise}"));
        }
        for (file, name) in tests {
            let places = [root.join(file), root.join("src").join(file)];
            let found = places.iter().find_map(|place| fs::read_to_string(place).ok());
            if !found.is_some_and(|text| has_test(&text, name)) {
                faults.push(format!("there is no test {file}::{name}, for: {promise}"));
            }
        }
    }

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_a_test_that_is_run_holds_a_promise() {
    let text = "fn helper() {}\n#[tokio::test(flavor = \"a\")]\nasync fn good() {}\n#[test]\n#[ignore]\nfn idle() {}\n";
    assert!(has_test(text, "good"));
    assert!(!has_test(text, "helper") && !has_test(text, "idle") && !has_test(text, "goo") && !has_test(text, "none"));
    let generated =
        "on_every_store!(\n    kept,\n);\nasync fn kept<B: Bench>(bench: B) {}\nasync fn other<B: Bench>(b: B) {}\n";
    assert!(has_test(generated, "kept") && !has_test(generated, "other"));
    let table = "x\n## Promises\n| promise | held by |\n|---|---|\n| a | `f.rs::t`, `g.rs::u` |\n| b | nothing |\n## Rest\n| c | d |\n";
    assert_eq!(promises(table), [("a", vec![("f.rs", "t"), ("g.rs", "u")]), ("b", vec![])]);
}
