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
    /// Data to make for it.
    data: Made,
}

/// What is made for a case.
#[derive(Clone, Copy)]
enum Made {
    /// `mnist-mini` will do.
    Nothing,
    /// Images: height, width and channels.
    Images([usize; 3]),
    /// Rows of so many counts.
    Counts(usize),
    /// Numbers and categories, of which some cells are missing.
    Table,
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
        data: Made::Nothing,
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
        data: Made::Nothing,
    }
}

/// A likelihood: the network of `mlp` on data that it can have.
const fn likelihood(
    name: &'static str,
    vae: &'static str,
    torch: &'static str,
    data: Made,
) -> Case {
    Case {
        data,
        others: false,
        ..mlp(name, 50, vae, torch)
    }
}

/// [`likelihood`] in the sizes of the case `mlp`.
macro_rules! likelihood {
    ($name:literal, $data:expr) => {
        likelihood(
            $name,
            concat!(
                "--likelihood ",
                $name,
                " --hidden 512 --latent 20 --batch-size 128"
            ),
            concat!(
                "--likelihood ",
                $name,
                " --hidden 512 --latent 20 --batch 128"
            ),
            $data,
        )
    };
}

const fn variant(name: &'static str, steps: usize, vae: &'static str, torch: &'static str) -> Case {
    Case {
        name,
        steps,
        vae,
        torch,
        script: "torch_variants.py",
        others: false,
        data: Made::Nothing,
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
        data: Made::Nothing,
    },
    Case {
        name: "conv-64x64x3",
        steps: 4,
        vae: "--arch conv --channels 32,32,64,64 --hidden 256 --latent 10 --batch-size 64",
        torch: "--arch conv --shape 3,64,64 --channels 32,32,64,64 --hidden 256 --latent 10 \
                --batch 64",
        script: STEP,
        others: false,
        data: Made::Images([64, 64, 3]),
    },
    likelihood!("poisson", Made::Counts(784)),
    likelihood!("negative-binomial", Made::Counts(784)),
    likelihood!("zero-inflated-negative-binomial", Made::Counts(784)),
    likelihood!("multinomial", Made::Counts(784)),
    likelihood(
        "categorical",
        "--likelihood categorical --hidden 128 --latent 20 --batch-size 16",
        "--likelihood categorical --hidden 128 --latent 20 --batch 16",
        Made::Nothing,
    ),
    likelihood!("discretized-logistic", Made::Nothing),
    likelihood(
        "per-column",
        "--hidden 512 --latent 20 --batch-size 128",
        "--likelihood per-column --hidden 512 --latent 20 --batch 128",
        Made::Table,
    ),
    Case {
        name: "encode",
        steps: 100,
        vae: "--work encode --hidden 512 --latent 20 --batch-size 512",
        torch: "--work encode --hidden 512 --latent 20 --batch 512",
        script: STEP,
        others: false,
        data: Made::Nothing,
    },
    Case {
        name: "importance",
        steps: 5,
        vae: "--work importance --hidden 512 --latent 20 --batch-size 512",
        torch: "--work importance --hidden 512 --latent 20 --batch 512",
        script: STEP,
        others: false,
        data: Made::Nothing,
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
        let data = self.data.write(folder)?;
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
            if let Some(data) = &data {
                command.arg("--dataset").arg(data);
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

impl Made {
    /// Writes it; the file that holds it.
    fn write(self, folder: &Path) -> Result<Option<PathBuf>> {
        let mut state = 1_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let (name, bytes) = match self {
            Self::Nothing => return Ok(None),
            Self::Images(shape) => {
                let pixels = (0..512 * shape.iter().product::<usize>()).map(|_| byte());
                let pixels: Vec<u8> = pixels.collect();
                let [height, width, channels] = shape;
                let shape = format!("512, {height}, {width}, {channels}");
                (
                    format!("{height}x{width}x{channels}.npy"),
                    npy("|u1", &shape, &pixels)?,
                )
            }
            Self::Counts(features) => {
                // Half of them are 0, few are large.
                let mut count = || f32::from((byte() / 16).saturating_sub(8).pow(2));
                let counts = (0..8192 * features).flat_map(|_| count().to_le_bytes());
                let counts: Vec<u8> = counts.collect();
                let shape = format!("8192, {features}");
                (
                    format!("counts-{features}.npy"),
                    npy("<f4", &shape, &counts)?,
                )
            }
            Self::Table => {
                let names = (0..20).map(|column| format!("x{column}"));
                let mut text = names.collect::<Vec<_>>().join(",");
                for _ in 0..9000 {
                    let cells = (0..20).map(|column| match (column, byte()) {
                        (_, 0..13) => String::new(),
                        (0..12, value) => value.to_string(),
                        (_, value) => format!("level {}", value % 5),
                    });
                    let cells = cells.collect::<Vec<_>>().join(",");
                    text += &format!("\n{cells}");
                }
                ("table.csv".into(), text.into_bytes())
            }
        };
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Some(path))
    }
}

/// An array in NumPy's format.
fn npy(kind: &str, shape: &str, values: &[u8]) -> Result<Vec<u8>> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    // The length of magic, version, length and header is a multiple of 64.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let length = u16::try_from(header.len()).context("the header is short")?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend_from_slice(values);
    Ok(bytes)
}
