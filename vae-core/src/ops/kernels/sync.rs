//! What [`team`](super::team) takes from the system. The model of the team puts Loom's in its place.

use std::time::{Duration, Instant};
use std::{cell, hint, thread};

pub use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
pub use std::sync::{Arc, Mutex};
pub use std::thread::{Thread, park};

/// How often a waiting thread looks before it lets others run in between.
const SPINS: usize = 1000;
/// How long a thread then looks for work before it sleeps.
const PATIENCE: Duration = Duration::from_millis(1);

/// Starts a thread.
pub fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Thread {
    let thread = thread::Builder::new().name(name).spawn(work);
    thread.expect("the system starts a thread").thread().clone()
}

/// A cell that threads share by a rule of their own.
pub struct UnsafeCell<T>(cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// A cell with a first value.
    pub fn new(value: T) -> Self {
        Self(cell::UnsafeCell::new(value))
    }

    /// Calls `read` with a pointer for reading.
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Calls `write` with a pointer for writing.
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// How a thread that waits passes the time.
pub struct Patience {
    spins: usize,
    since: Option<Instant>,
}

impl Patience {
    /// All of it.
    pub fn new() -> Self {
        Self {
            spins: 0,
            since: None,
        }
    }

    /// Lets a moment pass. Says whether to look again before going to sleep.
    pub fn pass(&mut self) -> bool {
        if self.spins < SPINS {
            self.spins += 1;
            hint::spin_loop();
            return true;
        }
        thread::yield_now();
        self.since.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }
}
