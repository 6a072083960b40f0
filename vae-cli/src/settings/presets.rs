//! Settings known by name, embedded in the program.

/// A preset.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// The name that `--preset` takes.
    pub name: &'static str,
    /// The settings, as a configuration file.
    pub text: &'static str,
}

/// The presets called so, each the file of its name.
macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(Preset {
            name: $name,
            text: include_str!(concat!("../presets/", $name, ".toml")),
        }),*]
    };
}

/// Every preset.
pub const PRESETS: &[Preset] = presets![
    "basic",
    "static-mnist",
    "conv",
    "sparse-overcomplete",
    "vaegan",
    "semi",
    "semi-codes",
    "contractive",
    "anomaly",
    "synthesis",
];

impl Preset {
    /// What it is: the comment in the first line of its file.
    pub fn summary(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches(['#', ' '])
    }
}
