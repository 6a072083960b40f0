//! The one place where a backend is chosen.

use anyhow::Result;
use burn::tensor::backend::Backend as Burn;
use burn_flex::Flex;
use burn_ndarray::NdArray;

use crate::settings::Backend;

/// Work that runs on any backend.
pub trait Job {
    /// What it gives.
    type Output;

    /// Does the work.
    ///
    /// # Errors
    /// Whatever ends it.
    fn run<B: Burn>(self, device: B::Device) -> Result<Self::Output>;
}

/// Does `job` on `backend`.
///
/// # Errors
/// Those of the job, or that this build lacks the backend.
pub fn run<J: Job>(backend: Backend, job: J) -> Result<J::Output> {
    match backend {
        Backend::Flex => job.run::<Flex>(Default::default()),
        Backend::Ndarray => job.run::<NdArray<f32>>(Default::default()),
        #[cfg(feature = "tch")]
        Backend::Tch => job.run::<burn_tch::LibTorch<f32>>(burn_tch::LibTorchDevice::Cpu),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => job.run::<burn_wgpu::Wgpu<f32, i32>>(Default::default()),
        #[cfg(feature = "cuda")]
        Backend::Cuda => job.run::<burn_cuda::Cuda<f32, i32>>(Default::default()),
        #[allow(unreachable_patterns)]
        other => anyhow::bail!("this build lacks the {other} backend; see `vae backends`"),
    }
}

/// Limits the threads of every backend to `threads`, or to the cores if that is 0, and returns the
/// number. To be called once, before any other thread starts.
///
/// # Errors
/// If the thread pool cannot be built.
pub fn limit_threads(threads: usize) -> Result<usize> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        given => given,
    };
    for variable in ["MATMUL_NUM_THREADS", "OMP_NUM_THREADS"] {
        // SAFETY: called at the start of the program, while this is the only thread.
        unsafe { std::env::set_var(variable, threads.to_string()) };
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()?;
    Ok(threads)
}
