//! Times training steps of an MLP VAE written with candle.

mod turns;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear};

use turns::{FEATURES, Work};

struct Vae {
    layers: [Linear; 4],
}

impl Vae {
    fn new(work: &Work, builder: &VarBuilder) -> Result<Self> {
        let layer = |name, from, to| linear(from, to, builder.pp(name));
        Ok(Self {
            layers: [
                layer("encoder", FEATURES, work.hidden)?,
                layer("code", work.hidden, 2 * work.latent)?,
                layer("decoder", work.latent, work.hidden)?,
                layer("pixels", work.hidden, FEATURES)?,
            ],
        })
    }

    /// The negative ELBO, averaged over the batch.
    fn loss(&self, x: &Tensor) -> Result<Tensor> {
        let [encoder, code, decoder, pixels] = &self.layers;
        let code = code.forward(&encoder.forward(x)?.relu()?)?;
        let [mean, log_variance] = code.chunk(2, 1)?.try_into().expect("two halves");
        let z = (&mean
            + (0.5 * &log_variance)?
                .exp()?
                .mul(&mean.randn_like(0.0, 1.0)?)?)?;
        let logits = pixels.forward(&decoder.forward(&z)?.relu()?)?;
        // max(l, 0) - l x + log(1 + exp(-|l|))
        let nll =
            (logits.relu()? - (&logits * x)? + (logits.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
        let kl = (((mean.sqr()? + log_variance.exp()? - log_variance)? - 1.0)? * 0.5)?;
        (nll.sum(D::Minus1)? + kl.sum(D::Minus1)?)?.mean_all()
    }
}

fn main() -> Result<()> {
    let work = Work::from_arguments();
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", work.threads.to_string()) };
    let device = Device::Cpu;
    let weights = VarMap::new();
    let vae = Vae::new(
        &work,
        &VarBuilder::from_varmap(&weights, DType::F32, &device),
    )?;
    let adam = ParamsAdamW {
        lr: 1e-3,
        weight_decay: 0.0,
        ..Default::default()
    };
    let mut optimizer = AdamW::new(weights.all_vars(), adam)?;
    let images = work.images();
    let images = Tensor::from_vec(images, (work.images_in_memory(), FEATURES), &device)?;
    work.take_turns(|step| {
        let indices = Tensor::new(work.indices(step), &device).expect("indices");
        let x = images.index_select(&indices, 0);
        let loss = x.and_then(|x| vae.loss(&x)).expect("a loss");
        optimizer.backward_step(&loss).expect("a step");
        let _: f32 = loss.to_scalar().expect("a number");
    });
    Ok(())
}
