//! Ports that follow a script.

use std::sync::{Arc, Mutex};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::world::DEADLINE;
use crate::{
    app::{PortFuture, ProbeFailure, Prober, RedeemFailure, Redeemer},
    link::{AccessToken, Bundle, Endpoint, TlsSecret},
    pki::RequestKey,
};

/// What a port does, by the name of the token or the host of the endpoint.
type Script<T, E> = dyn Fn(&str, usize) -> Answer<T, E> + Send + Sync;

/// What is answered.
pub(super) enum Answer<T, E> {
    Now(Result<T, E>),
    /// Once this is notified.
    After(Arc<Notify>, Result<T, E>),
    Never,
}

/// Both ports: counts its calls, and answers what the script returns for the number of earlier calls.
pub(super) struct Scripted {
    redeem: Box<Script<Bundle, RedeemFailure>>,
    probe: Box<Script<(), ProbeFailure>>,
    calls: Mutex<Vec<Call>>,
    called: Notify,
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) subject: String,
    /// The key for which a certificate is asked.
    pub(super) key: Option<String>,
    pub(super) at: Instant,
}

impl Scripted {
    pub(super) fn redeemer(
        script: impl Fn(&str, usize) -> Answer<Bundle, RedeemFailure> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::new(Box::new(script), Box::new(|_, _| Answer::Never))
    }

    pub(super) fn prober(
        script: impl Fn(&str, usize) -> Answer<(), ProbeFailure> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::new(Box::new(|_, _| Answer::Never), Box::new(script))
    }

    fn new(redeem: Box<Script<Bundle, RedeemFailure>>, probe: Box<Script<(), ProbeFailure>>) -> Arc<Self> {
        Arc::new(Self { redeem, probe, calls: Mutex::new(Vec::new()), called: Notify::new() })
    }

    /// For the port that a test is not about.
    pub(super) fn idle() -> Arc<Self> {
        Self::redeemer(|_, _| Answer::Never)
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits until there were so many calls.
    pub(super) async fn wait_calls(&self, count: usize) -> Vec<Call> {
        let waiting = async {
            loop {
                let called = self.called.notified();
                if self.calls().len() >= count {
                    return self.calls();
                }
                called.await;
            }
        };
        timeout(DEADLINE, waiting).await.unwrap()
    }

    fn count(&self, name: &str, subject: &str, key: Option<&RequestKey>) -> usize {
        let mut calls = self.calls.lock().unwrap();
        let before = calls.iter().filter(|call| call.name == name).count();
        let key = key.map(|key| key.pem().expose().to_owned());
        calls.push(Call { name: name.to_owned(), subject: subject.to_owned(), key, at: Instant::now() });
        self.called.notify_waiters();
        before
    }
}

async fn give<T, E>(answer: Answer<T, E>) -> Result<T, E> {
    match answer {
        Answer::Now(result) => result,
        Answer::After(notify, result) => {
            notify.notified().await;
            result
        }
        Answer::Never => std::future::pending().await,
    }
}

impl Redeemer for Scripted {
    fn redeem<'a>(
        &'a self,
        token: &'a AccessToken,
        subject: &'a str,
        key: Option<&'a RequestKey>,
    ) -> PortFuture<'a, Bundle, RedeemFailure> {
        let before = self.count(token.name.as_str(), subject, key);
        Box::pin(give((self.redeem)(token.name.as_str(), before)))
    }
}

impl Prober for Scripted {
    fn probe<'a>(&'a self, endpoint: &'a Endpoint, credentials: &'a TlsSecret) -> PortFuture<'a, (), ProbeFailure> {
        let at = format!("{}:{}", endpoint.host, endpoint.port);
        let before = self.count(&at, credentials.name.as_str(), None);
        Box::pin(give((self.probe)(&at, before)))
    }
}
