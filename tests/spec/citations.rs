//! Comments and documents name only documents that are in the repository, sections that these have, links that lead
//! somewhere, and files and folders that exist.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// What a text says of a document: `docs/NAME.md section 1.2`, `docs/NAME.md sections 1.1 to 1.3`, or the name alone.
#[derive(Debug, PartialEq, Eq)]
struct Citation {
    document: String,
    sections: Vec<String>,
    /// A number follows without the word "section": it would not be checked.
    number_without_a_word: bool,
}

/// Marks that a line of a comment begins with. The longer ones come first.
const COMMENT_MARKS: &[&str] = &["//!", "///", "//", "--", "#"];

/// The text with its lines joined, so that what a comment says in two lines is in one.
fn joined(text: &str) -> String {
    let bare = |line: &str| {
        let line = line.trim();
        let mark = COMMENT_MARKS.iter().find_map(|mark| line.strip_prefix(mark));
        mark.unwrap_or(line).trim().to_owned()
    };
    text.lines().map(bare).collect::<Vec<_>>().join(" ")
}

fn citations(text: &str) -> Vec<Citation> {
    const ENDING: &str = ".md";
    let text = joined(text);
    let mut found = Vec::new();
    for (at, _) in text.match_indices(ENDING) {
        let rest = &text[at + ENDING.len()..];
        let is_of_a_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let start = text[..at].rfind(|c: char| !is_of_a_path(c)).map_or(0, |before| before + 1);
        // Without a stem it is an extension; with a slash at the start it is a path of some host, or a URL.
        if start == at || text[start..].starts_with('/') {
            continue;
        }
        let document = text[start..at + ENDING.len()].to_owned();
        let sections = sections_at(rest);
        let number_without_a_word = rest.strip_prefix(' ').is_some_and(|rest| number_at(rest).is_some());
        found.push(Citation { document, sections, number_without_a_word });
    }
    found
}

/// The numbers in ` section 1.2` or ` sections 1.1 to 1.3, 2 and 4`, at the start of `text`.
fn sections_at(text: &str) -> Vec<String> {
    if let Some(rest) = text.strip_prefix(" section ") {
        return number_at(rest).into_iter().collect();
    }
    let mut sections = Vec::new();
    let mut rest = text.strip_prefix(" sections ").unwrap_or_default();
    while let Some(number) = number_at(rest) {
        rest = &rest[number.len()..];
        sections.push(number);
        let next = [", ", " and ", " to "].into_iter().find_map(|between| rest.strip_prefix(between));
        rest = next.unwrap_or_default();
    }
    sections
}

/// The section number at the start of `text`: digits, and dots between them.
fn number_at(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].trim_end_matches('.');
    number.starts_with(|c: char| c.is_ascii_digit()).then(|| number.to_owned())
}

/// A markdown document, as far as others refer to it.
struct Document {
    sections: Vec<String>,
    anchors: Vec<String>,
    /// Targets of its links.
    links: Vec<String>,
    /// What it shows as code within a text.
    code_spans: Vec<String>,
}

impl Document {
    fn read(text: &str) -> Self {
        let (mut sections, mut headings, mut anchors) = (Vec::new(), Vec::new(), Vec::new());
        let mut prose = String::new();
        let mut in_code = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            } else if !in_code {
                prose.extend([line, "\n"]);
                if line.starts_with('#') {
                    let heading = line.trim_start_matches('#').trim();
                    sections.extend(number_at(heading));
                    let plain = anchor(heading);
                    // A heading that is repeated gets a number.
                    let before = headings.iter().filter(|other| **other == plain).count();
                    anchors.push(if before == 0 { plain.clone() } else { format!("{plain}-{before}") });
                    headings.push(plain);
                }
            }
        }
        let (mut links, mut code_spans) = (Vec::new(), Vec::new());
        for paragraph in prose.split("\n\n") {
            code_spans.extend(paragraph.split('`').skip(1).step_by(2).map(str::to_owned));
            let without_code_spans: String = paragraph.split('`').step_by(2).collect();
            let targets = without_code_spans.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            links.extend(targets.map(|(target, _)| target.to_owned()));
        }
        Self { sections, anchors, links, code_spans }
    }
}

/// As GitHub makes them: lower case, without punctuation, hyphens for blanks.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

/// The markdown documents of a tree, by their path from its root.
type Documents = HashMap<String, Document>;

/// Where `target` leads from a file at `path`; both are paths from the root, and so is what is returned.
fn resolve(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// What is wrong with the citations of the file at `path`.
fn faults_of_citations(path: &str, text: &str, documents: &Documents) -> Vec<String> {
    let mut faults = Vec::new();
    for Citation { document, sections, number_without_a_word } in citations(text) {
        let beside = resolve(path, &document).and_then(|path| documents.get(&path));
        let Some(cited) = documents.get(&document).or(beside) else {
            faults.push(format!("{path}: {document} is not in the repository"));
            continue;
        };
        if number_without_a_word {
            faults.push(format!("{path}: write \"section\" between {document} and the number"));
        }
        let missing = sections.iter().filter(|section| !cited.sections.contains(section));
        faults.extend(missing.map(|section| format!("{path}: {document} has no section {section}")));
    }
    faults
}

/// What is wrong with the links of the markdown document at `path`, where `exists` knows the files of the tree.
fn faults_of_links(path: &str, documents: &Documents, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for link in &documents[path].links {
        if link.contains("://") {
            continue;
        }
        let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
        let file = if target.is_empty() { Some(path.to_owned()) } else { resolve(path, target) };
        let Some(file) = file.filter(|file| exists(file)) else {
            faults.push(format!("{path}: the link {link} leads nowhere"));
            continue;
        };
        let has_anchor = |document: &Document| document.anchors.iter().any(|anchor| anchor == fragment);
        if !fragment.is_empty() && !documents.get(&file).is_some_and(has_anchor) {
            faults.push(format!("{path}: {file} has no heading #{fragment}"));
        }
    }
    faults
}

/// The file or folder of the repository that a code span names, if it names one: a path that ends in `.rs`, or one without
/// extensions whose first folder `is_ours`.
fn path_in(span: &str, is_ours: impl Fn(&str) -> bool) -> Option<&str> {
    let is_path = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let is_source = is_path && span.ends_with(".rs");
    let (first, rest) = span.split_once('/').unwrap_or_default();
    let is_folder = is_path && !first.is_empty() && !rest.contains('.') && is_ours(first);
    (is_source || is_folder).then_some(span)
}

/// What is wrong with the paths in the markdown document at `path`, where `exists` knows the files and folders of the
/// tree. Paths are below `src` or the root.
fn faults_of_paths(path: &str, documents: &Documents, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let is_there = |named: &str| exists(&format!("src/{named}")) || exists(named);
    let named = documents[path].code_spans.iter().filter_map(|span| path_in(span, is_there));
    named.filter(|named| !is_there(named)).map(|named| format!("{path}: there is no {named}")).collect()
}

/// All files of text of the repository with their paths from its root; neither what is built nor what is hidden, but for
/// the folder of the checks.
fn files(root: &Path) -> Vec<(String, String)> {
    const BUILT: &[&str] = &["target", "corpus", "artifacts", "coverage"];
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if BUILT.contains(&name) || (name.starts_with('.') && name != ".ci") || path.is_symlink() {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

fn documents<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Documents {
    let markdown = files.into_iter().filter(|(path, _)| path.ends_with(".md"));
    markdown.map(|(path, text)| (path.to_owned(), Document::read(text))).collect()
}

#[test]
fn every_citation_names_a_document_and_a_section_that_are_in_the_repository() {
    let files = files(Path::new(env!("CARGO_MANIFEST_DIR")));
    let documents = documents(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let found: usize = files.iter().map(|(_, text)| citations(text).len()).sum();
    assert!(found >= 50, "the citations were not found");

    // This file has wrong ones on purpose.
    let others = files.iter().filter(|(path, _)| path != file!());
    let faults: Vec<String> = others.flat_map(|(path, text)| faults_of_citations(path, text, &documents)).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files(root);
    let documents = documents(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let links: usize = documents.values().map(|document| document.links.len()).sum();
    assert!(links >= 10, "the links were not found");

    let faults: Vec<String> =
        documents.keys().flat_map(|path| faults_of_links(path, &documents, |file| root.join(file).exists())).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_path_in_a_document_leads_to_a_file_or_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files(root);
    // The changelog names what there was.
    let files = files.iter().filter(|(path, _)| path != "CHANGELOG.md");
    let documents = documents(files.map(|(path, text)| (path.as_str(), text.as_str())));
    let exists = |path: &str| root.join(path).exists();
    let is_ours = |name: &str| exists(&format!("src/{name}")) || exists(name);
    let paths = documents.values().flat_map(|document| &document.code_spans).filter_map(|span| path_in(span, is_ours));
    assert!(paths.count() >= 20, "the paths were not found");

    let faults: Vec<String> = documents.keys().flat_map(|path| faults_of_paths(path, &documents, exists)).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn guide() -> Documents {
    documents([("docs/guide.md", "# Guide\n\n## 1. One\n\n### 1.2 One, two\n\n```sh\n# 9. No heading\n```\n")])
}

#[test]
fn citations_that_are_right_are_no_fault() {
    for text in [
        "// See docs/guide.md.",
        "//! Of Go (docs/guide.md section 1.2).",
        "/// docs/guide.md sections 1 to 1.2, 1, and 1.2 more",
        "-- as in docs/guide.md\n-- section 1.2, rows 5 to 7",
        "Documentation=file:///usr/share/doc/other.md",
        "an extension: .md; another: a.mdx; https://example.com/other.md",
    ] {
        assert_eq!(faults_of_citations("src/lib.rs", text, &guide()), Vec::<String>::new(), "{text}");
    }
    assert_eq!(faults_of_citations("docs/a.md", "guide.md section 1", &guide()), Vec::<String>::new());
}

#[test]
fn wrong_citations_are_found() {
    let count = |text: &str| faults_of_citations("src/lib.rs", text, &guide()).len();
    assert_eq!(count("// docs/guide.md section 1.3"), 1, "no such section");
    assert_eq!(count("// docs/guide.md section 9"), 1, "a line of code is no heading");
    assert_eq!(count("// docs/guide.md\n    // section 1.3"), 1, "no such section, named in the next line");
    assert_eq!(count("// docs/guide.md sections 1 to 3 and 4"), 2, "two that there are not");
    assert_eq!(count("// (docs/guide.md 1.2)"), 1, "a number that would not be checked");
    assert_eq!(count("// guide.md section 1.2"), 1, "not the path from the root");
    assert_eq!(count("// (docs/other.md)"), 1, "no such document");
}

#[test]
fn wrong_links_are_found() {
    let count = |text: &str| {
        let documents = documents([("docs/a.md", text), ("README.md", "# Some title: x\n# Some title: x")]);
        faults_of_links("docs/a.md", &documents, |file| file == "README.md" || file == "docs/a.md").len()
    };
    assert_eq!(count("[a](../README.md#some-title-x-1) [b](#here) [c](https://example.com/x)\n# Here"), 0);
    assert_eq!(count("[a](../README.md#other)"), 1);
    assert_eq!(count("[a](README.md) [b](../../README.md) [c](#there)"), 3);
}

#[test]
fn wrong_paths_are_found() {
    let exists =
        |path: &str| ["src/http", "src/http/redeem.rs", "tests", "tests/spec", "fuzz", "fuzz/"].contains(&path);
    let faults = |text: &str| faults_of_paths("a.md", &documents([("a.md", text)]), exists);
    for right in [
        "`http/redeem.rs`, `src/http/redeem.rs`, `tests/spec` and `fuzz/`",
        "http/other.rs is no code, and neither is\n```sh\n`http/other.rs`\n```\n",
        "`http/1.1`, `runtime/issuers`, `GET http/other`, `/http/other` and `k8s.io/kubectl` are no paths of this tree",
    ] {
        assert_eq!(faults(right), Vec::<String>::new(), "{right}");
    }
    assert_eq!(faults("see `http/other.rs`"), ["a.md: there is no http/other.rs"]);
    assert_eq!(faults("`other.rs` | `tests/other` | `http/others`").len(), 3, "not below src or the root");
}
