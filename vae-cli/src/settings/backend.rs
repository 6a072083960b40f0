//! The backends by name.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// How the CPU backends `flex` and `ndarray` compute what a training step spends its time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ops {
    /// With fused kernels.
    #[default]
    Fast,
    /// With the backend's own operations, against which the kernels are tested.
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
