//! The layers of the program, held by tests: what each module may import, which crates it may use, how long a file may be,
//! and which names say nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod graph;
mod layers;
mod source;
mod table;

use std::{collections::BTreeSet, fs, path::PathBuf};

use source::{Source, production, production_code, root, rust_files, sources};
use table::{
    EVERYWHERE, FORBIDDEN_NAMES, LONGEST_FILE, LOOKS_LIKE_A_CRATE, MODULES, Module, TEST_CRATES, module_named,
    top_module,
};

/// Every file of a module that is compiled into the program, with its module.
fn files_of_modules() -> impl Iterator<Item = (&'static Module, Source)> {
    production().filter_map(|source| Some((module_named(top_module(&source.module)?), source)))
}

/// The crates of `[dependencies]`, as code names them.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter_map(|line| line.split_once(" = ").map(|(name, _)| name.replace('-', "_")));
    // The crate `time` and the module `time` look alike from outside; `clippy.toml` guards what matters of it.
    names.filter(|name| name != "time").collect()
}

/// The first names of paths in `code`: `sqlx` in `sqlx::Error`.
fn path_starts(code: &str) -> BTreeSet<String> {
    let starts = code.match_indices("::").filter_map(|(at, _)| {
        let before = &code[..at];
        let length = before.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').count();
        let (head, name) = before.split_at(before.len() - length);
        (!head.ends_with("::")).then(|| name.to_owned())
    });
    starts.collect()
}

/// Crates among `dependencies` that the code of a module uses and must not.
fn wrong_crates(module: &Module, code: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let (inner, crate_of_it) = LOOKS_LIKE_A_CRATE;
    let allowed = |name: &&String| {
        EVERYWHERE.contains(&name.as_str())
            || module.crates.split(' ').any(|allowed| allowed == *name)
            || (*name == inner && code.contains(crate_of_it))
    };
    path_starts(code).intersection(dependencies).filter(|name| !allowed(name)).cloned().collect()
}

#[test]
fn each_crate_stays_in_its_modules() {
    let dependencies = dependencies();
    let mut faults = Vec::new();
    for (module, source) in files_of_modules() {
        let wrong = wrong_crates(module, &production_code(&source.text), &dependencies);
        faults.extend(wrong.iter().map(|name| format!("{}: must not use {name}", source.path.display())));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_is_on_the_map() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (module, _) in files_of_modules() {
        let row = format!("//! | {} | [`{}`]", module.level, module.name);
        assert!(map.replace("mod@", "").contains(&row), "lib.rs does not describe {}", module.name);
    }
    for module in MODULES {
        assert!(files_of_modules().any(|(found, _)| found.name == module.name), "{} does not exist", module.name);
    }
}

#[test]
fn files_are_short_and_named_for_what_they_hold() {
    for directory in ["src", "tests", "benches", "fuzz/fuzz_targets"] {
        for file in rust_files(&root().join(directory)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= LONGEST_FILE, "{}: {lines} lines, at most {LONGEST_FILE}", file.display());
            for part in file.strip_prefix(root()).unwrap().iter() {
                let name = part.to_str().unwrap().trim_end_matches(".rs");
                assert!(!FORBIDDEN_NAMES.contains(&name), "{}: '{name}' names nothing", file.display());
            }
        }
    }
}

#[test]
fn crates_of_tests_stay_in_tests() {
    for (_, source) in files_of_modules() {
        let code = production_code(&source.text);
        for name in TEST_CRATES {
            assert!(!code.contains(&format!("{name}::")), "{}: {name} outside tests", source.path.display());
        }
    }
}

#[test]
fn no_file_is_overlooked() {
    let found: BTreeSet<PathBuf> = sources().into_iter().map(|source| source.path).collect();
    let mut present: BTreeSet<PathBuf> = rust_files(&root().join("src")).into_iter().collect();
    assert!(present.remove(&root().join("src/main.rs")));
    assert_eq!(found, present);
}

#[test]
fn a_wrong_crate_is_seen_in_every_file_before_and_after_its_tests() {
    let violation = "use clap_mangen::Man;\n";
    let dependencies = BTreeSet::from(["clap_mangen".to_owned()]);
    for (module, Source { path, text, .. }) in files_of_modules() {
        for with_violation in [format!("{violation}{text}"), format!("{text}{violation}")] {
            let code = production_code(&with_violation);
            assert_eq!(wrong_crates(module, &code, &dependencies), ["clap_mangen"], "{}", path.display());
        }
    }
}
