//! How much memory a model takes, before it is built.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Tensor, backend::Backend},
};
use vae_core::{Error, Result};
use vae_data::ram;

/// Bytes of a number.
const NUMBER: f64 = 4.0;

/// What a model is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A gradient and two moments of the optimizer stand beside each parameter.
    Training,
    /// The parameters alone.
    Use,
}

/// Refuses a model whose parameters do not fit into the memory of this machine. `model` is of
/// [`Init::dry`](vae_core::nets::Init::dry).
///
/// # Errors
/// [`Error::Unfit`] with both sizes, and the largest of its tensors.
pub fn check_memory<B: Backend>(model: &impl Module<B>, purpose: Purpose) -> Result<()> {
    match ram::total() {
        Some(total) => check_within(model, purpose, total),
        None => Ok(()),
    }
}

fn check_within<B: Backend>(
    model: &impl Module<B>,
    purpose: Purpose,
    available: u64,
) -> Result<()> {
    let tensors = tensors(model);
    let numbers = |dims: &[usize]| dims.iter().map(|size| *size as f64).product::<f64>();
    let all: f64 = tensors.iter().map(|(_, dims)| numbers(dims)).sum();
    let (copies, what) = match purpose {
        Purpose::Training => (4.0, "the parameters, their gradients and the optimizer"),
        Purpose::Use => (1.0, "the parameters"),
    };
    let needed = copies * NUMBER * all;
    if needed <= available as f64 {
        return Ok(());
    }
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    let size = |tensor: &&(String, Vec<usize>)| numbers(&tensor.1);
    // The first of them, where several are as large.
    let largest = tensors
        .iter()
        .rev()
        .max_by(|a, b| size(a).total_cmp(&size(b)));
    let (name, dims) = largest.cloned().unwrap_or_default();
    Err(Error::Unfit(format!(
        "the model is too large: {what} need {:.0} GiB, and this machine has {:.0} GiB of memory; the largest \
         part is {name} with {dims:?} numbers: choose smaller widths in model.hidden, model.latent or \
         model.channels, or smaller examples",
        gib(needed).ceil(),
        gib(available as f64),
    )))
}

/// Name and dimensions of each tensor of parameters.
pub fn tensors<B: Backend>(model: &impl Module<B>) -> Vec<(String, Vec<usize>)> {
    let mut tensors = Tensors::default();
    model.visit(&mut tensors);
    tensors.found
}

#[derive(Default)]
struct Tensors {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>)>,
}

impl<B: Backend> ModuleVisitor<B> for Tensors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let dims = param.lazy_shape().to_vec();
        self.found.push((self.path.join("."), dims));
    }

    // The members of an enum are no part of a name.
    fn enter_module(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.path.push(name.to_owned());
        }
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use vae_core::nets::{Init, Mlp, ModelConfig};

    use super::*;

    /// By hand: 10 * 7 + 7 in the hidden layer, 7 * 3 + 3 in the head: 101 numbers, 404 bytes; to train four
    /// times as much.
    #[test]
    fn what_does_not_fit_is_refused_with_its_largest_part() {
        let device = Default::default();
        let mut init = Init::<Flex>::dry(&device);
        let mlp = Mlp::init(&ModelConfig::default(), 10, &[7], 3, &mut init);
        for (purpose, bytes) in [(Purpose::Use, 404), (Purpose::Training, 1616)] {
            assert!(check_within(&mlp, purpose, bytes).is_ok());
            let error = check_within(&mlp, purpose, bytes - 1).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("blocks.0.dense.weight with [10, 7]"),
                "{text}"
            );
        }
    }

    /// A hundred billion numbers are counted without being made.
    #[test]
    fn nothing_is_made_to_be_counted() {
        let device = Default::default();
        let mut init = Init::<Flex>::dry(&device);
        let mlp = Mlp::init(&ModelConfig::default(), 1 << 20, &[1 << 20], 1, &mut init);
        let text = check_within(&mlp, Purpose::Use, 1 << 30)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("need 4097 GiB, and this machine has 1 GiB"),
            "{text}"
        );
    }
}
