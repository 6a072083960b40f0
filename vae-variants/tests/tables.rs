//! Trained models of tables whose columns are of several kinds or have gaps, and of counts.

use std::sync::Arc;

use vae_core::{LikelihoodKind, nets::ModelConfig, train::TrainConfig};
use vae_data::{Binarize, ColumnKind, Data, DataConfig, DataShape, MemoryDataset, Scale, Source};
use vae_variants::{Ae, Backend, Description, Draw, Recipe, Sampling, Trained, Variant};

use super::trained::{COLUMNS, ROWS, close, codes, data, recipe, trained, vae, values};

const COLORS: [&str; 3] = ["red", "green", "blue"];

/// A number, a category that says much about it, and a number with gaps. The categories are listed in an order of
/// one's own.
fn mixed(order: [usize; 3]) -> MemoryDataset {
    let row = |i: usize| {
        let color = [0, 0, 0, 1, 1, 2][i % 6];
        let level = order.iter().position(|&of| of == color).unwrap() as f32;
        let number = 10.0 * color as f32 + (i as f32 * 0.7).sin();
        let gap = if i.is_multiple_of(4) {
            f32::NAN
        } else {
            number * 2.0
        };
        [number, level, gap]
    };
    let levels = order.map(|of| COLORS[of].to_owned()).to_vec();
    let kinds = vec![
        ColumnKind::Number,
        ColumnKind::Category { levels },
        ColumnKind::Number,
    ];
    MemoryDataset::new(DataShape::flat(3), (0..ROWS).flat_map(row).collect())
        .unwrap()
        .with_columns(["size", "color", "double"].map(str::to_owned).to_vec())
        .unwrap()
        .with_kinds(kinds)
        .unwrap()
}

fn mixed_data() -> Data {
    let source = Source::new("mixed", Arc::new(mixed([1, 2, 0])));
    Data::from_source(source, &DataConfig::default(), 1).unwrap()
}

/// Rows of a table of mixed columns go in and come out in its own units, levels are found by their names, and a
/// model that has learned from gaps fills them.
#[test]
fn a_table_of_mixed_columns_goes_in_and_out() {
    let data = mixed_data();
    for variant in Variant::all() {
        if matches!(
            variant,
            Variant::Vaegan(_) | Variant::Semi(_) | Variant::Cvae(_)
        ) {
            continue;
        }
        let name = variant.info().name;
        let model = trained(variant, &data);
        assert_eq!(model.description().levels(1), COLORS, "{name}");
        let expected = codes(&model, mixed([1, 2, 0]));
        assert!(
            expected.mean.iter().all(|value| value.is_finite()),
            "{name}"
        );
        let found = codes(&model, mixed([2, 0, 1]));
        close(&found.mean, &expected.mean, 1e-6);
        let examples = model.examples(Arc::new(mixed([0, 1, 2]))).unwrap();
        for batch in model.reconstruct(&examples) {
            let batch = batch.unwrap();
            let gaps = batch.target.iter().filter(|value| value.is_nan()).count();
            assert_eq!(gaps, batch.target.len() / 12, "{name}");
            for (row, target) in batch.reconstructed.chunks(3).zip(batch.target.chunks(3)) {
                assert!(row.iter().all(|value| value.is_finite()), "{name}: {row:?}");
                assert!([0.0, 1.0, 2.0].contains(&target[1]));
                assert!([0.0, 1.0, 2.0].contains(&row[1]), "{name}: {row:?}");
            }
        }
        for terms in model.terms(&examples) {
            let terms = terms.unwrap();
            let values = terms.iter().flat_map(|term| &term.values);
            assert!(values.copied().all(f32::is_finite), "{name}");
        }
    }

    let model = trained(vae(), &data);
    let samples = model.sample(2000, &[], 1).unwrap();
    let share = samples.chunks(3).filter(|row| row[1] == 0.0).count() as f64 / 2000.0;
    assert!((share - 0.5).abs() < 0.15, "{share}");
    assert_eq!(
        model.description().text(1, samples[1]),
        COLORS[samples[1] as usize]
    );
    let means = {
        let how = Sampling {
            draw: Draw::Mean,
            ..model.sampling(1)
        };
        model.sample_with(2000, &[], &how).unwrap()
    };
    assert_ne!(samples, means);

    let refused = |table: MemoryDataset, parts: &[&str]| {
        let error = model.examples(Arc::new(table)).err().unwrap().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let numbers = MemoryDataset::new(DataShape::flat(3), vec![1.0; 9]).unwrap();
    let named = |names: [&str; 3]| {
        numbers
            .clone()
            .with_columns(names.map(str::to_owned).to_vec())
            .unwrap()
    };
    refused(
        named(["size", "color", "double"]),
        &["`color`", "number", "categor"],
    );
    refused(named(["size", "colour", "double"]), &["`color`", "colour"]);
}

fn first(model: &Trained, of: MemoryDataset) -> (Vec<f32>, Vec<f32>) {
    let examples = model.examples(Arc::new(of)).unwrap();
    let terms = model.terms(&examples).next().unwrap().unwrap();
    let reconstructions = model.reconstruct(&examples).next().unwrap().unwrap();
    (terms[0].values.clone(), reconstructions.reconstructed)
}

/// The likelihood is that of the cells that are there. A model that was trained on gaps tells one from a number; to
/// one that was not, it is the mean of its column.
#[test]
fn missing_cells_do_not_count() {
    let row = |mass: f32| {
        let names = COLUMNS.map(str::to_owned).to_vec();
        let table = MemoryDataset::new(DataShape::flat(3), vec![90.0, 0.01, mass]).unwrap();
        table.with_columns(names).unwrap()
    };
    let config = ModelConfig {
        likelihood: Some(LikelihoodKind::PerColumn),
        ..recipe(vae(), &data(), 1).description().model.clone()
    };
    let of = |data: &Data| {
        let ae = Variant::Ae(Ae::default());
        let description =
            Description::new(ae, config.clone(), Default::default(), data, Binarize::None);
        let recipe = Recipe::new(description.unwrap(), data, TrainConfig::default(), 3).unwrap();
        recipe.train(Backend::Flex, &mut ()).unwrap().model
    };
    let whole = of(&data());
    let mean = whole.description().scaler.as_ref().unwrap().offset[2];
    let ((with, of_mean), (without, of_gap)) =
        (first(&whole, row(mean)), first(&whole, row(f32::NAN)));
    close(&of_gap, &of_mean, 1e-4);
    // -log N(0 | m, 1) of the mass, where m is what is reconstructed, in standard deviations, and log sigma about 0.
    let scaler = whole.description().scaler.as_ref().unwrap();
    let (m, sigma) = ((of_gap[2] - mean) / scaler.scale[2], 1.0_f32);
    let cell = 0.5 * (m / sigma).powi(2) + 0.918_938_5;
    assert!(
        (with[0] - without[0] - cell).abs() < 0.3,
        "{with:?} {without:?} {cell}"
    );

    let values = values().into_iter().enumerate();
    let values = values.map(|(i, value)| if i % 7 == 0 { f32::NAN } else { value });
    let gaps = MemoryDataset::new(DataShape::flat(3), values.collect()).unwrap();
    let gaps = gaps
        .with_columns(COLUMNS.map(str::to_owned).to_vec())
        .unwrap();
    let gaps = gaps.with_kinds(vec![ColumnKind::Number; 3]).unwrap();
    let gaps = Data::from_source(
        Source::new("gaps", Arc::new(gaps)),
        &DataConfig::default(),
        1,
    )
    .unwrap();
    let model = of(&gaps);
    assert!(model.description().likelihood.mask);
    let mean = model.description().scaler.as_ref().unwrap().offset[2];
    assert_ne!(first(&model, row(mean)).1, first(&model, row(f32::NAN)).1);
}

/// The mean of counts is of as many as there are.
#[test]
fn rows_of_counts_are_reconstructed_with_their_totals() {
    let counts = |i: usize| [i % 5, i % 7, i % 3, 10].map(|count| count as f32);
    let set = MemoryDataset::new(DataShape::flat(4), (0..ROWS).flat_map(counts).collect()).unwrap();
    let config = DataConfig {
        scale: Scale::None,
        ..DataConfig::default()
    };
    let data = Data::from_source(Source::new("counts", Arc::new(set.clone())), &config, 1).unwrap();
    let model = ModelConfig {
        likelihood: Some(LikelihoodKind::Multinomial),
        hidden: Some(vec![8]),
        latent: 2,
        ..ModelConfig::default()
    };
    let description =
        Description::new(vae(), model, Default::default(), &data, Binarize::None).unwrap();
    let model = Trained::fresh(&description, 1, Backend::Flex).unwrap();
    let examples = model.examples(Arc::new(set)).unwrap();
    let batch = model.reconstruct(&examples).next().unwrap().unwrap();
    for (found, given) in batch.reconstructed.chunks(4).zip(batch.target.chunks(4)) {
        let (found, given): (f32, f32) = (found.iter().sum(), given.iter().sum());
        assert!((found - given).abs() < 1e-4, "{found} {given}");
    }
}
