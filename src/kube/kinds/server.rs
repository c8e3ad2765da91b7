//! What is about this server and no object of it.

use serde_json::{Value, json};

use crate::{app::App, kube::problem::status::Problem};

/// The version of these documents.
const API_VERSION: &str = "grantd/v1";

/// Acknowledges that the database was put back.
pub(crate) async fn acknowledge_rollback(app: &App) -> Result<Value, Problem> {
    let expired = app.acknowledge_rollback().await.map_err(|error| Problem::from_store(&error))?;
    Ok(json!({
        "kind": "RollbackAcknowledgement", "apiVersion": API_VERSION,
        "wasRolledBack": expired.is_some(), "expiredGrants": expired.unwrap_or(0),
    }))
}
