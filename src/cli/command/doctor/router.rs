//! Whether a link that is made here reaches the site's router, and the router accepts it.

use std::path::Path;

use super::certificates::{SOON, issuer_files};
use crate::{
    app::chain,
    cli::{
        config::{ServeConfig, SiteConfig, SiteEndpoints},
        findings::Finding,
    },
    file,
    link::Host,
    pki::RouterCertificate,
    time::Timestamp,
};

const CHECK: &str = "router certificate";

pub(super) fn check(config: &ServeConfig, path: &Path, now: Timestamp) -> Vec<Finding> {
    let router = match RouterCertificate::load(path) {
        Ok(router) => router,
        Err(fault) => {
            return vec![Finding::fail(CHECK, chain(&fault), "give the file tls.crt of the router's certificate")];
        }
    };
    let mut findings = vec![dates(&router, now)];
    for site in &config.sites {
        findings.push(issuer(config, site, &router, now));
        findings.extend(hosts(config, site, &router));
    }
    findings
}

fn dates(router: &RouterCertificate, now: Timestamp) -> Finding {
    let message = format!("valid until {}", router.not_after());
    if router.not_after() < now {
        Finding::fail(CHECK, format!("it expired after {}", router.not_after()), "renew the router's certificate")
    } else if router.not_after().since(now) < SOON {
        Finding::warn(CHECK, message, "renew the router's certificate")
    } else {
        Finding::ok(CHECK, message)
    }
}

/// The bundle carries the issuer's CA, with which connecting routers check this router; and this router checks what the
/// issuer has signed with the CA that its own certificate comes from.
fn issuer(config: &ServeConfig, site: &SiteConfig, router: &RouterCertificate, now: Timestamp) -> Finding {
    let check = format!("router of {}", site.namespace);
    let files = issuer_files(config, site);
    let comes_from = |certificate: &Path| file::read(certificate).is_ok_and(|ca| router.comes_from(&ca, now));
    match files.iter().find(|(_, files)| comes_from(&files.certificate)) {
        Some((name, _)) => Finding::ok(check, format!("its certificate comes from {name}")),
        None => Finding::fail(
            check,
            "its certificate comes from none of the site's issuers, so no link will come up",
            "give the CA of the site's router with --issuer-cert and --issuer-key",
        ),
    }
}

/// Routers compare DNS names only, also for an IP address (docs/protocol.md section 3.3).
fn hosts(config: &ServeConfig, site: &SiteConfig, router: &RouterCertificate) -> Vec<Finding> {
    if router.is_ca() {
        return Vec::new();
    }
    let mut hosts: Vec<&Host> = match (&site.endpoints, &config.public_url) {
        (SiteEndpoints::Listed(endpoints), _) => endpoints.iter().map(|endpoint| &endpoint.host).collect(),
        (SiteEndpoints::OnThisHost { .. }, Some(url)) => vec![url.host()],
        (SiteEndpoints::OnThisHost { .. }, None) => Vec::new(),
    };
    hosts.sort();
    hosts.dedup();
    let check = format!("link hosts of {}", site.namespace);
    let finding = |host: &Host| match router.has_dns_name(host.as_str()) {
        true => Finding::ok(check.clone(), format!("{host} is a name of the router's certificate")),
        false => Finding::fail(
            check.clone(),
            format!("{host} is no DNS name of the router's certificate, so connecting routers refuse it"),
            "link to a host that the certificate names, or make one with this name (a DNS name, also for an address)",
        ),
    };
    hosts.into_iter().map(finding).collect()
}
