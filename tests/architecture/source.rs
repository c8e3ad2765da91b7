//! The files of the library, found as the compiler finds them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::graph::ModulePath;

/// Every Rust file below `directory`.
pub(crate) fn rust_files(directory: &Path) -> Vec<PathBuf> {
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

/// The folder of `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the library.
pub(crate) struct Source {
    pub(crate) module: ModulePath,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) compiled: Compiled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compiled {
    Always,
    ForTests,
}

/// Every file of the library, found as the compiler finds them: from `lib.rs`, declaration by declaration. So nothing
/// counts as a test that the compiler does not leave out.
pub(crate) fn sources() -> Vec<Source> {
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
    sources.push(Source { module: module_path(&path), path, text, compiled });
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
            // What the specification's tests share with the library's is no part of the library.
            && !above.starts_with(r#"#[path = "../../../tests/spec/"#)
        {
            found.push((name, if above == "#[cfg(test)]" { Compiled::ForTests } else { Compiled::Always }));
        }
        above = line;
    }
    found
}

/// The text of a file without its `mod tests`, which ends with the next brace at the margin.
pub(crate) fn without_tests(text: &str) -> String {
    match text.split_once("\n#[cfg(test)]\nmod tests {\n") {
        Some((before, tests)) => format!("{before}\n{}", tests.split_once("\n}\n").unwrap().1),
        None => text.to_owned(),
    }
}

/// The text of a file without lines of comments and without its `mod tests`.
pub(crate) fn production_code(text: &str) -> String {
    without_tests(text).lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n")
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The files that are compiled into the program, not only for its tests.
pub(crate) fn production() -> impl Iterator<Item = Source> {
    sources().into_iter().filter(|source| source.compiled == Compiled::Always)
}

/// Of `src/store/sql/mod.rs` and of `src/store/sql.rs`: `["store", "sql"]`.
fn module_path(file: &Path) -> ModulePath {
    let inside = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let names = inside.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod" && name != "lib").collect()
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
