//! Ways through the space of codes, what each latent does, and noise that is taken away.

use std::sync::Arc;

use vae_core::{
    nets::{Arch, ModelConfig},
    train::TrainConfig,
};
use vae_data::{
    Binarize, Corruption, CorruptionKind, DataShape, MemoryDataset, NoProgress, Scaler,
};
use vae_variants::{
    Ae, Backend, Course, Cvae, Dae, Description, Examples, Recipe, Reconstructions, Spot, Trained,
    Variant,
};

use super::trained::{COLUMNS, ROWS, close, codes, data, table, trained, vae, values};

fn spot(model: &Trained, row: u32) -> Spot {
    let examples = model.examples_at(Arc::new(table()), vec![row]).unwrap();
    model.spot(&examples).unwrap()
}

fn all<'a>(model: &Trained) -> Examples<'a> {
    model.examples(Arc::new(table())).unwrap()
}

/// A batch of everything.
fn whole(mut batches: impl Iterator<Item = vae_core::Result<Reconstructions>>) -> Reconstructions {
    let batch = batches.next().unwrap().unwrap();
    assert!(batches.next().is_none());
    batch
}

fn gaussian(level: f32) -> Corruption {
    Corruption::new(CorruptionKind::Gaussian, level).unwrap()
}

fn linear() -> Trained {
    let data = data();
    let model = ModelConfig {
        arch: Arch::Linear,
        latent: 2,
        ..ModelConfig::default()
    };
    let of = Variant::Ae(Ae::default());
    let description =
        Description::new(of, model, Default::default(), &data, Binarize::None).unwrap();
    let train = TrainConfig {
        epochs: 2,
        batch_size: 40,
        ..TrainConfig::default()
    };
    let recipe = Recipe::new(description, &data, train, 3).unwrap();
    recipe.train(Backend::Flex, &mut ()).unwrap().model
}

/// What a linear decoder makes of a line is a line: with ends `a` and `b` it is at `a + t (b - a)`, and each latent adds
/// a multiple of one row.
#[test]
fn a_linear_decoder_goes_in_a_straight_line() {
    let model = linear();
    let ends = whole(model.reconstruct(&all(&model))).reconstructed;
    let (a, b) = (&ends[..3], &ends[5 * 3..6 * 3]);
    let (from, to) = (spot(&model, 0), spot(&model, 5));
    let rows = model.walk(&from, &to, 5, Course::Linear);
    for (step, row) in rows.chunks(3).enumerate() {
        let t = step as f32 / 4.0;
        let pairs = a.iter().zip(b);
        let expected: Vec<f32> = pairs.map(|(a, b)| a + t * (b - a)).collect();
        close(row, &expected, 1e-4);
    }
    for latent in 0..2 {
        let rows = model.traverse(&from, latent, &[-1.0, 0.0, 2.0]);
        let [low, middle, high] = [0, 3, 6].map(|at| &rows[at..at + 3]);
        for column in 0..3 {
            let (down, up) = (middle[column] - low[column], high[column] - middle[column]);
            let rounding = 1e-4 * middle[column].abs().max(1.0);
            assert!((up - 2.0 * down).abs() < rounding, "{up} {down}");
        }
        let own = model.traverse(&from, latent, &[from.code[latent]]);
        close(&own, a, 1e-4);
    }
}

/// By hand from what the encoder says: the KL of N(m, v) to N(0, 1) is (m^2 + v - 1 - ln v) / 2.
#[test]
fn the_kl_of_a_latent_is_that_of_its_gaussians() {
    let model = trained(vae(), &data());
    let latents = model.latents(&all(&model)).unwrap();
    let codes = codes(&model, table());
    let log_variance = codes.log_variance.unwrap();
    let kl = latents.kl.clone().unwrap();
    for latent in 0..2 {
        let of = |values: &[f32]| -> Vec<f64> {
            let rows = values.chunks(2);
            rows.map(|row| f64::from(row[latent])).collect()
        };
        let (means, logs) = (of(&codes.mean), of(&log_variance));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / ROWS as f64;
        let pairs = means.iter().zip(&logs);
        let terms: Vec<f64> = pairs
            .map(|(m, log)| 0.5 * (m * m + log.exp() - 1.0 - log))
            .collect();
        assert!((kl[latent] - mean(&terms)).abs() < 1e-4);
        let center = mean(&means);
        assert!((f64::from(latents.mean[latent]) - center).abs() < 1e-5);
        let squares: Vec<f64> = means.iter().map(|m| (m - center).powi(2)).collect();
        let deviation = mean(&squares).sqrt();
        assert!((f64::from(latents.deviation[latent]) - deviation).abs() < 1e-5);
    }
    let higher = usize::from(kl[1] > kl[0]);
    assert_eq!(latents.order(), [higher, 1 - higher]);
}

/// Whatever the code is: at both ends of a way are the reconstructions, and each latent can be moved.
#[test]
fn every_variant_is_walked_through() {
    let data = data();
    for variant in Variant::all() {
        let name = variant.info().name;
        let model = trained(variant, &data);
        let reconstructed = whole(model.reconstruct(&all(&model))).reconstructed;
        let (from, to) = (spot(&model, 1), spot(&model, 8));
        assert_eq!(
            from.condition.is_some(),
            model.description().variant.is_conditional(),
            "{name}"
        );
        for course in [Course::Linear, Course::Spherical] {
            let rows = model.walk(&from, &to, 4, course);
            assert_eq!(rows.len(), 4 * 3, "{name}");
            assert!(rows.iter().all(|value| value.is_finite()), "{name}");
            close(&rows[..3], &reconstructed[3..6], 1e-3);
            close(&rows[9..], &reconstructed[24..27], 1e-3);
        }
        let latents = model.latents(&all(&model)).unwrap();
        let mut order = latents.order();
        order.sort_unstable();
        assert_eq!(order, (0..model.latent()).collect::<Vec<_>>(), "{name}");
        let kl = latents.kl.map(|kl| kl.len());
        assert!(kl.is_none_or(|kl| kl == model.latent()), "{name}");
        let has = ["vae", "beta", "cvae", "iwae", "vaegan", "semi"].contains(&name);
        assert_eq!(model.has_standard_prior(), has, "{name}");
        let rows = model.traverse(&from, 0, &[-1.0, 0.0, 1.0]);
        assert_eq!(rows.len(), 3 * 3, "{name}");
        let cleaned = whole(model.denoise(&all(&model), Some(gaussian(0.1))));
        assert_eq!(cleaned.reconstructed.len(), ROWS * 3, "{name}");
        assert_eq!(model.is_denoising(), name == "dae", "{name}");
    }
}

/// The mean of codes is that of a class; a conditional model decodes each end under its own class.
#[test]
fn a_spot_may_be_the_mean_of_a_class() {
    let model = trained(Variant::Cvae(Cvae::default()), &data());
    let rows: Vec<u32> = (1..ROWS as u32).step_by(3).collect();
    let examples = model.examples_at(Arc::new(table()), rows).unwrap();
    let class = model.spot(&examples).unwrap();
    assert_eq!(class.condition, model.condition("b"));
    let all = codes(&model, table()).mean;
    let of_class = all.chunks(2).skip(1).step_by(3);
    let mean = |latent: usize| {
        let sum: f32 = of_class.clone().map(|row| row[latent]).sum();
        sum / (ROWS / 3) as f32
    };
    close(&class.code, &[mean(0), mean(1)], 1e-4);
    let other = spot(&model, 0);
    assert_eq!(other.condition, model.condition("a"));
    let ends = model.walk(&class, &other, 2, Course::Linear);
    let decoded = [&class, &other].map(|of| model.decode(&of.code, of.condition.as_ref()));
    close(&ends, &decoded.concat(), 1e-5);
    let none = model.examples_at(Arc::new(table()), Vec::new()).unwrap();
    let error = model.spot(&none).unwrap_err();
    assert!(error.to_string().contains("no example"), "{error}");
}

fn with_names(rows: Vec<f32>) -> MemoryDataset {
    let names = COLUMNS.map(str::to_owned).to_vec();
    let table = MemoryDataset::new(DataShape::flat(3), rows).unwrap();
    table.with_columns(names).unwrap()
}

/// What goes in noisy comes out as if it had come so from a file, and the noise has the stated size in the scale of
/// the model. The model's own corruption is left out.
#[test]
fn noise_is_put_on_and_taken_away() {
    let model = trained(Variant::Dae(Dae::default()), &data());
    let examples = all(&model).seed(4);
    let denoised = whole(model.denoise(&examples, Some(gaussian(0.5))));
    close(&denoised.target, &values(), 1e-4);
    let noisy = denoised.corrupted.clone().unwrap();
    let of_file = model.examples(Arc::new(with_names(noisy.clone()))).unwrap();
    let again = whole(model.denoise(&of_file, None));
    assert_eq!(again.corrupted, None);
    close(&again.target, &noisy, 1e-4);
    close(&again.reconstructed, &denoised.reconstructed, 1e-3);
    close(
        &whole(model.reconstruct(&of_file)).reconstructed,
        &again.reconstructed,
        1e-5,
    );
    let scaler: &Scaler = model.description().scaler.as_ref().unwrap();
    let apart = noisy.chunks(3).zip(denoised.target.chunks(3));
    let squares = apart.flat_map(|(a, b)| {
        let scaled = |column: usize| f64::from((a[column] - b[column]) / scaler.scale[column]);
        (0..3)
            .map(move |column| scaled(column).powi(2))
            .collect::<Vec<_>>()
    });
    let deviation = (squares.sum::<f64>() / (ROWS * 3) as f64).sqrt();
    // Its own deviation is 0.5 / sqrt(2 * 720) = 0.013.
    assert!((deviation - 0.5).abs() < 0.05, "{deviation}");
    let same = whole(model.denoise(&examples, Some(gaussian(0.5))));
    assert_eq!(same, denoised);
}

/// Noise is put on the data, and not on the codes that the second model takes; what is shown are the data.
#[test]
fn noise_goes_through_a_chain() {
    let first = trained(vae(), &data());
    let of_codes = first.encode_data(data(), 5, &NoProgress).unwrap();
    let model = trained(Variant::Dae(Dae::default()), &of_codes).with_codes_of(first);
    let rows: Vec<f32> = model.rows(&all(&model)).flat_map(Result::unwrap).collect();
    close(&rows, &values(), 1e-4);
    let denoised = whole(model.denoise(&all(&model), Some(gaussian(0.3))));
    close(&denoised.target, &values(), 1e-4);
    let noisy = with_names(denoised.corrupted.unwrap());
    let of_file = model.examples(Arc::new(noisy)).unwrap();
    let again = whole(model.reconstruct(&of_file));
    close(&again.reconstructed, &denoised.reconstructed, 1e-3);
}
