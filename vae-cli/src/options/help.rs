//! What help texts say besides the options.

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

/// The start of a text, without a full stop: what fits the short help.
pub fn first_sentence(text: &str) -> &str {
    let ends = text.match_indices(". ").map(|(at, _)| at);
    let mut ends = ends.filter(|&at| text[at + 2..].starts_with(|next: char| next.is_uppercase()));
    let first = ends.next().map_or(text, |at| &text[..at]);
    first.trim_end_matches('.')
}

/// Below the whole help of the commands that train.
pub fn after_train() -> String {
    let variants = Variant::all().into_iter();
    let examples = variants.map(|variant| format!("  vae {}\n", variant.info().example));
    let examples: String = examples.collect();
    let settings = settings();
    format!("{settings}\nExamples, one for each variant:\n{examples}{NEXT}")
}

/// Below the whole help of `vae config`.
pub fn after_config() -> String {
    settings() + NEXT_AFTER_CONFIG
}

fn settings() -> String {
    let variants = Variant::all().into_iter().map(|variant| variant.info());
    let variants = rows(variants.map(|info| (info.name, info.summary)));
    let presets = rows(PRESETS.iter().map(|preset| (preset.name, preset.summary())));
    format!("Variants:\n{variants}\nPresets:\n{presets}\n{LAYERS}")
}

fn rows(rows: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    rows.map(|(name, summary)| format!("  {name:<19}  {summary}\n"))
        .collect()
}
