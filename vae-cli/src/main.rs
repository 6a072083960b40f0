//! The `vae` binary: train, compare and use autoencoders.

mod closing;
mod commands;
mod options;
mod output;
mod pictures;
mod settings;
mod watch;

use std::process::ExitCode;

/// Page faults cost a training step more than a third of its time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A step frees what the next one needs again: memory is kept rather than given back to the system.
fn keep_memory() {
    /// `mi_option_purge_delay` of mimalloc.h, for which the crate has no name.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    const NEVER: std::ffi::c_long = -1;
    // SAFETY: it only changes how the allocator manages its memory.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, NEVER) };
}

fn main() -> ExitCode {
    keep_memory();
    match options::parse().run() {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if is_stopped(&error) => {
            eprintln!("stopped; nothing was written");
            ExitCode::from(commands::INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C came while a model was used.
fn is_stopped(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| matches!(cause.downcast_ref(), Some(vae_core::Error::Stopped)))
}

/// Whoever reads the output has closed it, e.g. `vae variants | head -1`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
