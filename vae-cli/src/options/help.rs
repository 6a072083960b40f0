//! What stands below the options in help texts.

use std::fmt::Write;

use vae_variants::Variant;

use crate::settings::PRESETS;

/// Heading of the flags for other layers of settings.
pub const CONFIGURATION: &str = "Configuration";
/// Heading of the flags on what is printed.
pub const OUTPUT: &str = "Output";

const LAYERS: &str = "\
Settings, each layer over the one before:
  1. the defaults
  2. --preset NAME, or `preset = \"NAME\"` in a settings file
  3. vae.toml in the working folder
  4. --config files, in order
  5. environment variables: VAE_SEED=1, VAE_TRAIN__BATCH_SIZE=64 (__ stands for the dot of
     train.batch_size)
  6. flags, --set among them
  Another variant or optimizer in a later layer drops the options of the one before.
  A SCHEDULE is a number or { kind = \"linear\", from = 0, to = 1, start = 0, until = 1 };
  the other kinds are cosine, cyclic and steps.
";

const NEXT: &str = "
Next: `vae variants` and `vae datasets` say what there is to choose from; `vae config` shows the
settings in force and where each comes from; `vae sample RUN` draws from a finished run.";

const NEXT_AFTER_CONFIG: &str = "
Next: `vae config > my.toml` writes a settings file to start from, for --config my.toml; --set takes
every key in it. The config.toml in the folder of a run repeats that run:
`vae --config RUN/config.toml --out NEW`.";

/// Heading of the flags of `vae bench`.
pub const BENCH: &str = "Benchmark";

/// Below the options of `vae bench`.
pub const AFTER_BENCH: &str = "\
Examples:
  vae bench --hidden 512 --batch-size 128
  vae bench --hidden 512 --batch-size 128 --ops reference
Next: `cargo xtask bench`, in the source of this program, compares with PyTorch and JAX.";

/// Below the options of `vae sample`.
pub const SAMPLE: &str = "\
Examples:
  vae sample runs/vae-mnist-mini-1
  vae sample runs/cvae-mnist-mini-1 --class 7 --count 100 --out sevens.png";

/// Below the options of `vae variants`.
pub const VARIANTS: &str = "Next: vae --variant NAME trains one; `vae --help` lists all options.";

/// Below the options of `vae datasets`.
pub const DATASETS: &str = "Next: vae --dataset NAME trains on one, vae --dataset PATH on a file.";

/// Below the options of `vae backends`.
pub const BACKENDS: &str = "Next: vae --backend NAME trains on one of those in this build.";

/// Below the options of `vae completions`.
pub const COMPLETIONS: &str = "\
Examples:
  vae completions bash > ~/.local/share/bash-completion/completions/vae
  vae completions zsh > ~/.zfunc/_vae
  vae completions fish > ~/.config/fish/completions/vae.fish";

/// Below the options of the commands that take settings.
pub fn after(trains: bool) -> String {
    let mut text = String::new();
    let variants: Vec<_> = Variant::all().iter().map(Variant::info).collect();
    text.push_str("Variants:\n");
    rows(
        &mut text,
        variants.iter().map(|info| (info.name, info.summary)),
    );
    text.push_str("\nPresets:\n");
    rows(
        &mut text,
        PRESETS.iter().map(|preset| (preset.name, preset.summary())),
    );
    text.push('\n');
    text.push_str(LAYERS);
    if trains {
        text.push_str("\nExamples, one for each variant:\n");
        for info in &variants {
            let _ = writeln!(text, "  vae {}", info.example);
        }
        text.push_str(NEXT);
    } else {
        text.push_str(NEXT_AFTER_CONFIG);
    }
    text
}

fn rows<'a>(text: &mut String, rows: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
    let width = rows.clone().map(|row| row.0.len()).max().unwrap_or(0);
    for (name, summary) in rows {
        let _ = writeln!(text, "  {name:width$}  {summary}");
    }
}
