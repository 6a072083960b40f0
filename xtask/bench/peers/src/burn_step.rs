//! Times training steps of an MLP VAE in a loop written by hand on Burn and its tch backend: what a
//! trainer costs is the difference to this.

mod turns;

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    optim::{AdamConfig, GradientsParams, Optimizer},
    tensor::{
        Distribution, Int, Tensor, TensorData,
        activation::relu,
        backend::{AutodiffBackend, Backend},
    },
};
use burn_autodiff::Autodiff;
use burn_tch::LibTorch;

use turns::{FEATURES, Work};

#[derive(Module, Debug)]
struct Vae<B: Backend> {
    encoder: Linear<B>,
    code: Linear<B>,
    decoder: Linear<B>,
    pixels: Linear<B>,
}

impl<B: Backend> Vae<B> {
    fn new(work: &Work, device: &B::Device) -> Self {
        let layer = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            encoder: layer(FEATURES, work.hidden),
            code: layer(work.hidden, 2 * work.latent),
            decoder: layer(work.latent, work.hidden),
            pixels: layer(work.hidden, FEATURES),
        }
    }

    /// The negative ELBO, averaged over the batch.
    fn loss(&self, x: Tensor<B, 2>) -> Tensor<B, 1> {
        let code = self.code.forward(relu(self.encoder.forward(x.clone())));
        let [mean, log_variance]: [_; 2] = code.chunk(2, 1).try_into().expect("two halves");
        let noise = mean.random_like(Distribution::Normal(0.0, 1.0));
        let z = mean.clone() + log_variance.clone().mul_scalar(0.5).exp() * noise;
        let logits = self.pixels.forward(relu(self.decoder.forward(z)));
        let nll = relu(logits.clone()) - logits.clone() * x + logits.abs().neg().exp().log1p();
        let kl = mean.square() + log_variance.clone().exp() - log_variance - 1.0;
        (nll.sum_dim(1) + kl.sum_dim(1).mul_scalar(0.5)).mean()
    }
}

fn train<B: AutodiffBackend>(work: &Work, device: B::Device) {
    let mut vae = Some(Vae::<B>::new(work, &device));
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let images = work.images();
    let images = TensorData::new(images, [work.images_in_memory(), FEATURES]);
    let images = Tensor::<B, 2>::from_data(images, &device);
    work.take_turns(|step| {
        let model = vae.take().expect("every step puts it back");
        let indices = TensorData::new(work.indices(step), [work.batch]);
        let indices = Tensor::<B, 1, Int>::from_data(indices, &device);
        let loss = model.loss(images.clone().select(0, indices));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        vae = Some(optimizer.step(1e-3, model, gradients));
        let _ = loss.into_scalar();
    });
}

fn main() {
    let work = Work::from_arguments();
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("OMP_NUM_THREADS", work.threads.to_string()) };
    train::<Autodiff<LibTorch>>(&work, Default::default());
}
