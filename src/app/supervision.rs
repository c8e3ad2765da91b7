//! Supervision of the tasks that run as long as the server does. One that panics is not started again: what it had in hand is
//! unknown, and a restart of the process is the tested way to begin again. Probes are told, so that a supervisor does it.

use std::{collections::BTreeSet, future::Future};

use super::{
    background::{BackgroundTask, Supervised},
    service::App,
};

impl App {
    /// Does the work of a background task. When it panics, the task is [lost](Self::lost_tasks), and the panic goes on.
    pub async fn supervised<T>(&self, task: BackgroundTask, work: impl Future<Output = T>) -> T {
        let _supervised = Supervised { lost: &self.lost, task };
        work.await
    }

    /// The tasks that have panicked. With any, the process should be started again.
    pub fn lost_tasks(&self) -> BTreeSet<BackgroundTask> {
        if self.store.has_lost_its_writer() {
            self.lost.add(BackgroundTask::StoreWriter);
        }
        self.lost.all()
    }
}
