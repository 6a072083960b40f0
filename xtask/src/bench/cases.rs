//! What is timed: each case is a model, with the arguments that describe it to every program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use super::Programs;
use crate::workspace;

/// A model and a batch.
pub struct Case {
    pub name: &'static str,
    /// Steps of a round.
    steps: usize,
    /// Arguments of `vae bench`.
    pub vae: &'static str,
    /// Arguments of the script for PyTorch; empty if it has no such model.
    torch: &'static str,
    /// The script for PyTorch.
    script: &'static str,
    /// Whether the programs that know only the MLP take the same arguments.
    others: bool,
    /// Images to make for it: height, width and channels.
    images: Option<[usize; 3]>,
}

/// The script of the plain VAE.
const STEP: &str = "torch_step.py";

const fn mlp(name: &'static str, steps: usize, vae: &'static str, torch: &'static str) -> Case {
    Case {
        name,
        steps,
        vae,
        torch,
        script: STEP,
        others: true,
        images: None,
    }
}

const fn other(name: &'static str, vae: &'static str) -> Case {
    Case {
        name,
        steps: 50,
        vae,
        torch: "",
        script: STEP,
        others: false,
        images: None,
    }
}

const fn variant(name: &'static str, steps: usize, vae: &'static str, torch: &'static str) -> Case {
    Case {
        name,
        steps,
        vae,
        torch,
        script: "torch_variants.py",
        others: false,
        images: None,
    }
}

/// Every case.
pub const CASES: &[Case] = &[
    mlp(
        "mlp",
        100,
        "--hidden 512 --latent 20 --batch-size 128",
        "--hidden 512 --latent 20 --batch 128",
    ),
    mlp(
        "mlp-128-batch-16",
        400,
        "--hidden 128 --latent 20 --batch-size 16",
        "--hidden 128 --latent 20 --batch 16",
    ),
    mlp(
        "mlp-128-batch-128",
        200,
        "--hidden 128 --latent 20 --batch-size 128",
        "--hidden 128 --latent 20 --batch 128",
    ),
    mlp(
        "mlp-128-batch-1024",
        40,
        "--hidden 128 --latent 20 --batch-size 1024",
        "--hidden 128 --latent 20 --batch 1024",
    ),
    mlp(
        "mlp-512-batch-16",
        200,
        "--hidden 512 --latent 20 --batch-size 16",
        "--hidden 512 --latent 20 --batch 16",
    ),
    mlp(
        "mlp-512-batch-1024",
        20,
        "--hidden 512 --latent 20 --batch-size 1024",
        "--hidden 512 --latent 20 --batch 1024",
    ),
    mlp(
        "mlp-2048-batch-16",
        50,
        "--hidden 2048 --latent 20 --batch-size 16",
        "--hidden 2048 --latent 20 --batch 16",
    ),
    mlp(
        "mlp-2048-batch-128",
        30,
        "--hidden 2048 --latent 20 --batch-size 128",
        "--hidden 2048 --latent 20 --batch 128",
    ),
    mlp(
        "mlp-2048-batch-1024",
        5,
        "--hidden 2048 --latent 20 --batch-size 1024",
        "--hidden 2048 --latent 20 --batch 1024",
    ),
    Case {
        name: "conv-28x28x1",
        steps: 10,
        vae: "--arch conv --channels 32,64 --hidden 256 --latent 10 --batch-size 64",
        torch: "--arch conv --channels 32,64 --hidden 256 --latent 10 --batch 64",
        script: STEP,
        others: false,
        images: None,
    },
    Case {
        name: "conv-64x64x3",
        steps: 4,
        vae: "--arch conv --channels 32,32,64,64 --hidden 256 --latent 10 --batch-size 64",
        torch: "--arch conv --shape 3,64,64 --channels 32,32,64,64 --hidden 256 --latent 10 \
                --batch 64",
        script: STEP,
        others: false,
        images: Some([64, 64, 3]),
    },
    Case {
        name: "encode",
        steps: 100,
        vae: "--work encode --hidden 512 --latent 20 --batch-size 512",
        torch: "--work encode --hidden 512 --latent 20 --batch 512",
        script: STEP,
        others: false,
        images: None,
    },
    Case {
        name: "importance",
        steps: 5,
        vae: "--work importance --hidden 512 --latent 20 --batch-size 512",
        torch: "--work importance --hidden 512 --latent 20 --batch 512",
        script: STEP,
        others: false,
        images: None,
    },
    other(
        "contractive",
        "--variant contractive --hidden 512 --latent 20 --batch-size 128",
    ),
    other(
        "sparse",
        "--variant sparse --hidden 512 --latent 128 --batch-size 128",
    ),
    variant(
        "iwae",
        50,
        "--variant iwae --samples 50 --hidden 200,200 --activation tanh --latent 50 --batch-size 20",
        "--variant iwae --samples 50 --hidden 200,200 --activation tanh --latent 50 --batch 20",
    ),
    variant(
        "vaegan",
        20,
        "--variant vaegan --hidden 512 --latent 20 --batch-size 128",
        "--variant vaegan --hidden 512 --latent 20 --batch 128",
    ),
    variant(
        "semi",
        20,
        "--variant semi --labels 100 --hidden 500 --latent 50 --batch-size 200",
        "--variant semi --labelled 20 --hidden 500 --latent 50 --batch 200",
    ),
];

/// The command of a program, or why there is none.
type Program = (&'static str, Result<Command>);

impl Case {
    /// Every program that could run the case.
    pub fn commands(
        &self,
        programs: &Programs,
        folder: &Path,
        rounds: usize,
    ) -> Result<Vec<Program>> {
        let images = self.images.map(|shape| npy(folder, shape)).transpose()?;
        let vae = |mut command: Command, backend: &str, ops: &str| {
            command.arg("bench").args(self.vae.split_whitespace());
            command.args([
                "--turns",
                "--format",
                "json",
                "--backend",
                backend,
                "--ops",
                ops,
            ]);
            command.args(["--rounds", &rounds.to_string()]);
            command.args(["--steps", &self.steps.to_string()]);
            command.args(["--threads", &programs.threads.to_string()]);
            if let Some(images) = &images {
                command.arg("--dataset").arg(images);
            }
            command
        };
        let python = |python: &Option<PathBuf>, script: &str, more: &str| {
            let python = python.as_ref().ok_or_else(|| anyhow!("not installed"))?;
            let mut command = Command::new(python);
            command.arg(workspace::root().join("xtask/bench").join(script));
            command.args(self.torch.split_whitespace());
            command.args(["--steps", &self.steps.to_string()]);
            command.args(["--threads", &programs.threads.to_string()]);
            command.args(more.split_whitespace());
            Ok(command)
        };
        let built = || Command::new(&programs.vae);
        let mut all = vec![
            ("flex", Ok(vae(built(), "flex", "fast"))),
            ("flex, reference", Ok(vae(built(), "flex", "reference"))),
            ("ndarray", Ok(vae(built(), "ndarray", "fast"))),
        ];
        if !self.torch.is_empty() {
            all.push(("PyTorch", python(&programs.torch, self.script, "")));
            let compiled = python(&programs.torch, self.script, "--compile");
            all.push(("PyTorch compiled", compiled));
        }
        if self.others {
            all.push(("JAX", python(&programs.jax, "jax_step.py", "")));
            let mut pythae = python(&programs.pythae, "pythae_step.py", "");
            if let Ok(command) = &mut pythae {
                command.env("TQDM_DISABLE", "1");
            }
            all.push(("pythae", pythae));
            let peer = |name: &str| {
                let mut command = programs.peers.command(name)?;
                command.args(self.torch.split_whitespace());
                command.args(["--steps", &self.steps.to_string()]);
                command.args(["--threads", &programs.threads.to_string()]);
                Ok(command)
            };
            all.push(("candle", peer("candle_step")));
            all.push(("tch", peer("tch_step")));
            all.push(("Burn by hand on tch", peer("burn_step")));
            let ours = programs.peers.command("vae");
            all.push((
                "ours on tch",
                ours.map(|command| vae(command, "tch", "fast")),
            ));
        }
        Ok(all)
    }
}

/// Writes 512 images of noise as bytes, `[N, H, W, C]`.
fn npy(folder: &Path, [height, width, channels]: [usize; 3]) -> Result<PathBuf> {
    let count = 512;
    let mut header = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, {height}, {width}, \
         {channels}), }}"
    );
    // The length of magic, version, length and header is a multiple of 64.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let length = u16::try_from(header.len()).context("the header is short")?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.bytes());
    let mut state = 1_u32;
    bytes.extend((0..count * height * width * channels).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    let path = folder.join(format!("{height}x{width}x{channels}.npy"));
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
