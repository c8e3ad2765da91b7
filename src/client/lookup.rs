//! Look-ups of host names by the system's resolver, which blocks a thread for as long as name servers do not answer, and
//! cannot be interrupted.
//!
//! They have threads of their own, and not those of the runtime, on which certificates are signed; and of these threads
//! there are few, shared fairly: a namespace whose names do not resolve delays the look-ups of no other.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
};

use tokio::sync::oneshot;

use crate::app::{FairPermits, PermitLimits};

/// Threads, each with a look-up.
const LIMITS: PermitLimits = PermitLimits { total: 64, per_namespace: 24, per_host: 4 };

type LookUp = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Looks names up.
pub(super) struct Lookups {
    permits: FairPermits,
    look_up: Arc<LookUp>,
}

impl Lookups {
    /// With the system's resolver.
    pub(super) fn by_the_system() -> Self {
        Self::new(|host, port| (host, port).to_socket_addrs().map(Iterator::collect))
    }

    fn new(look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self { permits: FairPermits::new(LIMITS), look_up: Arc::new(look_up) }
    }

    /// The addresses of a host. Waits for the resolver as long as it takes: callers have a deadline, and may drop this future.
    ///
    /// # Errors
    /// The resolver's.
    pub(super) async fn addresses(&self, namespace: &str, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let permit = self.permits.acquire(namespace, host).await;
        let (sender, answer) = oneshot::channel();
        let (look_up, host) = (Arc::clone(&self.look_up), host.to_owned());
        thread::Builder::new().name("lookup".to_owned()).spawn(move || {
            // Until the resolver answers, also when nobody waits for that any more: the thread exists for so long.
            let _permit = permit;
            let _ = sender.send(look_up(&host, port));
        })?;
        answer.await.unwrap_or_else(|_| Err(io::Error::other("the look-up of the name failed")))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Condvar, Mutex},
        time::Duration,
    };

    use tokio::{task::JoinSet, time::timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Names that begin with `hang` get their answer when `release` is called.
    #[derive(Default)]
    struct NameServer {
        /// How many look-ups hang, and whether they may end.
        state: Mutex<(usize, bool)>,
        changed: Condvar,
    }

    impl NameServer {
        fn answer(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            if host.starts_with("hang") {
                let mut state = self.state.lock().unwrap();
                state.0 += 1;
                self.changed.notify_all();
                drop(self.changed.wait_while(state, |(_, released)| !*released).unwrap());
            }
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        }

        fn hanging(&self) -> usize {
            self.state.lock().unwrap().0
        }

        fn release(&self) {
            self.state.lock().unwrap().1 = true;
            self.changed.notify_all();
        }
    }

    async fn hang(lookups: &Arc<Lookups>, server: &NameServer, namespace: &'static str) -> JoinSet<()> {
        let mut waiting = JoinSet::new();
        for number in 0..200 {
            let lookups = Arc::clone(lookups);
            waiting.spawn(async move {
                let _ = lookups.addresses(namespace, &format!("hang-{number}.example.com"), 443).await;
            });
        }
        let before = server.hanging();
        let started = async {
            while server.hanging() < before + LIMITS.per_namespace {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, started).await.unwrap();
        waiting
    }

    #[tokio::test]
    async fn names_that_do_not_resolve_take_few_threads_and_delay_no_other_namespace() {
        let server = Arc::new(NameServer::default());
        let answering = Arc::clone(&server);
        let lookups = Arc::new(Lookups::new(move |host, port| answering.answer(host, port)));
        let mut waiting = [hang(&lookups, &server, "east").await, hang(&lookups, &server, "south").await];

        let other = timeout(PATIENCE, lookups.addresses("west", "router.example.com", 55671)).await;

        assert_eq!(other.unwrap().unwrap(), [SocketAddr::from(([127, 0, 0, 1], 55671))]);
        assert_eq!(server.hanging(), 2 * LIMITS.per_namespace);
        // Their callers have given up; the threads are still there, and no more of them come.
        for waiting in &mut waiting {
            waiting.shutdown().await;
        }
        let again = hang_one(&lookups, "east");
        assert!(timeout(Duration::from_millis(50), again).await.is_err());
        assert_eq!(server.hanging(), 2 * LIMITS.per_namespace);
        server.release();
    }

    async fn hang_one(lookups: &Lookups, namespace: &str) {
        let _ = lookups.addresses(namespace, "hang-last.example.com", 443).await;
    }

    #[test]
    fn look_ups_that_hang_take_no_thread_of_the_runtime() {
        let server = Arc::new(NameServer::default());
        let answering = Arc::clone(&server);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let lookups = Arc::new(Lookups::new(move |host, port| answering.answer(host, port)));
            let _waiting = hang(&lookups, &server, "east").await;

            let signed = timeout(PATIENCE, tokio::task::spawn_blocking(|| 7)).await;

            assert_eq!(signed.unwrap().unwrap(), 7);
            server.release();
        });
    }
}
