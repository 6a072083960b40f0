//! The one place where a backend is chosen.

use anyhow::Result;
use burn::tensor::backend::Backend as Burn;
use burn_flex::Flex;
use burn_ndarray::NdArray;

use crate::settings::{Backend, Ops};

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
        Backend::Wgpu => on_card::<burn_wgpu::Wgpu<f32, i32>, J>(backend, job),
        #[cfg(feature = "cuda")]
        Backend::Cuda => on_card::<burn_cuda::Cuda<f32, i32>, J>(backend, job),
        #[allow(unreachable_patterns)]
        other => anyhow::bail!("this build lacks the {other} backend; see `vae backends`"),
    }
}

/// Does `job` on a graphics card, if there is one that works.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn on_card<B: Burn, J: Job>(backend: Backend, job: J) -> Result<J::Output> {
    let device = B::Device::default();
    try_card::<B>(&device).map_err(|reason| {
        // Drivers give pages of details; the first clause names what is missing.
        let reason = reason.split([':', '\n']).next().unwrap_or_default();
        let reason = reason.split(" - ").next().unwrap_or_default();
        let needs = match backend {
            Backend::Cuda => "an NVIDIA card, its driver and the CUDA toolkit",
            _ => "a Vulkan driver (Mesa's `lavapipe` does without a card), Metal or DirectX 12",
        };
        anyhow::anyhow!(
            "the {backend} backend finds no graphics card that it can use: {reason}\n\
             it needs {needs}; `--backend flex` needs none"
        )
    })?;
    job.run::<B>(device)
}

/// Computes one sum on the card. Burn has no call that asks whether a device works: it panics, in a
/// thread of its own, and what that thread says is the reason given here.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn try_card<B: Burn>(device: &B::Device) -> std::result::Result<(), String> {
    use std::panic;
    use std::sync::{Arc, Mutex, PoisonError};

    use burn::tensor::Tensor;

    let first = Arc::new(Mutex::new(None));
    let said = Arc::clone(&first);
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or("no reason given");
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.get_or_insert_with(|| text.to_owned());
    }));
    let sum = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        Tensor::<B, 1>::ones([4], device).sum().try_into_scalar()
    }));
    panic::set_hook(usual);
    let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (sum, first) {
        (Ok(Ok(_)), _) => Ok(()),
        (Ok(Err(error)), None) => Err(error.to_string()),
        (_, reason) => Err(reason.unwrap_or_default()),
    }
}

/// Chooses how the backends compute, limits the threads of each to `threads`, or to the cores if
/// that is 0, and returns the number. To be called once, before any other thread starts.
///
/// # Errors
/// If the thread pool cannot be built.
pub fn prepare(threads: usize, ops: Ops) -> Result<usize> {
    if ops == Ops::Reference {
        vae_core::ops::use_reference();
    }
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        given => given,
    };
    for variable in ["MATMUL_NUM_THREADS", "OMP_NUM_THREADS"] {
        // SAFETY: called at the start of the program, while this is the only thread.
        unsafe { std::env::set_var(variable, threads.to_string()) };
    }
    #[cfg(feature = "tch")]
    prepare_tch(threads);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()?;
    Ok(threads)
}

/// LibTorch has read the environment by now, and takes its memory from the C library, which gives large
/// blocks back to the system as soon as they are free: every step would fault thousands of pages in
/// again.
#[cfg(feature = "tch")]
fn prepare_tch(threads: usize) {
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The most that the library allows.
        const LARGEST_BLOCK: i32 = 32 << 20;
        // SAFETY: both only change how the C library manages its heap.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_BLOCK);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        }
    }
}
