//! Which file of the library imports which, read from the syntax tree: `use` declarations and paths, followed through
//! re-exports to the file that defines the name.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, File, Item, ItemFn, ItemImpl, ItemMod, ItemUse, Macro, Path, UseTree,
    visit::{self, Visit},
};

/// A module's path below the crate's root: `["store", "sql"]`.
pub(crate) type ModulePath = Vec<String>;
/// Which module imports from which, each with a file of its own. Re-exports import nothing.
pub(crate) type Imports = BTreeMap<ModulePath, BTreeSet<ModulePath>>;

/// Longer chains of re-exports than this are taken for a circle of re-exports.
const LONGEST_CHAIN: usize = 16;

/// The modules of a crate and the names that each imports.
struct Crate {
    /// For each module, the names that its `use` declarations bring in, and what they mean.
    aliases: BTreeMap<ModulePath, BTreeMap<String, ModulePath>>,
}

/// The imports between the modules of `files`, without code that is compiled for tests only.
pub(crate) fn imports(files: &[(ModulePath, String)]) -> Imports {
    let parsed: Vec<(&ModulePath, File)> = files
        .iter()
        .map(|(module, text)| {
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", module.join("::")));
            (module, file)
        })
        .collect();
    let mut known = Crate { aliases: files.iter().map(|(module, _)| (module.clone(), BTreeMap::new())).collect() };
    let readers: Vec<Reader<'_>> = parsed
        .iter()
        .map(|(module, file)| {
            let mut reader = Reader { module, names: Vec::new(), paths: Vec::new() };
            reader.visit_file(file);
            reader
        })
        .collect();
    for reader in &readers {
        for name in &reader.names {
            let target = known.absolute(reader.module, &name.path);
            if let (Some(aliases), Some(target)) = (known.aliases.get_mut(reader.module), target) {
                // A module that imports its own name through the root defines it.
                if target != [&reader.module[..], std::slice::from_ref(&name.alias)].concat() {
                    aliases.insert(name.alias.clone(), target);
                }
            }
        }
    }
    readers.iter().map(|reader| (reader.module.clone(), known.imported(reader))).collect()
}

impl Crate {
    /// The modules whose definitions the module of `reader` uses.
    fn imported(&self, reader: &Reader<'_>) -> BTreeSet<ModulePath> {
        let names = reader.names.iter().filter(|name| !name.exported).map(|name| &name.path);
        let targets = names.chain(&reader.paths).filter_map(|path| self.absolute(reader.module, path));
        let defined_in = targets.filter_map(|path| self.defining_module(&path, LONGEST_CHAIN));
        defined_in.filter(|module| module != reader.module).collect()
    }

    /// What `path` means inside `module`, from the root; `None` for paths of other crates and of names in scope.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        let from = |base: &[String]| [base, rest].concat();
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some(from(module)),
            "super" => {
                let (_, parent) = module.split_last()?;
                match rest.first().map(String::as_str) {
                    Some("super") => self.absolute(parent, rest),
                    Some(_) | None => Some(from(parent)),
                }
            }
            name => {
                let child = [module, &[name.to_owned()]].concat();
                let alias = || self.aliases.get(module)?.get(name).map(|target| from(target));
                if self.aliases.contains_key(&child) { Some(from(&child)) } else { alias() }
            }
        }
    }

    /// The module whose file defines what the absolute `path` names; `None` when that is a module as a whole.
    fn defining_module(&self, path: &[String], chain: usize) -> Option<ModulePath> {
        assert!(chain > 0, "{}: re-exported in a circle", path.join("::"));
        let mut module = ModulePath::new();
        for (index, name) in path.iter().enumerate() {
            let child = [&module[..], std::slice::from_ref(name)].concat();
            if self.aliases.contains_key(&child) {
                module = child;
            } else {
                let target = self.aliases.get(&module).and_then(|aliases| aliases.get(name));
                return match target {
                    Some(target) => self.defining_module(&[target, &path[index + 1..]].concat(), chain - 1),
                    None => Some(module),
                };
            }
        }
        None
    }
}

/// A name that a `use` declaration brings in.
struct Imported {
    alias: String,
    path: Vec<String>,
    /// Only passed on: `pub use`, in whatever visibility.
    exported: bool,
}

/// Collects the paths in a file.
struct Reader<'a> {
    module: &'a ModulePath,
    names: Vec<Imported>,
    paths: Vec<Vec<String>>,
}

impl Reader<'_> {
    fn declared(&mut self, prefix: &[String], tree: &UseTree, exported: bool) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.declared(&with(&path.ident), &path.tree, exported),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.declared(prefix, tree, exported)),
            UseTree::Name(name) if name.ident == "self" => {
                let alias = prefix.last().cloned().unwrap_or_default();
                self.names.push(Imported { alias, path: prefix.to_vec(), exported });
            }
            UseTree::Name(name) => {
                self.names.push(Imported { alias: name.ident.to_string(), path: with(&name.ident), exported });
            }
            UseTree::Rename(renamed) => {
                self.names.push(Imported { alias: renamed.rename.to_string(), path: with(&renamed.ident), exported });
            }
            // Of a module from which everything is imported, something is used.
            UseTree::Glob(_) => self.paths.push([prefix, &["*".to_owned()]].concat()),
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !are_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if !are_for_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if are_for_tests(&item.attrs) {
            return;
        }
        let exported = !matches!(item.vis, syn::Visibility::Inherited);
        self.declared(&[], &item.tree, exported);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if are_for_tests(&item.attrs) {
            return;
        }
        let inside = self.paths.len();
        visit::visit_item_mod(self, item);
        // A module inside the file counts as the file, which it calls `super`.
        for path in &mut self.paths[inside..] {
            path.iter_mut().take(1).filter(|name| *name == "super").for_each(|name| "self".clone_into(name));
        }
        assert!(
            item.content.as_ref().is_none_or(|(_, items)| !items.iter().any(|item| matches!(item, Item::Use(_)))),
            "{}: module {} has imports of its own; give it a file",
            self.module.join("::"),
            item.ident
        );
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        // The syntax inside a macro is its own, but paths look alike everywhere.
        let text = item.tokens.to_string().replace(" :: ", "::");
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let paths = words.filter(|word| word.contains("::") && !word.starts_with(':'));
        self.paths.extend(paths.map(|path| path.split("::").map(str::to_owned).collect()));
        visit::visit_macro(self, item);
    }
}

fn are_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// The modules that lie on circles of imports, and on the way from one circle to another, with what of those they import.
pub(crate) fn circular(imports: &Imports) -> Imports {
    let mut left = imports.clone();
    loop {
        let before = left.len();
        // What imports nothing that is left, and what nothing that is left imports, lies on no circle.
        let present: BTreeSet<ModulePath> = left.keys().cloned().collect();
        left.values_mut().for_each(|targets| targets.retain(|target| present.contains(target)));
        let imported: BTreeSet<ModulePath> = left.values().flatten().cloned().collect();
        left.retain(|module, targets| !targets.is_empty() && imported.contains(module));
        if left.len() == before {
            return left;
        }
    }
}
