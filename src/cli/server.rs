//! A client for the server of this data directory, through its admin socket.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::{
    answer::Batch,
    data_dir::DataDir,
    error::CliError,
    output::Console,
    resource::{
        self, ACKNOWLEDGE_ROLLBACK_PATH, API_VERSION, Page, Scope, grant_path, grants_path, ledger_path, links_path,
        page_path, redemptions_path, scope_path, sites_path,
    },
};
use crate::{
    client::{AdminClient, AdminError, AdminMethod, Form, Lines, Status},
    grant::{GrantName, Namespace},
};

/// The deadline of one request; the server answers from memory or after one local transaction.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// The most pages of a list, more than any real list has, so that a command ends even if the server sends pages without end.
pub(super) const MOST_PAGES: usize = 100_000;

/// Whether the server makes a change, or only validates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Store,
    Validate,
}

impl Write {
    /// The query. It demands strict validation, so that a misspelled field is reported and not dropped.
    fn query(self) -> &'static str {
        match self {
            Self::Store => "fieldValidation=Strict",
            Self::Validate => "fieldValidation=Strict&dryRun=All",
        }
    }
}

/// The server that a command talks to.
#[derive(Debug, Clone)]
pub(super) struct Server {
    client: AdminClient,
}

impl Server {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { client: AdminClient::unix(DataDir::admin_socket_of(data_dir), REQUEST_DEADLINE) }
    }

    /// Prints the warnings that the server sent with its answers.
    pub(super) fn print_warnings(&self, console: &mut Console<'_>) {
        for warning in self.client.take_warnings() {
            console.note(format_args!("warning: {warning}"));
        }
    }

    /// All sites in scope.
    pub(super) async fn sites(&self, scope: &Scope) -> Result<Vec<resource::Site>, CliError> {
        self.all(&sites_path(scope)).await?.iter().map(resource::read).collect()
    }

    pub(super) async fn create_grant(
        &self,
        namespace: &Namespace,
        metadata: &Value,
        spec: &Value,
        write: Write,
    ) -> Result<Value, CliError> {
        let grant = json!({"apiVersion": API_VERSION, "kind": "AccessGrant", "metadata": metadata, "spec": spec});
        let path = format!("{}?{}", grants_path(namespace), write.query());
        self.send(AdminMethod::Post, &path, Some(&grant)).await
    }

    pub(super) async fn grant(&self, namespace: &Namespace, name: &GrantName) -> Result<Value, CliError> {
        self.send(AdminMethod::Get, &grant_path(namespace, name), None).await
    }

    /// The grant, or `None` when it does not exist.
    pub(super) async fn find_grant(&self, namespace: &Namespace, name: &GrantName) -> Result<Option<Value>, CliError> {
        match self.grant(namespace, name).await {
            Ok(grant) => Ok(Some(grant)),
            Err(CliError::Admin(AdminError::Refused(Status { code: 404, .. }))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn change_grant(
        &self,
        namespace: &Namespace,
        name: &GrantName,
        patch: &Value,
        write: Write,
    ) -> Result<Value, CliError> {
        let path = format!("{}?{}", grant_path(namespace, name), write.query());
        self.send(AdminMethod::MergePatch, &path, Some(patch)).await
    }

    pub(super) async fn delete_grant(&self, namespace: &Namespace, name: &GrantName) -> Result<(), CliError> {
        self.send(AdminMethod::Delete, &grant_path(namespace, name), None).await.map(|_| ())
    }

    /// All grants in scope.
    pub(super) async fn grants(&self, scope: &Scope) -> Result<Vec<Value>, CliError> {
        self.all(&scope_path(scope)).await
    }

    /// All grants in scope as rows of a table, page by page, with the server's columns.
    pub(super) async fn grant_rows(&self, scope: &Scope) -> Result<Vec<Batch>, CliError> {
        let (mut pages, mut token) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let path = page_path(&scope_path(scope), token.as_deref());
            let page = Batch::of_list(Form::Table, self.read(Form::Table, &path).await?)?;
            token = page.next_page().map(str::to_owned);
            pages.push(page);
            if token.is_none() {
                return Ok(pages);
            }
        }
        Err(endless())
    }

    /// The whole ledger of a grant.
    pub(super) async fn redemptions(
        &self,
        namespace: &Namespace,
        name: &GrantName,
    ) -> Result<Vec<resource::Redemption>, CliError> {
        self.all(&redemptions_path(namespace, name)).await?.iter().map(resource::read).collect()
    }

    /// One page of the ledger of all grants in scope.
    pub(super) async fn ledger_page(&self, scope: &Scope, token: Option<&str>) -> Result<Page, CliError> {
        resource::read(&self.send(AdminMethod::Get, &page_path(&ledger_path(scope), token), None).await?)
    }

    /// All links in scope.
    pub(super) async fn links(&self, scope: &Scope) -> Result<Vec<Value>, CliError> {
        self.all(&links_path(scope)).await
    }

    /// Acknowledges that the database was put back; answers how many grants were expired, `None` when it was not put back.
    pub(super) async fn acknowledge_rollback(&self) -> Result<Option<u64>, CliError> {
        let answer = self.send(AdminMethod::Post, ACKNOWLEDGE_ROLLBACK_PATH, None).await?;
        let resource::RollbackAcknowledgement { was_rolled_back, expired_grants } = resource::read(&answer)?;
        Ok(was_rolled_back.then_some(expired_grants))
    }

    /// An object or one page of a list.
    pub(super) async fn read(&self, form: Form, path: &str) -> Result<Value, CliError> {
        self.client.read(form, path).await.map_err(CliError::Admin)
    }

    /// A watch.
    pub(super) async fn watch(&self, form: Form, path: &str) -> Result<Lines, AdminError> {
        self.client.watch(form, path).await
    }

    /// The items of a list's pages, one after the other.
    async fn all(&self, path: &str) -> Result<Vec<Value>, CliError> {
        let (mut items, mut token) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let answer = self.send(AdminMethod::Get, &page_path(path, token.as_deref()), None).await?;
            let page: Page = resource::read(&answer)?;
            items.extend(page.items);
            if page.metadata.token.is_empty() {
                return Ok(items);
            }
            token = Some(page.metadata.token);
        }
        Err(endless())
    }

    async fn send(&self, method: AdminMethod, path: &str, body: Option<&Value>) -> Result<Value, CliError> {
        self.client.send(method, path, body).await.map_err(CliError::Admin)
    }
}

/// The error about a list with too many pages.
pub(super) fn endless() -> CliError {
    CliError::Admin(AdminError::Malformed { what: "the list has no end" })
}
