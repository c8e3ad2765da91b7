//! `grantd kubeconfig`: a client certificate from the admin CA in the data directory, in the form that kubectl reads.

mod issue;
mod renew;

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use issue::{Issued, issue, read_admin};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    cli::{
        args::KubeconfigArgs,
        data_dir::DataDir,
        error::CliError,
        files::{FileLocation, check_file, existing},
        flag::FlagFaults,
        output::{Console, DocumentFormat, document_text, shell_word},
    },
    file::{self, Access},
    grant::Namespace,
    link::PublicUrl,
    pki::{AdminAccess, AdminScope, AdminUser},
};

/// The name of the cluster and of the context.
const NAME: &str = "grantd";

pub(crate) fn run(args: &KubeconfigArgs, data_dir: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    if let Some(path) = &args.renew {
        return renew::run(path, &args.valid_for, data_dir, console);
    }
    let mut faults = FlagFaults::default();
    let name = faults.parse("user (--user)", &args.user);
    let namespace = args.namespace.as_ref().map(|text| faults.namespace(text));
    let server = args.server.as_ref().map(|text| faults.parse::<PublicUrl>("server (--server)", text));
    let validity = faults.validity(&args.valid_for);
    let location =
        if args.output.as_os_str().is_empty() { Err("must not be empty") } else { Ok(FileLocation::new(&args.output)) };
    let location = faults.collect("file name (--output)", location);
    // `Some(None)` means that a flag is given, but not valid.
    let (Some(name), Some(validity), Some(location), None | Some(Some(_)), None | Some(Some(_))) =
        (name, validity, location, &namespace, &server)
    else {
        return Err(faults.into_error());
    };
    let (namespace, server) = (namespace.flatten(), server.flatten());
    let existing = existing(args.force);
    if let FileLocation::File(path) = &location {
        check_file(path, existing, "file name (--output)", "a kubeconfig that is still good")?;
    }

    let server = match server {
        Some(server) => server.to_string(),
        None => text(&read_admin(&DataDir::admin_url_of(data_dir))?).trim().to_owned(),
    };
    let access = if args.read_only { AdminAccess::ReadOnly } else { AdminAccess::ReadWrite };
    let user = AdminUser { name, scope: AdminScope { namespace: namespace.clone(), access } };
    let Issued { ca, certificate, key, not_after } = issue(data_dir, &user, validity)?;

    let namespace = namespace.unwrap_or_default();
    let user = user.name.to_string();
    let key = Zeroizing::new(STANDARD.encode(key.expose()));
    let (ca, certificate) = (STANDARD.encode(&*ca), STANDARD.encode(certificate));
    let config = Kubeconfig::new(&server, &ca, &user, &namespace, &certificate, &key);
    match &location {
        FileLocation::Standard => Ok(console.document(&config, DocumentFormat::Yaml)?),
        FileLocation::File(path) => {
            let text = Zeroizing::new(document_text(&config, DocumentFormat::Yaml)?);
            file::write(path, text.as_bytes(), Access::Private, existing).map_err(CliError::Write)?;
            let word = shell_word(path);
            console.line(format_args!("Kubeconfig of user \"{user}\" written to {}", path.display()))?;
            console.note(format_args!(
                "\nIt is a secret, valid until {not_after}. Use it with 'kubectl --kubeconfig {word}', or 'export KUBECONFIG={word}'."
            ));
            Ok(())
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// kubectl's `v1/Config` with one cluster, one user and one context.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'a str,
    kind: &'a str,
    clusters: [Named<'a, Entry<'a>>; 1],
    contexts: [Named<'a, Entry<'a>>; 1],
    current_context: &'a str,
    users: [Named<'a, Entry<'a>>; 1],
}

#[derive(Serialize)]
struct Named<'a, T> {
    name: &'a str,
    #[serde(flatten)]
    entry: T,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Entry<'a> {
    Cluster(Cluster<'a>),
    Context(Context<'a>),
    User(User<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster<'a> {
    certificate_authority_data: &'a str,
    server: &'a str,
}

#[derive(Serialize)]
struct Context<'a> {
    cluster: &'a str,
    namespace: &'a str,
    user: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct User<'a> {
    client_certificate_data: &'a str,
    client_key_data: &'a str,
}

impl<'a> Kubeconfig<'a> {
    fn new(
        server: &'a str,
        ca: &'a str,
        user: &'a str,
        namespace: &'a Namespace,
        certificate: &'a str,
        key: &'a str,
    ) -> Self {
        let cluster = Cluster { certificate_authority_data: ca, server };
        let context = Context { cluster: NAME, namespace: namespace.as_str(), user };
        let credentials = User { client_certificate_data: certificate, client_key_data: key };
        Self {
            api_version: "v1",
            kind: "Config",
            clusters: [Named { name: NAME, entry: Entry::Cluster(cluster) }],
            contexts: [Named { name: NAME, entry: Entry::Context(context) }],
            current_context: NAME,
            users: [Named { name: user, entry: Entry::User(credentials) }],
        }
    }
}
