//! Opening the store that the configuration names.

use std::sync::Arc;

use super::ServeError;
use crate::{
    cli::{
        config::{DatabaseConfig, PostgresConfig, ServeConfig},
        data_dir::DataDir,
        database::with_password,
    },
    file::{self, Access, Existing},
    metrics::Metrics,
    store::{self, Location, PostgresAddress, Store, StoreLock, StoreOptions, examine_postgres},
};

/// Where the store is, with everything that is needed to open it.
pub(super) enum Place {
    /// In the data directory.
    DataDir,
    /// In a PostgreSQL database.
    Postgres(PostgresAddress),
}

/// An open store.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    /// Keeps a second server away from the data directory; `None` when the store does that itself.
    pub(super) lock: Option<StoreLock>,
}

impl Place {
    /// Finds the place and whatever would keep the store from being opened there. Creates nothing.
    pub(super) async fn examined(config: &ServeConfig) -> Result<Self, ServeError> {
        let noted = DataDir::database_url_of(&config.data_dir);
        match &config.database {
            DatabaseConfig::Sqlite if noted.exists() => Err(ServeError::StoreIsElsewhere(noted)),
            DatabaseConfig::Sqlite => Ok(Self::DataDir),
            DatabaseConfig::Postgres(postgres) => {
                let PostgresConfig { address, password_file } = &**postgres;
                let environment = |name: &str| std::env::var_os(name);
                let address = with_password(address, password_file.as_deref(), environment);
                let address = address.map_err(ServeError::DatabasePassword)?;
                let key = DataDir::at(&config.data_dir).sealing_key();
                examine_postgres(&address, &key).await.map_err(ServeError::Store)?;
                Ok(Self::Postgres(address))
            }
        }
    }

    /// Where the store is when it is not in the data directory, as an operator knows it.
    pub(super) fn elsewhere(&self) -> Option<String> {
        match self {
            Self::DataDir => None,
            Self::Postgres(address) => Some(address.to_string()),
        }
    }

    /// The bytes of the data directory's disk that are kept for the store: none when it is elsewhere.
    pub(super) fn disk_reserve(&self, config: &ServeConfig) -> u64 {
        match self {
            Self::DataDir => config.disk_reserve,
            Self::Postgres(_) => 0,
        }
    }

    /// Opens the store.
    pub(super) async fn open(
        &self,
        data_dir: &DataDir,
        config: &ServeConfig,
        metrics: &Arc<Metrics>,
    ) -> Result<Opened, ServeError> {
        let (location, lock) = match self {
            Self::DataDir => (data_dir.store(), None),
            Self::Postgres(address) => {
                let lock = StoreLock::take(&data_dir.lock()).map_err(ServeError::Store)?;
                (Location::Postgres(address.clone()), Some(lock))
            }
        };
        let metrics = Arc::clone(metrics);
        let options = StoreOptions {
            location,
            key: data_dir.sealing_key(),
            quota: config.quota,
            on_commit: Box::new(move |report| metrics.committed(report.batch, report.took)),
        };
        let store = store::open(options).await.map_err(ServeError::Store)?;
        if let Some(url) = self.elsewhere() {
            // After the first start, commands that work on the data directory, and a start without --database, find it there.
            let noted = DataDir::database_url_of(data_dir.path());
            file::write(&noted, format!("{url}\n").as_bytes(), Access::Private, Existing::Replace)
                .map_err(ServeError::File)?;
        }
        Ok(Opened { store, lock })
    }
}
