//! The objects that a command asks for: their names in messages, and their paths.

use crate::cli::{
    args::{GetArgs, ObjectKind},
    error::CliError,
    resource::{API_VERSION, GROUP, PAGE, Scope, escaped},
};

/// The objects that a command is about.
#[derive(Debug)]
pub(super) struct Query {
    kind: ObjectKind,
    scope: Scope,
    name: Option<String>,
    selector: Option<String>,
}

impl Query {
    /// # Errors
    /// [`CliError::Usage`].
    pub(super) fn of(args: &GetArgs) -> Result<Self, CliError> {
        if args.name.as_deref() == Some("") {
            return Err(CliError::usage("name \"\" is not valid: it must not be empty"));
        }
        Ok(Self {
            kind: args.kind,
            scope: if args.all_namespaces { Scope::All } else { Scope::Namespace(args.namespace.parse()?) },
            name: args.name.clone(),
            selector: args.selector.clone().filter(|selector| !selector.is_empty()),
        })
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The name as `-o name` prints it, and as kubectl accepts it.
    pub(super) fn qualified_kind(&self) -> &'static str {
        match self.kind {
            ObjectKind::AccessGrants => "accessgrant.skupper.io",
            ObjectKind::AccessTokens => "accesstoken.skupper.io",
            ObjectKind::Links => "link.skupper.io",
            ObjectKind::Sites => "site.skupper.io",
            ObjectKind::Secrets => "secret",
        }
    }

    pub(super) fn list_kind(&self) -> &'static str {
        match self.kind {
            ObjectKind::AccessGrants => "AccessGrantList",
            ObjectKind::AccessTokens => "AccessTokenList",
            ObjectKind::Links => "LinkList",
            ObjectKind::Sites => "SiteList",
            ObjectKind::Secrets => "SecretList",
        }
    }

    pub(super) fn api_version(&self) -> &'static str {
        match self.kind {
            ObjectKind::AccessGrants | ObjectKind::AccessTokens | ObjectKind::Links | ObjectKind::Sites => API_VERSION,
            ObjectKind::Secrets => "v1",
        }
    }

    fn plural(&self) -> &'static str {
        match self.kind {
            ObjectKind::AccessGrants => "accessgrants",
            ObjectKind::AccessTokens => "accesstokens",
            ObjectKind::Links => "links",
            ObjectKind::Sites => "sites",
            ObjectKind::Secrets => "secrets",
        }
    }

    /// The message that there are no such objects.
    pub(super) fn nothing(&self) -> String {
        match &self.scope {
            Scope::Namespace(namespace) => format!("No {} found in namespace {namespace}.", self.plural()),
            Scope::All => format!("No {} found.", self.plural()),
        }
    }

    /// The hint when the named object does not exist.
    pub(super) fn hint(&self) -> String {
        format!("'grantd get {0} -A' shows the {0} there are", self.plural())
    }

    /// The error that the server does not have this kind.
    pub(super) fn unknown(&self) -> CliError {
        CliError::refused(
            format!("this server has no {}", self.plural()),
            "see that the grantd that serves and this one are of one version",
        )
    }

    fn collection(&self) -> String {
        let root = match self.kind {
            ObjectKind::AccessGrants | ObjectKind::AccessTokens | ObjectKind::Links | ObjectKind::Sites => GROUP,
            ObjectKind::Secrets => "/api/v1",
        };
        match &self.scope {
            Scope::Namespace(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural()),
            Scope::All => format!("{root}/{}", self.plural()),
        }
    }

    /// The path of the named object.
    pub(super) fn object_path(&self) -> String {
        format!("{}/{}", self.collection(), escaped(self.name().unwrap_or_default()))
    }

    /// The path of a page of the list; `token` is from the previous page.
    pub(super) fn page_path(&self, token: Option<&str>) -> String {
        let token = token.map(|token| format!("&continue={}", escaped(token))).unwrap_or_default();
        format!("{}?limit={PAGE}{token}{}", self.collection(), self.selection())
    }

    /// The path of a watch that starts after this version.
    pub(super) fn watch_path(&self, resource_version: &str) -> String {
        let since = escaped(resource_version);
        let selection = self.selection();
        format!("{}?watch=true&resourceVersion={since}&allowWatchBookmarks=true{selection}", self.collection())
    }

    fn selection(&self) -> String {
        let name = self.name().map(|name| format!("&fieldSelector={}", escaped(&format!("metadata.name={name}"))));
        let labels = self.selector.as_deref().map(|selector| format!("&labelSelector={}", escaped(selector)));
        name.unwrap_or_default() + &labels.unwrap_or_default()
    }
}
