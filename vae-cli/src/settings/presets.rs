//! Settings known by name, embedded in the program.

/// A preset.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// The name that `--preset` takes.
    pub name: &'static str,
    /// The settings, as a configuration file.
    pub text: &'static str,
}

/// Every preset.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "basic",
        text: include_str!("../presets/basic.toml"),
    },
    Preset {
        name: "static-mnist",
        text: include_str!("../presets/static-mnist.toml"),
    },
    Preset {
        name: "conv",
        text: include_str!("../presets/conv.toml"),
    },
    Preset {
        name: "sparse-overcomplete",
        text: include_str!("../presets/sparse-overcomplete.toml"),
    },
    Preset {
        name: "vaegan",
        text: include_str!("../presets/vaegan.toml"),
    },
    Preset {
        name: "semi",
        text: include_str!("../presets/semi.toml"),
    },
    Preset {
        name: "semi-codes",
        text: include_str!("../presets/semi-codes.toml"),
    },
    Preset {
        name: "contractive",
        text: include_str!("../presets/contractive.toml"),
    },
];

impl Preset {
    /// What it is: the comment in the first line of its file.
    pub fn summary(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches(['#', ' '])
    }
}
