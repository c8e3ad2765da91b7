//! `grantd user list`.

use std::path::Path;

use serde::Serialize;

use crate::{
    app::RegisteredCertificate,
    cli::{
        args::UserListArgs,
        error::CliError,
        output::{Console, Table},
        user_file,
    },
    grant::Namespace,
    pki::{AdminAccess, AdminCertificate},
    time::{Clock, Timestamp},
};

pub(crate) fn run(args: &UserListArgs, data_dir: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    let register = user_file::read(data_dir).map_err(CliError::Users)?;
    let now = Clock::system().now();
    let items: Vec<_> = register.certificates().into_iter().map(|one| Item::of(one, now)).collect();
    match args.output {
        Some(format) => {
            console.document(&List { api_version: "grantd/v1", kind: "UserCertificateList", items }, format)?;
        }
        None if items.is_empty() => console.note("No users; 'grantd kubeconfig' makes one"),
        None => console.line(table(items))?,
    }
    Ok(())
}

fn table(items: Vec<Item>) -> Table {
    let mut table = Table::new(&["NAME", "NAMESPACE", "ACCESS", "SERIAL", "ISSUED", "EXPIRES", "STATUS"]);
    for Item { name, namespace, access, serial, issued_at, not_after, status, .. } in items {
        let namespace = namespace.unwrap_or_else(|| "*".to_owned());
        table.row(vec![name, namespace, access.to_owned(), serial, issued_at, not_after, status.to_owned()]);
    }
    table
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item>,
}

/// A certificate, as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    /// Absent when the user is one of all namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    access: &'static str,
    serial: String,
    issued_at: String,
    not_after: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

impl Item {
    fn of(registered: &RegisteredCertificate, now: Timestamp) -> Self {
        let RegisteredCertificate { certificate, revoked_at } = registered;
        let AdminCertificate { user, serial, issued_at, not_after } = certificate;
        let access = match user.scope.access {
            AdminAccess::ReadWrite => "write",
            AdminAccess::ReadOnly => "read",
        };
        let status = match revoked_at {
            Some(_) => "Revoked",
            None if now > *not_after => "Expired",
            None => "Valid",
        };
        Self {
            name: user.name.to_string(),
            namespace: user.scope.namespace.as_ref().map(Namespace::to_string),
            access,
            serial: serial.to_string(),
            issued_at: issued_at.to_string(),
            not_after: not_after.to_string(),
            status,
            revoked_at: revoked_at.map(|at| at.to_string()),
        }
    }
}
