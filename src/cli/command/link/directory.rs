//! Links in a directory of redeemed files, tried one by one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    app::Prober,
    cli::{error::CliError, files::FileLocation, resource::API_VERSION},
    file::FileError,
    link::{Endpoint, EndpointName, Link, ResourceName, TlsSecret},
};

/// The most routers that are tested at the same time.
const AT_ONCE: usize = 8;

/// The links of a directory, and the errors about files that are not valid links.
#[derive(Debug)]
pub(crate) struct Found {
    /// Sorted by name.
    pub(crate) links: Vec<FoundLink>,
    /// One error for each file that is not valid.
    pub(crate) failures: Vec<CliError>,
}

/// A link and its credentials.
#[derive(Debug)]
pub(crate) struct FoundLink {
    link: Link,
    /// The credentials, or why they cannot be used.
    credentials: Result<TlsSecret, String>,
}

/// Reads each `Link-NAME.yaml` with its `Secret-NAME.yaml`, or those of one link; other files are not looked at.
pub(crate) fn read(directory: &Path, name: Option<&ResourceName>) -> Result<Found, CliError> {
    let (mut links, mut failures) = (Vec::new(), Vec::new());
    for path in link_files(directory)? {
        match read_link(&path) {
            Ok(link) if name.is_none_or(|name| link.name == *name) => {
                let credentials = read_secret(directory, &link.tls_credentials).map_err(|error| error.chain());
                links.push(FoundLink { link, credentials });
            }
            Ok(_) => {}
            // A file of another link than the named one.
            Err(_) if name.is_some_and(|name| !path.ends_with(format!("Link-{name}.yaml"))) => {}
            Err(error) => failures.push(error),
        }
    }
    links.sort_by(|a, b| a.link.name.cmp(&b.link.name));
    Ok(Found { links, failures })
}

fn link_files(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |source| CliError::Read(FileError { action: "read", path: directory.to_owned(), source });
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("Link-") && name.ends_with(".yaml") {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Checks that a file found in the directory is a regular one: reading a pipe or a device could wait for ever.
fn file_at(path: PathBuf) -> Result<FileLocation, CliError> {
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            let source = io::Error::other("not a regular file");
            Err(CliError::Read(FileError { action: "read", path, source }))
        }
        // Other errors are reported when the file is read.
        Ok(_) | Err(_) => Ok(FileLocation::File(path)),
    }
}

fn read_link(path: &Path) -> Result<Link, CliError> {
    let file = file_at(path.to_owned())?;
    Link::read(&file.read()?).map_err(|source| CliError::LinkFile { file: file.name(), source })
}

fn read_secret(directory: &Path, name: &ResourceName) -> Result<TlsSecret, CliError> {
    let file = file_at(directory.join(format!("Secret-{name}.yaml")))?;
    TlsSecret::read(&file.read()?).map_err(|source| CliError::LinkFile { file: file.name(), source })
}

/// Tests the links, several at the same time. Returns them in order, as the server would show them, with the result as their
/// status.
pub(crate) async fn probe(links: Vec<FoundLink>, prober: Arc<impl Prober>) -> Vec<Value> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut objects: Vec<Value> = links.iter().map(|found| object(&found.link)).collect();
    let mut probes = JoinSet::new();
    for (index, found) in links.into_iter().enumerate() {
        let (permits, prober) = (Arc::clone(&permits), Arc::clone(&prober));
        probes.spawn(async move {
            // The semaphore is never closed; without a permit, one more connection does no harm.
            let _permit = permits.acquire_owned().await;
            (index, outcome(&found, &*prober).await)
        });
    }
    while let Some(done) = probes.join_next().await {
        if let Ok((index, outcome)) = done {
            objects[index]["status"] = status(outcome);
        }
    }
    objects
}

async fn outcome(found: &FoundLink, prober: &impl Prober) -> Result<(), String> {
    let credentials = found.credentials.as_ref().map_err(Clone::clone)?;
    let endpoint = endpoint(&found.link).ok_or("it has no endpoint")?;
    prober.probe(endpoint, credentials).await.map_err(|failure| failure.message)
}

/// The endpoint for interior routers, else the one for edge routers (docs/protocol.md section 2.3).
fn endpoint(link: &Link) -> Option<&Endpoint> {
    let first = |name| link.endpoints.iter().find(|endpoint| endpoint.name == name);
    first(EndpointName::InterRouter).or_else(|| first(EndpointName::Edge))
}

fn object(link: &Link) -> Value {
    let endpoint = |endpoint: &Endpoint| {
        json!({"group": endpoint.group.as_str(), "host": endpoint.host.as_str(), "name": endpoint.name.as_str(),
            "port": endpoint.port.to_string()})
    };
    let mut spec = json!({
        "endpoints": link.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "tlsCredentials": link.tls_credentials.as_str(),
    });
    if let Some(cost) = link.cost {
        spec["cost"] = cost.into();
    }
    json!({"apiVersion": API_VERSION, "kind": "Link", "metadata": {"name": link.name.as_str()}, "spec": spec,
        "status": status(Err("not tried".to_owned()))})
}

/// The status in Skupper's words (docs/protocol.md section 4.4), and why.
fn status(outcome: Result<(), String>) -> Value {
    match outcome {
        Ok(()) => json!({"status": "Ready", "message": "OK"}),
        Err(cause) => json!({"status": "Pending", "message": format!("Not Operational: {cause}")}),
    }
}

#[cfg(test)]
mod tests;
