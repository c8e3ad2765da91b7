//! A background task that panics is lost, and that is known.

use std::{collections::BTreeSet, sync::Arc};

use tokio::time::timeout;

use super::world::{DEADLINE, Scripted, World};
use crate::app::BackgroundTask;

#[tokio::test]
async fn a_task_that_panics_is_lost_and_one_that_ends_is_not() {
    let world = World::new().await;
    assert_eq!(world.app.supervised(BackgroundTask::Sweep, async { 7 }).await, 7);
    assert!(world.app.lost_tasks().is_empty());

    let app = Arc::clone(&world.app);
    let task = tokio::spawn(async move {
        app.supervised(BackgroundTask::Certificates, async { panic!("the test wants this panic") }).await;
    });

    assert!(task.await.is_err_and(|error| error.is_panic()));
    assert_eq!(world.app.lost_tasks().into_iter().collect::<Vec<_>>(), [BackgroundTask::Certificates]);
}

#[tokio::test]
async fn a_task_that_is_cancelled_is_not_lost() {
    let world = World::new().await;
    let app = Arc::clone(&world.app);
    let task = tokio::spawn(async move { app.supervised(BackgroundTask::Sweep, std::future::pending::<()>()).await });
    tokio::task::yield_now().await;

    task.abort();

    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    assert!(world.app.lost_tasks().is_empty());
}

/// The sweep, both controllers and their events do nothing without the store: where it panics, they do.
#[tokio::test]
async fn the_tasks_of_the_service_are_supervised() {
    let world = World::new().await;
    world.panic_when_read();

    let sweep = tokio::spawn(Arc::clone(&world.app).sweep_forever());
    let controllers = world.run(&Scripted::idle(), &Scripted::idle());

    assert!(sweep.await.is_err_and(|error| error.is_panic()));
    let both = BTreeSet::from([BackgroundTask::Sweep, BackgroundTask::Events]);
    let lost = async {
        while world.app.lost_tasks() != both {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, lost).await.unwrap();
    controllers.abort();
}
