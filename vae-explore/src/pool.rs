//! Threads with a model each, so that one client does not wait for another.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use axum::http::StatusCode;
use tokio::{sync::oneshot, time::timeout};
use vae_variants::Trained;

use crate::refusal::{Answer, Refusal};

/// Work that waits for a thread, at most; more is refused.
const WAITING: usize = 256;
/// The longest that a client waits.
const PATIENCE: Duration = Duration::from_secs(60);

type Work = Box<dyn FnOnce(&Trained) + Send>;

/// Threads that do the same kind of work.
#[derive(Clone)]
pub struct Pool {
    work: SyncSender<Work>,
}

impl Pool {
    /// A thread for each model. They end when the pool is dropped.
    pub fn new(models: Vec<Trained>) -> Self {
        let (work, waiting) = sync_channel::<Work>(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for model in models {
            let waiting = Arc::clone(&waiting);
            thread::spawn(move || serve(&model, &waiting));
        }
        Self { work }
    }

    /// Does work on a model of the pool for someone who waits.
    ///
    /// # Errors
    /// What the work refuses; or that there is too much of it, it takes too long, or it fails.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Trained) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        match timeout(PATIENCE, self.wait(work)).await {
            Ok(answer) => answer,
            Err(_) => Err(Refusal::of(
                StatusCode::GATEWAY_TIMEOUT,
                "the model takes too long for this",
            )),
        }
    }

    /// Does work on a model of the pool, however long it takes.
    ///
    /// # Errors
    /// As [`Pool::ask`].
    pub async fn wait<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Trained) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |model| {
            let found = catch_unwind(AssertUnwindSafe(|| work(model)));
            // Whoever asked may be gone.
            let _ = answer.send(found);
        });
        self.work.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => {
                let why = "too many requests wait for the model: try again in a moment";
                Refusal::of(StatusCode::SERVICE_UNAVAILABLE, why)
            }
            TrySendError::Disconnected(_) => Refusal::of(
                StatusCode::SERVICE_UNAVAILABLE,
                "the program is about to end",
            ),
        })?;
        let failed = || {
            let why = "the model failed at this; the program says more on standard error";
            Refusal::of(StatusCode::INTERNAL_SERVER_ERROR, why)
        };
        match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(failed()),
        }
    }
}

fn serve(model: &Trained, waiting: &Mutex<Receiver<Work>>) {
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        match next {
            Ok(work) => work(model),
            Err(_) => return,
        }
    }
}
