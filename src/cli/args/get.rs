//! `grantd get`.

use clap::{Args, ValueEnum};

use super::shared::NamespaceArg;

pub(super) const ABOUT: &str = "\
Show the objects of the server as kubectl does, and follow them

KIND is one of accessgrants, accesstokens, links, sites and secrets, in the plural, in the singular, or by Skupper's
short names: grant, gr; token, to; ln; st.

With -w the command continues after the list and prints an object each time it changes, also when it is deleted, until
you stop it with Ctrl-C. When the server stops, the command waits until it is back.

The documents of -o json and -o yaml are the server's own objects: they contain the codes of grants and tokens and the
data of secrets.";

pub(super) const EXAMPLES: &str = "\
Examples:
  grantd get accessgrants
  grantd get links -A
  grantd get accesstoken west -n east -o yaml
  grantd get grants -l side=left -o name
  grantd get links -w";

/// `grantd get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The kind of objects to show
    #[arg(value_enum, ignore_case = true)]
    pub(crate) kind: ObjectKind,
    /// The name of the object to show [default: all objects]
    #[arg(conflicts_with_all = ["all_namespaces", "selector"])]
    pub(crate) name: Option<String>,

    /// The namespace of the objects.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
    /// Show the objects of all namespaces, whatever -n says
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Show only objects with these labels, as in 'side=left,tier!=test' or 'side in (left,right)'
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Continue after the list, and print each object that changes
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// The form in which objects are printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: GetFormat,
}

/// The kinds of objects that a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectKind {
    /// Offers of a link, and how often each was redeemed
    #[value(name = "accessgrants", aliases = ["accessgrant", "grants", "grant", "gr"])]
    AccessGrants,
    /// Tokens that the server redeems, and the results
    #[value(name = "accesstokens", aliases = ["accesstoken", "tokens", "token", "to"])]
    AccessTokens,
    /// Links to other sites, and whether a router could connect
    #[value(name = "links", aliases = ["link", "ln"])]
    Links,
    /// Sites that grants are made for, and the addresses of their routers
    #[value(name = "sites", aliases = ["site", "st"])]
    Sites,
    /// Credentials, for example those of links
    #[value(name = "secrets", aliases = ["secret"])]
    Secrets,
}

/// How objects are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GetFormat {
    /// A table with a row for each object
    Table,
    /// JSON, indented
    Json,
    /// YAML
    Yaml,
    /// One KIND.GROUP/NAME on each line
    Name,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Get {
        #[command(flatten)]
        args: GetArgs,
    }

    fn get(line: &str) -> Result<GetArgs, String> {
        let words = std::iter::once("get").chain(line.split(' '));
        Get::try_parse_from(words).map(|get| get.args).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kind_is_found_by_each_of_its_names() {
        for (kind, names) in [
            (ObjectKind::AccessGrants, "accessgrants accessgrant AccessGrant grant gr"),
            (ObjectKind::AccessTokens, "accesstokens accesstoken AccessToken token to"),
            (ObjectKind::Links, "links link Link ln"),
            (ObjectKind::Sites, "sites site Site st"),
            (ObjectKind::Secrets, "secrets secret Secret"),
        ] {
            for name in names.split(' ') {
                assert_eq!(get(name).unwrap().kind, kind, "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_kind_is_answered_with_those_there_are() {
        let error = get("pods").unwrap_err();
        for kind in ObjectKind::value_variants() {
            let name = kind.to_possible_value().unwrap().get_name().to_owned();
            assert!(error.contains(&name), "{error}");
        }
    }

    #[test]
    fn a_name_is_of_one_namespace_and_needs_no_selector() {
        assert!(get("links west -A").is_err() && get("links west -l a=b").is_err());
        assert_eq!(get("links west -w").unwrap().output, GetFormat::Table);
    }
}
