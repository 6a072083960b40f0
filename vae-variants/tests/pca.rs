//! A linear autoencoder with squared error finds the principal subspace (Baldi & Hornik 1989):
//! against numbers from NumPy's singular value decomposition of the same data, see `pca/pca.py`.

use std::{fmt::Write, fs, path::Path, sync::Arc};

use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use serde::Deserialize;
use vae_core::{
    Autoencoder, Batch, Decoder, LikelihoodKind, ObjectiveConfig, Schedule, StepContext,
    nets::{Arch, ModelConfig},
    train::{TrainConfig, Trainer},
};
use vae_data::{
    Batcher, Binarize, Data, DataConfig, DataShape, MemoryDataset, Scale, Source, Stream,
    fill_normal, rng,
};
use vae_variants::{Ae, Description, Model, Variant};

const EXAMPLES: usize = 400;
const FEATURES: usize = 12;
const LATENT: usize = 3;

/// Spread of the hidden factors that the features are mixed from.
const SPREADS: [f32; 5] = [2.0, 1.5, 1.0, 0.6, 0.4];

/// What the script found.
#[derive(Deserialize)]
struct Pca {
    examples: usize,
    features: usize,
    /// Sum over features of the squared error of the best reconstruction from `LATENT` numbers,
    /// mean over examples.
    squared_error: f64,
    /// Orthonormal principal directions, the largest first.
    directions: Vec<Vec<f64>>,
    /// Mean of each feature.
    mean: Vec<f64>,
}

/// Correlated features: mixed factors, noise of 0.3 and an offset.
fn values() -> Vec<f32> {
    let normal = |index: u64, count: usize| {
        let mut numbers = vec![0.0_f32; count];
        fill_normal(&mut rng(2024, Stream::Other, index), &mut numbers);
        numbers
    };
    let mixing = normal(0, SPREADS.len() * FEATURES);
    let factors = normal(1, EXAMPLES * SPREADS.len());
    let mut values = normal(2, EXAMPLES * FEATURES);
    for (row, factors) in values
        .chunks_exact_mut(FEATURES)
        .zip(factors.chunks_exact(SPREADS.len()))
    {
        for (j, value) in row.iter_mut().enumerate() {
            *value = 0.3 * *value + 0.25 * j as f32 - 1.0;
            for (i, factor) in factors.iter().enumerate() {
                *value += SPREADS[i] * factor * mixing[i * FEATURES + j];
            }
        }
    }
    values
}

fn data() -> Data {
    let set = MemoryDataset::new(DataShape::flat(FEATURES), values()).unwrap();
    let config = DataConfig {
        scale: Scale::None,
        validation: 0.0,
        test: 0.0,
        ..DataConfig::default()
    };
    Data::from_source(Source::new("factors", Arc::new(set)), &config, 1).unwrap()
}

fn train() -> Model<Flex> {
    let model = ModelConfig {
        arch: Arch::Linear,
        latent: LATENT,
        likelihood: Some(LikelihoodKind::Gaussian),
        ..ModelConfig::default()
    };
    let variant = Variant::Ae(Ae::default());
    let objective = ObjectiveConfig::default();
    let description = Description::new(variant, model, objective, &data(), Binarize::None).unwrap();
    let falling = r#"{"kind": "cosine", "from": 0.02, "to": 0.0}"#;
    let config = TrainConfig {
        epochs: 1500,
        batch_size: EXAMPLES,
        lr: serde_json::from_str::<Schedule>(falling).unwrap(),
        ..TrainConfig::default()
    };
    let device = Default::default();
    let model = description.build::<Autodiff<Flex>>(1, &device).unwrap();
    let batcher = Batcher::new(data().train, EXAMPLES, 1).unwrap();
    let trainer = Trainer::<Autodiff<Flex>, _>::new(model, config, 1, device).unwrap();
    trainer.run(&batcher, None, &mut ()).unwrap().model
}

#[test]
fn a_linear_autoencoder_is_pca() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pca/expected.json");
    let pca: Pca = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!([pca.examples, pca.features], [EXAMPLES, FEATURES]);
    let model = train();
    let step = StepContext::evaluate(1, 0, 0, 1);

    let input = Tensor::<Flex, 1>::from_data(values().as_slice(), &Default::default())
        .reshape([EXAMPLES, FEATURES]);
    let reconstruction = model.reconstruct(&Batch::unlabelled(input.clone()), &step);
    let squares: Vec<f32> = (reconstruction - input)
        .square()
        .into_data()
        .to_vec()
        .unwrap();
    let error = squares.into_iter().map(f64::from).sum::<f64>() / EXAMPLES as f64;
    let excess = error / pca.squared_error - 1.0;
    println!(
        "squared error {error:.6}, of PCA {:.6}: {:.4} % above",
        pca.squared_error,
        100.0 * excess
    );
    assert!(excess < 0.01, "{:.2} % above PCA", 100.0 * excess);
    // Nothing of this rank is better than PCA, up to rounding.
    assert!(excess > -1e-5, "{excess:e} below PCA");

    // Decodes the origin and the unit vectors: the offset and the columns of the decoder.
    let mut codes = [[0.0_f32; LATENT]; LATENT + 1];
    (0..LATENT).for_each(|i| codes[i + 1][i] = 1.0);
    let codes = Tensor::<Flex, 2>::from_data(codes, &Default::default());
    let rows: Vec<f32> = model
        .decode(codes, None, &step)
        .into_data()
        .to_vec()
        .unwrap();
    let rows: Vec<Vec<f64>> = rows
        .chunks_exact(FEATURES)
        .map(|row| row.iter().copied().map(f64::from).collect())
        .collect();
    let (offset, columns) = rows.split_first().unwrap();
    let columns = columns.iter().map(|row| subtract(row, offset));
    let basis = orthonormal(columns.collect());
    // |v - P v|^2 sums the squared sines of the principal angles over the basis vectors v, so
    // that no angle is larger than this.
    let sines: f64 = basis.iter().map(|v| outside(v, &pca.directions)).sum();
    let cosine = (1.0 - sines).sqrt();
    println!("cosine of the largest principal angle: at least {cosine:.8}");
    assert!(cosine > 0.999, "{cosine}");

    // The plane goes through the mean.
    let away = outside(&subtract(offset, &pca.mean), &pca.directions).sqrt();
    assert!(away < 0.01, "{away} from the mean");
}

/// The squared length of what `v` has outside the span of orthonormal `directions`.
fn outside(v: &[f64], directions: &[Vec<f64>]) -> f64 {
    let rest = directions.iter().fold(v.to_vec(), |rest, direction| {
        let along = dot(v, direction);
        subtract(
            &rest,
            &direction.iter().map(|d| along * d).collect::<Vec<_>>(),
        )
    });
    dot(&rest, &rest)
}

/// Gram and Schmidt.
fn orthonormal(columns: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for mut column in columns {
        for v in &basis {
            let along = dot(&column, v);
            column = subtract(&column, &v.iter().map(|x| along * x).collect::<Vec<_>>());
        }
        let length = dot(&column, &column).sqrt();
        assert!(length > 1e-3, "the decoder has lost a dimension");
        basis.push(column.iter().map(|x| x / length).collect());
    }
    basis
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn subtract(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(x, y)| x - y).collect()
}

/// Writes the data for `pca/pca.py` to the file named by `PCA_DATA`.
#[test]
#[ignore = "writes the data for pca.py"]
fn dump() {
    let path = std::env::var("PCA_DATA").expect("PCA_DATA names the file to write");
    let mut text = String::new();
    for row in values().chunks_exact(FEATURES) {
        let row: Vec<String> = row.iter().map(f32::to_string).collect();
        writeln!(text, "{}", row.join(",")).unwrap();
    }
    fs::write(path, text).unwrap();
}
