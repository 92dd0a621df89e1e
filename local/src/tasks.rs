//! Every background task of the cloud is started here, so that one signal ends them all.

use std::future::Future;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc, watch};

/// How long `stop` waits for tasks to notice; each of them only has to reach its next await.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Starts tasks on one runtime and ends them together.
#[derive(Debug)]
pub(crate) struct Tasks {
    handle: Handle,
    stop: watch::Sender<bool>,
    alive: std::sync::Mutex<Option<mpsc::Sender<()>>>,
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Tasks {
    pub(crate) fn new() -> Tasks {
        let (alive, ended) = mpsc::channel(1);
        Tasks {
            handle: Handle::current(),
            stop: watch::Sender::new(false),
            alive: std::sync::Mutex::new(Some(alive)),
            ended: Mutex::new(ended),
        }
    }

    /// Runs `work` until it ends or the cloud stops, whichever is first. After the stop nothing is started.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Some(alive) = crate::lock(&self.alive).clone() else { return };
        let mut stop = self.stop.subscribe();
        self.handle.spawn(async move {
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = work => {}
            }
            drop(alive);
        });
    }

    /// The runtime context, needed where a socket is handed to tokio outside of a task.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) async fn stop(&self) {
        crate::lock(&self.alive).take();
        self.stop.send_replace(true);
        let mut ended = self.ended.lock().await;
        // `None` comes when the last task dropped its sender.
        let _ = tokio::time::timeout(STOP_LIMIT, ended.recv()).await;
    }
}

/// Waits until `stop` turns true; forever when nobody is left to turn it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
