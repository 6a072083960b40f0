//! Stopping on Ctrl-C and on a request to terminate.

use std::io;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

/// The exit code of a task that was stopped by a signal.
pub const STOPPED: u8 = 130;

/// How long trials may take to stop by themselves after Ctrl-C, which reaches them too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells whether the user asked to stop. A second request ends this process at once.
pub struct Stop {
    requested: Arc<AtomicBool>,
    /// The request came to this process alone: trials have to be told.
    to_pass_on: Arc<AtomicBool>,
}

impl Stop {
    pub fn listen() -> io::Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        let to_pass_on = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            register_conditional_shutdown(signal, STOPPED.into(), Arc::clone(&requested))?;
            if signal != SIGINT {
                register(signal, Arc::clone(&to_pass_on))?;
            }
            register(signal, Arc::clone(&requested))?;
        }
        Ok(Self {
            requested,
            to_pass_on,
        })
    }

    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Whether to tell the trials now, given when the request was first seen.
    pub fn must_pass_on(&self, since: Instant) -> bool {
        self.to_pass_on.load(Ordering::SeqCst) || since.elapsed() > PATIENCE
    }
}

/// Asks a child process to end.
pub fn ask_to_end(child: &Child) {
    // A child that has ended meanwhile needs no signal.
    if let Ok(id) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
}
