//! Times training steps of an MLP VAE written with tch.

mod turns;

use tch::{
    Device, Kind, Reduction, Tensor,
    nn::{self, Module, OptimizerConfig},
};

use turns::{FEATURES, Work};

fn main() {
    let work = Work::from_arguments();
    tch::set_num_threads(work.threads as i32);
    let weights = nn::VarStore::new(Device::Cpu);
    let root = weights.root();
    let (features, hidden, latent) = (FEATURES as i64, work.hidden as i64, work.latent as i64);
    let layer = |name: &str, from, to| nn::linear(&root / name, from, to, Default::default());
    let encoder = layer("encoder", features, hidden);
    let code = layer("code", hidden, 2 * latent);
    let decoder = layer("decoder", latent, hidden);
    let pixels = layer("pixels", hidden, features);
    let mut optimizer = nn::Adam::default().build(&weights, 1e-3).expect("Adam");
    let images = Tensor::from_slice(&work.images()).view([-1, features]);
    work.take_turns(|step| {
        let x = images.index_select(0, &Tensor::from_slice(&work.indices(step)));
        let parameters = code.forward(&encoder.forward(&x).relu());
        let mean = parameters.narrow(1, 0, latent);
        let log_variance = parameters.narrow(1, latent, latent);
        let z = &mean + (&log_variance * 0.5).exp() * mean.randn_like();
        let logits = pixels.forward(&decoder.forward(&z).relu());
        let nll = logits.binary_cross_entropy_with_logits::<Tensor>(&x, None, None, Reduction::Sum);
        let kl = (mean.square() + log_variance.exp() - log_variance - 1.0).sum(Kind::Float) * 0.5;
        let loss = (nll + kl) / work.batch as f64;
        optimizer.backward_step(&loss);
        let _ = loss.double_value(&[]);
    });
}
