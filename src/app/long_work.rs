//! Work that needs the CPU, or memory beside the budget, for longer than a redemption should wait: a few pieces at a time, and
//! not on the threads that serve redemptions.

use std::num::NonZeroUsize;

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{Semaphore, SemaphorePermit},
};

/// The places for such work.
#[derive(Debug)]
pub struct LongWork(Semaphore);

/// A place, held until this is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
}

impl Default for LongWork {
    /// Half as many places as there are cores, and one at least.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Semaphore::new((cores / 2).max(1)))
    }
}

impl LongWork {
    /// Waits for a place. Those who wait get one in their order.
    pub async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        Turn { _permit: self.0.acquire().await.ok() }
    }

    /// Waits for a place and does the work there.
    pub async fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _turn = self.turn().await;
        apart(work)
    }
}

impl Turn<'_> {
    /// Does a piece of work in this place.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        apart(work)
    }
}

/// Does the work while another thread takes over what else this one has to do. A runtime with one thread has no other.
fn apart<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) | Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_while_long_work_is_done() {
        let (sender, receiver) = mpsc::channel();
        let long = LongWork::default();
        let worker = tokio::spawn(async move {
            long.run(move || receiver.recv_timeout(Duration::from_secs(20)).unwrap()).await;
        });
        // On the same worker thread, which would be blocked.
        tokio::spawn(async move { sender.send(()).unwrap() }).await.unwrap();

        tokio::time::timeout(Duration::from_secs(20), worker).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_runtime_with_one_thread_does_it_at_once() {
        assert_eq!(LongWork::default().run(|| 7).await, 7);
    }
}
