//! The layers of the house, held by a test: who may import whom, how long a file may be, and which names are no names.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

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
    Room { name: "app", level: 3, crates: "base64 getrandom serde_json tokio tracing uuid" },
    Room { name: "net", level: 3, crates: "rustix rustls tokio tokio_rustls tracing" },
    Room { name: "http", level: 4, crates: "http_body_util hyper hyper_util rustls tokio tokio_rustls tower tracing" },
    Room {
        name: "kube",
        level: 4,
        crates: "base64 http_body_util hyper hyper_util json_patch rustls rustls_pki_types serde serde_json tokio \
                 tokio_rustls tower tracing uuid",
    },
    Room {
        name: "client",
        level: 4,
        crates: "http_body_util hyper hyper_util rustls rustls_pki_types serde serde_json tokio tokio_rustls x509_parser",
    },
    Room {
        name: "cli",
        level: 5,
        crates: "base64 clap clap_complete if_addrs rustix sd_notify serde serde_json serde_saphyr tokio tracing \
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

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the library.
struct Source {
    path: PathBuf,
    text: String,
    compiled: Compiled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compiled {
    Always,
    ForTests,
}

/// Every file of the library, found as the compiler finds them: from `lib.rs`, declaration by declaration. So nothing
/// counts as a test that the compiler does not leave out.
fn sources() -> Vec<Source> {
    with_submodules(root().join("src/lib.rs"), Compiled::Always)
}

fn with_submodules(path: PathBuf, compiled: Compiled) -> Vec<Source> {
    let text = fs::read_to_string(&path).unwrap();
    let directory = match path.file_stem().unwrap().to_str().unwrap() {
        "lib" | "mod" => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    let mut sources = Vec::new();
    for (name, declared) in submodules(&text) {
        let places = [directory.join(format!("{name}.rs")), directory.join(name).join("mod.rs")];
        let place = places.into_iter().find(|place| place.exists());
        let place = place.unwrap_or_else(|| panic!("{}: where is module {name}?", path.display()));
        sources.extend(with_submodules(place, if compiled == Compiled::ForTests { compiled } else { declared }));
    }
    sources.push(Source { path, text, compiled });
    sources
}

/// The modules that `text` declares to be in files of their own.
fn submodules(text: &str) -> Vec<(&str, Compiled)> {
    let mut found = Vec::new();
    let mut above = "";
    for line in text.lines() {
        let words: Vec<&str> = line.strip_suffix(';').unwrap_or_default().split(' ').collect();
        if let [.., "mod", name] = words[..]
            && !is_comment(line)
        {
            found.push((name, if above == "#[cfg(test)]" { Compiled::ForTests } else { Compiled::Always }));
        }
        above = line;
    }
    found
}

/// The text of a file without lines of comments and without its `mod tests`, which ends with the next brace at the margin.
fn production_code(text: &str) -> String {
    let (before, after) = match text.split_once("\n#[cfg(test)]\nmod tests {\n") {
        Some((before, tests)) => (before, tests.split_once("\n}\n").unwrap().1),
        None => (text, ""),
    };
    before.lines().chain(after.lines()).filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n")
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The first name below `src`: of `src/store/sqlite.rs`, `store`.
fn top(path: &Path) -> &str {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs")
}

/// The code of every room, file by file.
fn house() -> impl Iterator<Item = (&'static Room, Source)> {
    let production = sources().into_iter().filter(|source| source.compiled == Compiled::Always);
    production.filter(|source| top(&source.path) != "lib").map(|source| {
        let name = top(&source.path);
        let room = HOUSE.iter().find(|room| room.name == name);
        (room.unwrap_or_else(|| panic!("{}: in no room of the table", source.path.display())), source)
    })
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
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
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

/// Imports of the code of a room that do not point down.
fn wrong_imports(room: &Room, code: &str) -> Vec<String> {
    let allowed = |name: &String| {
        let Some(target) = HOUSE.iter().find(|target| target.name == *name) else { return false };
        let neighbour = room.name == "link" && target.name == "grant";
        target.name == room.name || target.level < room.level || neighbour
    };
    rooms_imported(code).into_iter().filter(|name| !allowed(name)).collect()
}

/// Crates among `dependencies` that the code of a room uses and must not.
fn wrong_crates(room: &Room, code: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let (module, crate_of_it) = LOOKS_LIKE_A_CRATE;
    let allowed = |name: &&String| {
        EVERYWHERE.contains(&name.as_str())
            || room.crates.split(' ').any(|allowed| allowed == *name)
            || (*name == module && code.contains(crate_of_it))
    };
    path_starts(code).intersection(dependencies).filter(|name| !allowed(name)).cloned().collect()
}

#[test]
fn imports_point_down() {
    let mut faults = Vec::new();
    for (room, source) in house() {
        let wrong = wrong_imports(room, &production_code(&source.text));
        faults.extend(wrong.iter().map(|name| format!("{}: must not import {name}", source.path.display())));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_crate_stays_in_its_rooms() {
    let dependencies = dependencies();
    let mut faults = Vec::new();
    for (room, source) in house() {
        let wrong = wrong_crates(room, &production_code(&source.text), &dependencies);
        faults.extend(wrong.iter().map(|name| format!("{}: must not use {name}", source.path.display())));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_room_is_on_the_map() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (room, _) in house() {
        let row = format!("//! | {} | [`{}`]", room.level, room.name);
        assert!(map.replace("mod@", "").contains(&row), "lib.rs does not tell of {}", room.name);
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
    for (_, source) in house() {
        let code = production_code(&source.text);
        for name in TEST_CRATES {
            assert!(!code.contains(&format!("{name}::")), "{}: {name} outside tests", source.path.display());
        }
    }
}

#[test]
fn no_file_is_overlooked() {
    let found: BTreeSet<PathBuf> = sources().into_iter().map(|source| source.path).collect();
    let mut there: BTreeSet<PathBuf> = rust_files(&root().join("src")).into_iter().collect();
    assert!(there.remove(&root().join("src/main.rs")));
    assert_eq!(found, there);
}

#[test]
fn a_violation_is_seen_in_every_file_before_and_after_its_tests() {
    let violation = "use crate::nowhere::Thing;\nuse clap_mangen::Man;\n";
    let dependencies = BTreeSet::from(["clap_mangen".to_owned()]);
    for (room, Source { path, text, .. }) in house() {
        for with_violation in [format!("{violation}{text}"), format!("{text}{violation}")] {
            let code = production_code(&with_violation);
            assert_eq!(wrong_imports(room, &code), ["nowhere"], "{}", path.display());
            assert_eq!(wrong_crates(room, &code, &dependencies), ["clap_mangen"], "{}", path.display());
        }
    }
}

#[test]
fn rooms_see_what_is_below_them_and_nothing_else() {
    let room = |name: &str| HOUSE.iter().find(|room| room.name == name).unwrap();
    let code = "use crate::{app::App, grant::Grant, http::Limits, link::Site, time::Clock};";
    assert_eq!(wrong_imports(room("kube"), code), ["http"]);
    assert_eq!(wrong_imports(room("app"), code), ["http"]);
    assert_eq!(wrong_imports(room("link"), code), ["app", "http"]);
    assert_eq!(wrong_imports(room("grant"), code), ["app", "http", "link"]);
}

#[test]
fn only_a_module_declared_for_tests_is_one() {
    let text =
        "mod a;\n#[cfg(test)]\npub(crate) mod b;\npub mod c;\n#[cfg(fuzzing)]\npub mod d;\n// mod e;\nmod f {\n}\n";
    let declared = submodules(text);
    let of = |wanted| declared.iter().filter(|(_, compiled)| *compiled == wanted).map(|(name, _)| *name).collect();
    let (always, for_tests): (Vec<&str>, Vec<&str>) = (of(Compiled::Always), of(Compiled::ForTests));
    assert_eq!((&*always, &*for_tests), (&["a", "c", "d"][..], &["b"][..]));
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let code =
        "use crate::{grant::{Code, GrantId}, time::Timestamp};\nfn f() -> crate::store::Receipt { my_crate::x() }";
    let seen: Vec<String> = rooms_imported(code).into_iter().collect();
    assert_eq!(seen, ["grant", "store", "time"]);
}
