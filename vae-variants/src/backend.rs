//! The backends by name, and the one place where one is chosen.

use std::fmt;

use burn::tensor::backend::Backend as Burn;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{Error, Result};

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Burn's own CPU backend.
    #[default]
    Flex,
    /// The `ndarray` crate on the CPU.
    Ndarray,
    /// LibTorch.
    Tch,
    /// Graphics cards through Vulkan, Metal, DirectX 12 or WebGPU.
    Wgpu,
    /// NVIDIA graphics cards.
    Cuda,
}

/// How the CPU backends `flex` and `ndarray` compute what a training step spends its time on, and where the noise of
/// graphics cards is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ops {
    /// With fused kernels, and with noise that a card draws itself.
    #[default]
    Fast,
    /// With the backend's own operations, against which the kernels are tested, and with noise that is drawn on the host.
    Reference,
}

impl Backend {
    /// Every backend, in this build or not.
    pub const ALL: [Self; 5] = [Self::Flex, Self::Ndarray, Self::Tch, Self::Wgpu, Self::Cuda];

    /// Name on the command line and in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Tch => "tch",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// One line on what it is.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Flex => "CPU, needs nothing else installed; the default",
            Self::Ndarray => "CPU, through the ndarray crate",
            Self::Tch => "CPU, through LibTorch (the library of PyTorch)",
            Self::Wgpu => "graphics cards, through Vulkan, Metal, DirectX 12 or WebGPU",
            Self::Cuda => "NVIDIA graphics cards, through CUDA",
        }
    }

    /// Whether this build has it.
    pub fn is_built(self) -> bool {
        match self {
            Self::Flex | Self::Ndarray => true,
            Self::Tch => cfg!(feature = "tch"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// The command that builds a program with it.
    pub fn how_to_get(self) -> String {
        match self {
            Self::Flex | Self::Ndarray => "in every build".to_owned(),
            Self::Tch => "cargo run -p vae-cli --features tch, with LibTorch installed; \
                          `cargo xtask tch` installs it in a folder of its own"
                .to_owned(),
            Self::Wgpu | Self::Cuda => format!("cargo run -p vae-cli --features {self}"),
        }
    }

    /// Names of the backends in this build.
    pub fn built() -> Vec<&'static str> {
        let built = Self::ALL.into_iter().filter(|backend| backend.is_built());
        built.map(Self::name).collect()
    }

    /// What a missing backend should be instead, and how to get it; nothing if this build has it.
    pub fn missing(self) -> Option<String> {
        (!self.is_built()).then(|| {
            format!(
                "one of those in this build: {}. To get {self}, build with it: {}",
                Self::built().join(", "),
                self.how_to_get()
            )
        })
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Work that runs on any backend.
pub(crate) trait Job {
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
pub(crate) fn on<J: Job>(backend: Backend, job: J) -> Result<J::Output> {
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
        other => Err(Error::setting(
            "backend",
            other,
            other.missing().unwrap_or_default(),
        )),
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
        Error::Unfit(format!(
            "the {backend} backend finds no graphics card that it can use: {reason}\n\
             it needs {needs}; the backend `flex` needs none"
        ))
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

/// What the thread does that prepares the backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// It uses the models, as one of the threads.
    Works,
    /// It waits for others that do.
    Waits,
}

/// Chooses how the backends compute, limits the threads of each to `threads`, or to the cores if
/// that is 0, and returns the number. To be called once, before any other thread starts.
///
/// # Errors
/// If the thread pool cannot be built.
pub fn prepare(threads: usize, ops: Ops, caller: Caller) -> Result<usize> {
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
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = match caller {
        Caller::Works => pool.use_current_thread(),
        Caller::Waits => pool,
    };
    pool.build_global()
        .map_err(|error| Error::Unfit(format!("the threads cannot be started: {error}")))?;
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
