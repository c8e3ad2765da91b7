//! The certificate of the admin API's TLS listener, which is renewed while it is served.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{error, info};

use super::{error::ServeError, material};
use crate::{
    app::chain, cli::data_dir::DataDir, link::Host, net::CurrentIdentity, pki::ServingIdentity, time::Timestamp,
};

/// The certificate, and what it takes to make another one.
pub(super) struct AdminCertificate {
    served: watch::Sender<Arc<ServingIdentity>>,
    data_dir: DataDir,
    hosts: Vec<Host>,
    /// The last attempt to renew it failed, and the log says so.
    has_failed: bool,
}

impl AdminCertificate {
    /// Loads the certificate for these hosts, or makes it.
    ///
    /// # Errors
    /// [`ServeError`] when it cannot be made, written or read back.
    pub(super) fn load(data_dir: &DataDir, hosts: Vec<Host>, now: Timestamp) -> Result<Self, ServeError> {
        let serving = material::admin_serving(data_dir, &hosts, now)?;
        Ok(Self { served: watch::Sender::new(Arc::new(serving)), data_dir: data_dir.clone(), hosts, has_failed: false })
    }

    /// What the listener is to serve.
    pub(super) fn current(&self) -> CurrentIdentity {
        let served = self.served.subscribe();
        Box::new(move || Arc::clone(&served.borrow()))
    }

    /// Makes a new certificate when two thirds of the time of this one are over. For a thread that may block.
    pub(super) fn renew_if_due(&mut self, now: Timestamp) {
        let present = Arc::clone(&self.served.borrow());
        if !present.is_due(now) {
            return;
        }
        let fault = match material::renewed_admin_serving(&self.data_dir, &self.hosts, now, present.ca_pem()) {
            Ok(Some(serving)) => {
                info!(certificate.not_after = %serving.not_after(), "certificate of the admin listener renewed");
                self.served.send_replace(Arc::new(serving));
                self.has_failed = false;
                return;
            }
            Ok(None) => {
                "the admin CA in the data directory is another one: start the server again to use it".to_owned()
            }
            Err(fault) => chain(&fault),
        };
        // Tried again at each check, and logged once.
        if !self.has_failed {
            error!(error = fault, certificate.not_after = %present.not_after(), "certificate of the admin listener not renewed");
        }
        self.has_failed = true;
    }
}
