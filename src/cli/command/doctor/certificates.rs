//! Certificates and keys: the configured ones, and those of the data directory.

use std::{path::Path, time::Duration};

use crate::{
    app::chain,
    cli::{
        config::{ServeConfig, SiteConfig},
        data_dir::{DataDir, PairFiles},
        findings::Finding,
    },
    link::PublicUrl,
    pki::{Issuer, PkiError, ServingIdentity},
    time::Timestamp,
};

/// Certificates that end sooner are reported.
pub(super) const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) fn check(config: &ServeConfig, now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = config.sites.iter().flat_map(|site| issuers(config, site, now)).collect();
    findings.extend(serving(config, now));
    let admin_ca = DataDir::admin_ca_of(&config.data_dir);
    if exists(&admin_ca.certificate) {
        findings.push(issuer("admin CA", &admin_ca, now));
    }
    findings
}

/// The certificate and key files of a site's issuers.
pub(super) fn issuer_files(config: &ServeConfig, site: &SiteConfig) -> Vec<(String, PairFiles)> {
    let name = |issuer: &crate::grant::IssuerName| format!("issuer {}/{issuer}", site.namespace);
    if site.issuers.is_empty() {
        let files = DataDir::at(&config.data_dir).issuer(&site.namespace, &site.default_issuer);
        return vec![(name(&site.default_issuer), files)];
    }
    let given = site.issuers.iter().map(|issuer| {
        let (certificate, key) = (issuer.cert_file.clone(), issuer.key_file.clone());
        (name(&issuer.name), PairFiles { ca: certificate.clone(), certificate, key })
    });
    given.collect()
}

fn issuers(config: &ServeConfig, site: &SiteConfig, now: Timestamp) -> Vec<Finding> {
    let is_self_made = site.issuers.is_empty();
    let check = |(name, files): (String, PairFiles)| match is_self_made && !exists(&files.certificate) {
        true => Finding::ok(name, "not there yet; the server makes it"),
        false => issuer(&name, &files, now),
    };
    issuer_files(config, site).into_iter().map(check).collect()
}

fn issuer(name: &str, files: &PairFiles, now: Timestamp) -> Finding {
    match Issuer::load(&files.certificate, &files.key, now) {
        Ok(issuer) => dated(name, issuer.not_after(), now, "renew the CA, and give its new files"),
        Err(fault) => broken(name, &fault),
    }
}

/// The redeem listener's certificate, and whether it covers the URL that tokens carry.
fn serving(config: &ServeConfig, now: Timestamp) -> Vec<Finding> {
    const CHECK: &str = "serving certificate";
    let (files, is_given) = match &config.tls {
        Some(files) => {
            let (certificate, key) = (files.cert_file.clone(), files.key_file.clone());
            (PairFiles { certificate, key, ca: files.ca_file.clone() }, true)
        }
        None => (DataDir::at(&config.data_dir).server(), false),
    };
    if !is_given && !exists(&files.certificate) {
        return vec![Finding::ok(CHECK, "not there yet; the server makes it"), public_url(config, None)];
    }
    match ServingIdentity::load(&files.certificate, &files.key, &files.ca, now) {
        Ok(identity) if is_given => {
            let dated = dated(CHECK, identity.not_after(), now, "renew it; the server reads the new files by itself");
            vec![dated, public_url(config, Some(&identity))]
        }
        // The server renews it by itself, also for another URL.
        Ok(identity) => {
            vec![Finding::ok(CHECK, format!("valid until {}", identity.not_after())), public_url(config, None)]
        }
        Err(fault) => vec![broken(CHECK, &fault)],
    }
}

fn public_url(config: &ServeConfig, identity: Option<&ServingIdentity>) -> Finding {
    const CHECK: &str = "public URL";
    let Some(url) = &config.public_url else {
        let remedy = "give --public-url https://HOST:PORT with the name under which connecting sites reach this host";
        return Finding::warn(CHECK, "none is given, so tokens carry this host's first name or address", remedy);
    };
    match identity.filter(|identity| !identity.covers(url.host())) {
        None => Finding::ok(CHECK, url.to_string()),
        Some(_) => not_covered(CHECK, url),
    }
}

fn not_covered(check: &str, url: &PublicUrl) -> Finding {
    let message = format!("the serving certificate does not cover {}, so every client refuses it", url.host());
    let remedy = format!("make a certificate with {} as subjectAltName, or change --public-url", url.host());
    Finding::fail(check, message, remedy)
}

fn dated(check: &str, not_after: Timestamp, now: Timestamp, remedy: &str) -> Finding {
    let message = format!("valid until {not_after}");
    if not_after.since(now) < SOON { Finding::warn(check, message, remedy) } else { Finding::ok(check, message) }
}

fn broken(check: &str, fault: &PkiError) -> Finding {
    // The texts of these faults are what cannot be done, why, and what to do about it.
    let message = chain(fault);
    let remedy = message.splitn(3, ": ").nth(2).unwrap_or("correct the file").to_owned();
    Finding::fail(check, message, remedy)
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
