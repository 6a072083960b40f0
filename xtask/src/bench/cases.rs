//! What is timed: each case is a model, with the arguments that describe it to every program.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::{Programs, data::Made};
use crate::workspace;

/// A line for each case.
const TABLE: &str = include_str!("../../bench/cases.txt");

/// A model and a batch.
pub struct Case {
    pub name: &'static str,
    /// Steps of a round.
    steps: &'static str,
    /// Arguments of `vae bench`, and of the scripts.
    pub arguments: Vec<&'static str>,
    /// Data to make for it.
    data: Made,
}

/// The name of a program, and its command or why there is none.
type Program = (&'static str, Result<Command>);

/// What a form of PyTorch is called, and the arguments that ask for it.
type Form = (&'static str, &'static [&'static str]);

/// How PyTorch can run any case.
const FORMS: &[Form] = &[("PyTorch", &[]), ("PyTorch compiled", &["--compile"])];
/// And a case with convolutions.
const CONV_FORMS: &[Form] = &[
    ("PyTorch channels_last", &["--channels-last"]),
    (
        "PyTorch compiled channels_last",
        &["--channels-last", "--compile"],
    ),
];
/// And one with Jacobians.
const JACOBIAN_FORMS: &[Form] = &[
    ("PyTorch rows", &["--by", "rows"]),
    ("PyTorch func", &["--by", "func"]),
    ("PyTorch func compiled", &["--by", "func", "--compile"]),
];

/// Every case.
pub fn all() -> Result<Vec<Case>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter(|line| !line.trim().is_empty());
    lines
        .map(|line| Case::parse(line).with_context(|| format!("in cases.txt, `{line}`")))
        .collect()
}

impl Case {
    fn parse(line: &'static str) -> Result<Self> {
        let mut words = line.split_whitespace();
        let (Some(name), Some(steps), Some(data)) = (words.next(), words.next(), words.next())
        else {
            bail!("a case has a name, steps and data");
        };
        Ok(Self {
            name,
            steps,
            data: data.parse()?,
            arguments: words.collect(),
        })
    }

    /// What follows an argument.
    fn value(&self, name: &str) -> Option<&'static str> {
        let at = self.arguments.iter().position(|word| *word == name)?;
        self.arguments.get(at + 1).copied()
    }

    /// Whether the programs that know only the VAE with one hidden layer can run it.
    fn is_for_all(&self) -> bool {
        let known = ["--hidden", "--latent", "--batch-size"];
        let mut names = self.arguments.iter().step_by(2);
        names.all(|name| known.contains(name))
            && self.value("--hidden").is_some_and(|of| !of.contains(','))
    }

    /// `vae COMMAND` with the case's arguments but for those named, and its data.
    pub fn vae(&self, program: &Path, command: &str, but: &str, folder: &Path) -> Result<Command> {
        let mut vae = Command::new(program);
        vae.arg(command);
        for pair in self.arguments.chunks(2).filter(|pair| pair[0] != but) {
            vae.args(pair);
        }
        if let Some(data) = self.data.write(folder)? {
            vae.arg("--dataset").arg(data);
        }
        Ok(vae)
    }

    /// The script of PyTorch with the case's arguments and data, and some more.
    pub fn torch(&self, programs: &Programs, more: &[&str], folder: &Path) -> Result<Command> {
        let script = match self.value("--variant") {
            Some(_) => "torch_variants.py",
            None => "torch_step.py",
        };
        let mut command = self.python(&programs.torch, script, programs.threads)?;
        command.args(more);
        if let Some(data) = self.data.write(folder)? {
            command.arg("--dataset").arg(data);
        }
        Ok(command)
    }

    fn python(&self, python: &Option<PathBuf>, script: &str, threads: usize) -> Result<Command> {
        let python = python.as_ref().ok_or_else(|| anyhow!("not installed"))?;
        let mut command = Command::new(python);
        command.arg(workspace::root().join("xtask/bench").join(script));
        self.turns(&mut command, threads);
        Ok(command)
    }

    fn turns(&self, command: &mut Command, threads: usize) {
        command.args(&self.arguments).args(["--steps", self.steps]);
        command.args(["--threads", &threads.to_string()]);
    }

    /// Every program that could run the case, of those that are wanted.
    pub fn commands(
        &self,
        programs: &Programs,
        folder: &Path,
        rounds: usize,
    ) -> Result<Vec<Program>> {
        let ours = |program: &Path, backend: &str, ops: &str| {
            let mut command = self.vae(program, "bench", "", folder)?;
            command.args(["--turns", "--format", "json", "--steps", self.steps]);
            command.args(["--backend", backend, "--ops", ops]);
            command.args(["--rounds", &rounds.to_string()]);
            command.args(["--threads", &programs.threads.to_string()]);
            Ok(command)
        };
        let vae = &programs.vae;
        let mut all = vec![("flex", "flex", ours(vae, "flex", "fast"))];
        all.push((
            "reference",
            "flex, reference",
            ours(vae, "flex", "reference"),
        ));
        all.push(("ndarray", "ndarray", ours(vae, "ndarray", "fast")));
        let is_conv = matches!(self.value("--arch"), Some("conv" | "resnet"));
        let has_jacobian = self.value("--variant") == Some("contractive");
        let more = [(is_conv, CONV_FORMS), (has_jacobian, JACOBIAN_FORMS)];
        let more = more.into_iter().filter(|(has, _)| *has);
        for (name, arguments) in FORMS.iter().chain(more.flat_map(|(_, forms)| forms)) {
            all.push(("torch", name, self.torch(programs, arguments, folder)));
        }
        if self.is_for_all() {
            let jax = self.python(&programs.jax, "jax_step.py", programs.threads);
            all.push(("jax", "JAX", jax));
            let mut pythae = self.python(&programs.pythae, "pythae_step.py", programs.threads);
            if let Ok(command) = &mut pythae {
                command.env("TQDM_DISABLE", "1");
            }
            all.push(("pythae", "pythae", pythae));
            let peer = |name: &str| {
                let mut command = programs.peers.command(name)?;
                self.turns(&mut command, programs.threads);
                Ok(command)
            };
            all.push(("peers", "candle", peer("candle_step")));
            all.push(("peers", "tch", peer("tch_step")));
            all.push(("peers", "Burn by hand on tch", peer("burn_step")));
            let with_tch = programs.peers.command("vae");
            let with_tch = with_tch.and_then(|of| {
                let mut command = ours(Path::new(of.get_program()), "tch", "fast")?;
                let variables = of
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?)));
                command.envs(variables);
                Ok(command)
            });
            all.push(("peers", "ours on tch", with_tch));
        }
        all.retain(|(group, _, _)| programs.wants(group));
        Ok(all
            .into_iter()
            .map(|(_, name, command)| (name, command))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_case_is_read_and_has_a_name_of_its_own() {
        let cases = all().unwrap();
        let names: HashSet<_> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len());
        for case in &cases {
            assert!(case.steps.parse::<usize>().is_ok(), "{}", case.name);
            let mut names = case.arguments.iter().step_by(2);
            assert!(names.all(|name| name.starts_with("--")), "{}", case.name);
            assert_eq!(case.arguments.len() % 2, 0, "{}", case.name);
        }
        let for_all = cases.iter().filter(|case| case.is_for_all());
        assert!(for_all.clone().all(|case| case.name.starts_with("mlp")));
        assert_eq!(for_all.count(), 9);
    }

    #[test]
    fn a_case_without_data_is_refused() {
        assert!(Case::parse("mlp 100").is_err());
        assert!(Case::parse("mlp 100 sounds --hidden 3").is_err());
    }
}
