//! The sites: one from flags, or several from the file.

use std::{collections::HashSet, path::PathBuf};

use super::{
    fault::{Faults, Origin, Setting},
    source::Sources,
    tree::Table,
    values::{path, yes_or_no},
};
use crate::{
    grant::{GrantName, IssuerName, Namespace},
    link::{Endpoint, EndpointName, Group, Host, Port},
};

/// The arguments that describe a site. They cannot be combined with `sites` in the file.
const SITE_ARGUMENTS: [&str; 7] =
    ["site_name", "namespace", "issuer_cert", "issuer_key", "link_host", "inter_router_port", "edge_port"];
/// The name of the issuer from flags, or of the self-made one; it is the name that Skupper uses.
const DEFAULT_ISSUER: &str = "skupper-site-ca";
const INTER_ROUTER_PORT: u16 = 55671;
const EDGE_PORT: u16 = 45671;

/// A configured site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SiteConfig {
    /// Its name.
    pub(crate) name: GrantName,
    /// Its namespace; no other site has the same.
    pub(crate) namespace: Namespace,
    /// Whether it is an edge site, which cannot accept links.
    pub(crate) edge: bool,
    /// Its CAs, with different names; if empty, the site gets a self-made CA named `skupper-site-ca`.
    pub(crate) issuers: Vec<IssuerFiles>,
    /// The CA that signs for grants that name none: one of `issuers`, or the self-made one.
    pub(crate) default_issuer: IssuerName,
    /// The addresses at which its router accepts links.
    pub(crate) endpoints: SiteEndpoints,
}

/// The name and files of a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuerFiles {
    /// Its name.
    pub(crate) name: IssuerName,
    /// The certificate, PEM.
    pub(crate) cert_file: PathBuf,
    /// Its key, PEM.
    pub(crate) key_file: PathBuf,
}

/// The addresses at which a site's router accepts links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SiteEndpoints {
    /// These endpoints; without any, the site is not ready.
    Listed(Vec<Endpoint>),
    /// These ports at the public URL's host, or at this host's first name or address; decided when the server starts.
    OnThisHost {
        /// The port for interior routers.
        inter_router: Port,
        /// The port for edge routers.
        edge: Port,
    },
}

/// The configured sites. Adds a fault for each site that is not valid and leaves it out.
pub(super) fn sites(s: &mut Sources<'_>, host_name: &str, faults: &mut Faults) -> Vec<SiteConfig> {
    let Some(tables) = s.file.tables("sites", faults) else {
        return site_of_flags(s, host_name, faults).into_iter().collect();
    };
    for given in SITE_ARGUMENTS.iter().filter_map(|id| s.given(id)) {
        faults.add(given.origin, "cannot be combined with 'sites' in the file; say it there");
    }
    if tables.is_empty() {
        faults.add(Origin::File, "'sites' must list at least one site, or be left out");
    }
    let mut namespaces = HashSet::new();
    let mut sites = Vec::new();
    for table in tables {
        let origin = table.origin();
        let Some(site) = site_of_table(table, faults) else { continue };
        if namespaces.insert(site.namespace.clone()) {
            sites.push(site);
        } else {
            faults.add(origin, format!("namespace {} has a site already; one site a namespace", site.namespace));
        }
    }
    sites
}

fn site_of_flags(s: &Sources<'_>, host_name: &str, faults: &mut Faults) -> Option<SiteConfig> {
    let name = match s.given("site_name") {
        Some(setting) => faults.parse(&setting, str::parse),
        None => Some(name_of_host(host_name)),
    };
    let namespace = match s.given("namespace") {
        Some(setting) => faults.parse(&setting, str::parse),
        None => Some(Namespace::default()),
    };
    let issuers = issuer_of_flags(s, faults);
    let inter_router = port_of_flags(s, "inter_router_port", INTER_ROUTER_PORT, faults);
    let edge = port_of_flags(s, "edge_port", EDGE_PORT, faults);
    let hosts = hosts_of_flags(s, faults);
    let (inter_router, edge) = (inter_router?, edge?);
    let endpoints = match hosts {
        None => SiteEndpoints::OnThisHost { inter_router, edge },
        Some(hosts) => SiteEndpoints::Listed(endpoints_at(&hosts, inter_router, edge)),
    };
    Some(SiteConfig {
        name: name?,
        namespace: namespace?,
        edge: false,
        issuers: issuers?,
        default_issuer: default_issuer(),
        endpoints,
    })
}

fn hosts_of_flags(s: &Sources<'_>, faults: &mut Faults) -> Option<Vec<Host>> {
    let Setting { text, origin } = s.given("link_host")?;
    let host = |text: &str| faults.parse(&Setting { text: text.trim().to_owned(), origin: origin.clone() }, str::parse);
    Some(text.split(',').filter_map(host).collect())
}

fn port_of_flags(s: &Sources<'_>, id: &str, default: u16, faults: &mut Faults) -> Option<Port> {
    match s.given(id) {
        Some(setting) => faults.parse(&setting, str::parse),
        None => Port::try_from(default).ok(),
    }
}

fn issuer_of_flags(s: &Sources<'_>, faults: &mut Faults) -> Option<Vec<IssuerFiles>> {
    let (cert, key) = (s.given("issuer_cert"), s.given("issuer_key"));
    match (cert, key) {
        (None, None) => Some(Vec::new()),
        (Some(cert), Some(key)) => {
            let (cert_file, key_file) = (faults.parse(&cert, path), faults.parse(&key, path));
            Some(vec![IssuerFiles { name: default_issuer(), cert_file: cert_file?, key_file: key_file? }])
        }
        (Some(given), None) | (None, Some(given)) => {
            faults.add(given.origin, "needs its counterpart: give both --issuer-cert and --issuer-key, or neither");
            None
        }
    }
}

/// Both endpoints at every host. Each host is a separate group, and so a separate Link: of several endpoints with the same
/// name in one group, a client uses only the first (docs/protocol.md section 2.3).
fn endpoints_at(hosts: &[Host], inter_router: Port, edge: Port) -> Vec<Endpoint> {
    let at = |(index, host): (usize, &Host)| {
        let group = group_number(index + 1);
        [(EndpointName::InterRouter, inter_router), (EndpointName::Edge, edge)].map(|(name, port)| Endpoint {
            group: group.clone(),
            name,
            host: host.clone(),
            port,
        })
    };
    hosts.iter().enumerate().flat_map(at).collect()
}

/// The name of a group: `skupper-router`, `skupper-router-2`, …, as in Skupper (docs/protocol.md section 2.2).
fn group_number(number: usize) -> Group {
    let first = Group::default();
    if number == 1 { first } else { format!("{first}-{number}").parse().unwrap_or(first) }
}

#[expect(clippy::expect_used, reason = "the constant is a DNS-1123 subdomain")]
fn default_issuer() -> IssuerName {
    DEFAULT_ISSUER.parse().expect("a valid constant")
}

/// The default name of a site: the first label of the host's name in lower case, or `grantd` if that is not a valid name.
#[expect(clippy::expect_used, reason = "the constant is a DNS-1123 subdomain")]
fn name_of_host(host_name: &str) -> GrantName {
    let label = host_name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let name: String = label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    name.trim_matches('-').parse().unwrap_or_else(|_| "grantd".parse().expect("a valid constant"))
}

fn site_of_table(mut table: Table, faults: &mut Faults) -> Option<SiteConfig> {
    let name = table.required("name", faults, str::parse);
    let namespace = table.value("namespace", Namespace::default(), faults, str::parse);
    let edge = table.value("edge", false, faults, yes_or_no);
    let issuers = issuers_of_tables(table.tables("issuers", faults).unwrap_or_default(), faults);
    let first = issuers.first().map_or_else(default_issuer, |issuer| issuer.name.clone());
    let default_issuer = table.value("defaultIssuer", first, faults, |text| default_among(&issuers, text));
    let endpoints = table.tables("endpoints", faults).unwrap_or_default();
    let endpoints = endpoints.into_iter().filter_map(|table| endpoint_of_table(table, faults)).collect();
    table.finish(faults);
    Some(SiteConfig {
        name: name?,
        namespace: namespace?,
        edge: edge?,
        issuers,
        default_issuer: default_issuer?,
        endpoints: SiteEndpoints::Listed(endpoints),
    })
}

fn default_among(issuers: &[IssuerFiles], text: &str) -> Result<IssuerName, String> {
    let self_made = default_issuer();
    let names: Vec<_> =
        if issuers.is_empty() { vec![&self_made] } else { issuers.iter().map(|issuer| &issuer.name).collect() };
    let known = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let found = names.into_iter().find(|name| name.as_str() == text).cloned();
    found.ok_or_else(|| format!("must be one of the site's issuers: {known}"))
}

fn issuers_of_tables(tables: Vec<Table>, faults: &mut Faults) -> Vec<IssuerFiles> {
    let mut issuers: Vec<IssuerFiles> = Vec::new();
    for mut table in tables {
        let origin = table.origin();
        let name: Option<IssuerName> = table.required("name", faults, str::parse);
        let cert_file = table.required("certFile", faults, path);
        let key_file = table.required("keyFile", faults, path);
        table.finish(faults);
        let (Some(name), Some(cert_file), Some(key_file)) = (name, cert_file, key_file) else { continue };
        if issuers.iter().any(|issuer| issuer.name == name) {
            faults.add(origin, format!("the site has an issuer {name} already"));
        } else {
            issuers.push(IssuerFiles { name, cert_file, key_file });
        }
    }
    issuers
}

fn endpoint_of_table(mut table: Table, faults: &mut Faults) -> Option<Endpoint> {
    let group = table.value("group", Group::default(), faults, str::parse);
    let name = table.required("name", faults, str::parse);
    let host = table.required("host", faults, str::parse);
    let port = table.required("port", faults, str::parse);
    table.finish(faults);
    Some(Endpoint { group: group?, name: name?, host: host?, port: port? })
}
