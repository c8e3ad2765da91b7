//! Imports point down: between modules, between the sub-modules of the large ones, and never in a circle.

use std::sync::LazyLock;

use crate::{
    graph::{Imports, ModulePath, circular, imports},
    source::{production, without_tests},
    table::{MODULES, SUB_MODULES, SubModules, top_module},
};

/// The imports of the code that is compiled into the program. Read once: parsing takes seconds in a debug build.
static IMPORTS_OF_THE_PROGRAM: LazyLock<Imports> = LazyLock::new(|| {
    let files: Vec<(ModulePath, String)> =
        production().map(|source| (source.module, without_tests(&source.text))).collect();
    imports(&files)
});

/// Imports from a module to one that is not below it.
fn wrong_imports(imports: &Imports) -> Vec<String> {
    let level = |name: &str| MODULES.iter().find(|module| module.name == name).map(|module| module.level);
    let allowed = |from: &str, to: &str| from == to || level(to) < level(from) || (from, to) == ("link", "grant");
    faults(imports, |from, to| {
        let (from, to) = (top_module(from)?, top_module(to)?);
        (!allowed(from, to)).then(|| to.to_owned())
    })
}

/// Imports from a sub-module to one that is not below it, and sub-modules that are not in the table.
fn wrong_imports_inside(SubModules { module, order }: &SubModules, imports: &Imports) -> Vec<String> {
    let level = |name: &str| order.iter().position(|names| names.split(' ').any(|listed| listed == name));
    faults(imports, |from, to| {
        let ([top, from, ..], [top_of_target, to, ..]) = (from, to) else { return None };
        let inside = top == module && top_of_target == module;
        let allowed = from == to || level(to).is_some_and(|to| level(from).is_some_and(|from| to < from));
        (inside && !allowed).then(|| format!("{module}::{to}"))
    })
}

/// A line for each import in which `wrong` names something.
fn faults(imports: &Imports, wrong: impl Fn(&[String], &[String]) -> Option<String>) -> Vec<String> {
    let pairs = imports.iter().flat_map(|(from, targets)| targets.iter().map(move |to| (from, to)));
    let mut lines: Vec<String> = pairs
        .filter_map(|(from, to)| Some(format!("{} must not import {}", from.join("::"), wrong(from, to)?)))
        .collect();
    lines.dedup();
    lines
}

#[test]
fn imports_point_down() {
    let faults = wrong_imports(&IMPORTS_OF_THE_PROGRAM);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn sub_modules_import_those_below_them() {
    let faults: Vec<String> =
        SUB_MODULES.iter().flat_map(|table| wrong_imports_inside(table, &IMPORTS_OF_THE_PROGRAM)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_sub_module_has_its_place_in_the_order() {
    for SubModules { module, order } in SUB_MODULES {
        let found = IMPORTS_OF_THE_PROGRAM.keys().filter(|path| path.len() == 2 && path[0] == *module);
        let mut found: Vec<String> = found.map(|path| path[1].clone()).collect();
        let mut listed: Vec<&str> = order.iter().flat_map(|names| names.split(' ')).collect();
        found.sort();
        listed.sort_unstable();
        assert_eq!(found, listed, "{module}");
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circular = circular(&IMPORTS_OF_THE_PROGRAM);
    let lines = circular.iter().map(|(from, targets)| {
        let targets: Vec<String> = targets.iter().map(|target| target.join("::")).collect();
        format!("{} imports {}", from.join("::"), targets.join(", "))
    });
    assert!(circular.is_empty(), "in circles:\n{}", lines.collect::<Vec<_>>().join("\n"));
}

/// The imports of a crate with these modules, given as `(path, text)`.
fn imports_of(files: &[(&str, &str)]) -> Imports {
    let path = |path: &str| path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    imports(&files.iter().map(|(module, text)| (path(module), (*text).to_owned())).collect::<Vec<_>>())
}

#[test]
fn modules_see_what_is_below_them_and_nothing_else() {
    let text = "use crate::{app::App, grant::Grant, http::Limits, link::Site, time::Clock};";
    let wrong = |module| {
        let empty = ["app", "cli", "grant", "http", "kube", "link", "time"].map(|name| (name, ""));
        let others = empty.into_iter().filter(|(name, _)| *name != module);
        wrong_imports(&imports_of(&others.chain([(module, text)]).collect::<Vec<_>>()))
    };

    assert_eq!(wrong("cli"), [""; 0]);
    assert_eq!(wrong("kube"), ["kube must not import http"]);
    assert_eq!(wrong("link"), ["link must not import app", "link must not import http"]);
}

#[test]
fn sub_modules_see_what_is_below_them_and_nothing_else() {
    let table = SubModules { module: "m", order: &["low", "left right", "high"] };
    let imports = imports_of(&[
        ("m", "mod low; mod left; mod right; mod high; pub use self::high::deep::Deep;"),
        ("m::low", "fn f() -> super::left::Left { todo!() }"),
        ("m::left", "use super::{low::Low, right::Right};"),
        ("m::right", "use crate::m::Deep;"),
        ("m::high", "mod deep; fn f() { vec![super::left::Left]; }"),
        ("m::high::deep", "use super::super::low::Low;"),
    ]);

    let expected =
        ["m::left must not import m::right", "m::low must not import m::left", "m::right must not import m::high"];
    assert_eq!(wrong_imports_inside(&table, &imports), expected);
}

#[test]
fn circles_are_found_and_re_exports_and_tests_make_none() {
    let circle = |files: &[(&str, &str)]| -> Vec<String> {
        circular(&imports_of(files)).into_keys().map(|path| path.join("::")).collect()
    };

    let through_three = [("a", "use crate::b::B;"), ("b", "mod x { fn f() { super::c() } fn g(_: crate::c::C) {} }")];
    assert_eq!(circle(&[&through_three[..], &[("c", "use crate::a::A;")]].concat()), ["a", "b", "c"]);
    let by_a_re_export =
        [("m", "mod a; mod b; pub use a::A;"), ("m::a", "use super::b::B;"), ("m::b", "use super::A;")];
    assert_eq!(circle(&by_a_re_export), ["m::a", "m::b"]);
    let parent_and_child = [("m", "mod a; use self::a::A; pub struct M(A);"), ("m::a", "use super::M;")];
    assert_eq!(circle(&parent_and_child), ["m", "m::a"]);
    let none =
        [("m", "mod a; mod b; pub use a::A;"), ("m::a", "use super::b::B;"), ("m::b", "#[cfg(test)] use super::A;")];
    assert_eq!(circle(&none), [""; 0]);
}
