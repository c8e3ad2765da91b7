//! The layers of the house, held by a test: who may import whom, how long a file may be, and which names are no names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A room, its level, and the crates that only it (and rooms that name them too) may use.
struct Room {
    name: &'static str,
    level: u8,
    /// Names, separated by blanks.
    crates: &'static str,
}

/// Imports point down. `link` may also use `grant`, which is on its own level.
const HOUSE: &[Room] = &[
    Room { name: "time", level: 0, crates: "" },
    Room { name: "file", level: 0, crates: "uuid" },
    Room { name: "grant", level: 1, crates: "subtle uuid" },
    Room { name: "link", level: 1, crates: "base64 serde serde_json serde_saphyr" },
    Room { name: "pki", level: 2, crates: "aws_lc_rs base64 rcgen rustls_pki_types x509_parser" },
    Room { name: "store", level: 2, crates: "aws_lc_rs base64 getrandom serde serde_json sqlx tokio tracing uuid" },
    Room { name: "metrics", level: 2, crates: "prometheus" },
    Room { name: "app", level: 3, crates: "getrandom tokio tracing" },
    Room {
        name: "http",
        level: 4,
        crates: "http_body_util hyper hyper_util rustix rustls rustls_pki_types tokio tokio_rustls tower tracing",
    },
    Room {
        name: "kube",
        level: 4,
        crates: "base64 http_body_util hyper hyper_util serde serde_json tokio tower tracing uuid",
    },
    Room {
        name: "client",
        level: 4,
        crates: "http_body_util hyper hyper_util rustls rustls_pki_types serde serde_json tokio tokio_rustls x509_parser",
    },
    Room {
        name: "cli",
        level: 5,
        crates: "clap clap_complete if_addrs rustix sd_notify serde serde_json serde_saphyr tokio tracing \
                 tracing_subscriber uuid",
    },
];

/// Crates that every room may use.
const EVERYWHERE: &[&str] = &["thiserror", "zeroize"];
/// Inside `rustls::crypto` there is a module of this name; the crate itself is for `pki` and `store`.
const LOOKS_LIKE_A_CRATE: (&str, &str) = ("aws_lc_rs", "rustls::");
const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];
const LONGEST_FILE: usize = 400;
/// Crates of tests, which test files anywhere may use besides the rooms' own.
const TEST_CRATES: &[&str] = &["proptest"];

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// `src/store/sqlite.rs` is of the room `store`; `lib.rs` and `main.rs` are of none.
fn room_of(file: &Path) -> Option<&'static Room> {
    let inside = file.strip_prefix(source()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    HOUSE.iter().find(|room| room.name == first.trim_end_matches(".rs"))
}

/// The text without comments' lines and without what tests alone compile.
fn production_code(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Modules declared under `#[cfg(test)]` in their parent; their files are tests, not house.
fn is_test_file(file: &Path) -> bool {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let parent = file.parent().unwrap();
    let declares = |text: &str| {
        text.contains(&format!("#[cfg(test)]\nmod {name};"))
            || text.contains(&format!("#[cfg(test)]\npub(crate) mod {name};"))
    };
    let own_directory = parent.file_name().unwrap().to_str().unwrap();
    let declared_above =
        ["mod.rs", "lib.rs"].iter().any(|index| fs::read_to_string(parent.join(index)).is_ok_and(|t| declares(&t)))
            || fs::read_to_string(parent.with_extension("rs")).is_ok_and(|t| declares(&t));
    declared_above || (parent != source() && own_directory != "src" && is_test_directory(parent))
}

fn is_test_directory(directory: &Path) -> bool {
    directory != source() && directory.starts_with(source()) && is_test_file(&directory.with_extension("rs"))
}

/// Names that follow `crate::` in `code`, also inside `use crate::{a, b::c}`.
fn rooms_imported(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `some_crate::` are not the crate's root.
        if code[..at].ends_with(|c: char| c == '_' || c == '$' || c.is_alphanumeric()) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => {
                rooms.insert(identifier(rest));
            }
            Some(group) => rooms.extend(first_names_of_group(group)),
        }
    }
    rooms
}

fn first_names_of_group(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut names = Vec::new();
    let mut at_start = true;
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => at_start = true,
            c if at_start && (c.is_alphabetic() || c == '_') => {
                names.push(identifier(&group[index..]));
                at_start = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The crates of `[dependencies]`, as code names them.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter_map(|line| line.split_once(" = ").map(|(name, _)| name.replace('-', "_")));
    // The crate `time` and the room `time` look alike from outside; `clippy.toml` guards what matters of it.
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

#[test]
fn imports_point_down() {
    let mut faults = Vec::new();
    for file in rust_files(&source()) {
        let Some(room) = room_of(&file) else { continue };
        if is_test_file(&file) {
            continue;
        }
        for imported in rooms_imported(&production_code(&fs::read_to_string(&file).unwrap())) {
            let Some(target) = HOUSE.iter().find(|r| r.name == imported) else {
                faults.push(format!("{}: crate::{imported} is no room", file.display()));
                continue;
            };
            let neighbour = room.name == "link" && target.name == "grant";
            if target.name != room.name && target.level >= room.level && !neighbour {
                faults.push(format!("{}: {} must not import {}", file.display(), room.name, target.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_crate_stays_in_its_rooms() {
    let dependencies = dependencies();
    let mut faults = Vec::new();
    for file in rust_files(&source()) {
        let Some(room) = room_of(&file) else { continue };
        if is_test_file(&file) {
            continue;
        }
        let code = production_code(&fs::read_to_string(&file).unwrap());
        let (module, crate_of_it) = LOOKS_LIKE_A_CRATE;
        let foreign = path_starts(&code).intersection(&dependencies).cloned().collect::<Vec<_>>();
        for name in foreign {
            if name == module && code.contains(crate_of_it) {
                continue;
            }
            if !EVERYWHERE.contains(&name.as_str()) && !room.crates.split(' ').any(|allowed| allowed == name) {
                faults.push(format!("{}: {} must not use {name}", file.display(), room.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_room_is_on_the_map() {
    let map = fs::read_to_string(source().join("lib.rs")).unwrap();
    for file in rust_files(&source()) {
        let top = file.strip_prefix(source()).unwrap().components().next().unwrap().as_os_str().to_str().unwrap();
        if top == "lib.rs" || top == "main.rs" {
            continue;
        }
        let room = room_of(&file).unwrap_or_else(|| panic!("{}: in no room of the table", file.display()));
        let row = format!("//! | {} | [`{}`]", room.level, room.name);
        assert!(map.replace("mod@", "").contains(&row), "lib.rs does not tell of {}", room.name);
    }
}

#[test]
fn files_are_short_and_named_for_what_they_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for directory in ["src", "tests", "benches", "fuzz/fuzz_targets"] {
        if !root.join(directory).exists() {
            continue;
        }
        for file in rust_files(&root.join(directory)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= LONGEST_FILE, "{}: {lines} lines, at most {LONGEST_FILE}", file.display());
            for part in file.strip_prefix(root).unwrap().iter() {
                let name = part.to_str().unwrap().trim_end_matches(".rs");
                assert!(!FORBIDDEN_NAMES.contains(&name), "{}: '{name}' names nothing", file.display());
            }
        }
    }
}

#[test]
fn crates_of_tests_stay_in_tests() {
    for file in rust_files(&source()) {
        if is_test_file(&file) {
            continue;
        }
        let code = production_code(&fs::read_to_string(&file).unwrap());
        for name in TEST_CRATES {
            assert!(!code.contains(&format!("{name}::")), "{}: {name} outside tests", file.display());
        }
    }
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let code =
        "use crate::{grant::{Code, GrantId}, time::Timestamp};\nfn f() -> crate::store::Receipt { my_crate::x() }";
    let seen: Vec<String> = rooms_imported(code).into_iter().collect();
    assert_eq!(seen, ["grant", "store", "time"]);
}
