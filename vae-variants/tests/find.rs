//! What codes are good for: inputs of a classifier, near examples, maps.

use std::sync::Arc;

use vae_core::Error;
use vae_data::{DataShape, Dataset, MemoryDataset};
use vae_variants::{
    Backend, Cvae, Examples, Indexed, Labelled, MapMethod, Recipe, SearchIndex, Semi, Trained,
    Variant,
    vae_analysis::{Rows, nearest, pca_map},
};

use crate::trained::{COLUMNS, ROWS, close, codes, data, recipe, table, trained, vae, values};

fn examples<'a>(model: &Trained) -> Examples<'a> {
    model.examples(Arc::new(table())).unwrap().batch_size(50)
}

fn labelled<'a>(model: &Trained, every: usize) -> Labelled<'a> {
    let label = |i: usize| i.is_multiple_of(every).then_some((i % 3) as u32);
    Labelled {
        examples: examples(model),
        labels: (0..ROWS).map(label).collect(),
    }
}

/// By hand: the masses are 0, 5,000 or 10,000 by class, give or take 100, so that the data tell the class without an error,
/// and so do two principal components of three.
#[test]
fn classes_are_read_out_of_codes_and_data() {
    let model = trained(vae(), &data());
    let found = model
        .features(&labelled(&model, 1), &labelled(&model, 7), 5)
        .unwrap();
    assert_eq!((found.train, found.test, found.k), (ROWS, 35, 5));
    let widths: Vec<_> = found
        .inputs
        .iter()
        .map(|of| (of.inputs, of.width))
        .collect();
    assert_eq!(widths, [("codes", 2), ("pca", 2), ("data", 3)]);
    for probed in &found.inputs[1..] {
        assert_eq!(probed.neighbours.correct, 35, "{probed:?}");
        assert_eq!(probed.linear.correct, 35, "{probed:?}");
    }
    // By other numbers of the codes: none of them is as good as a guess.
    let blind = model.features_of(&labelled(&model, 1), &labelled(&model, 1), 5, |codes| {
        Ok(vec![1.0; codes.mean.len() / 2])
    });
    let blind = blind.unwrap();
    assert_eq!(
        (blind.inputs[0].width, blind.inputs[0].linear.correct),
        (1, ROWS / 3)
    );

    let none = Labelled {
        labels: vec![None; ROWS],
        ..labelled(&model, 1)
    };
    let error = model.features(&none, &labelled(&model, 1), 5).unwrap_err();
    assert!(
        error.to_string().contains("no example has a class"),
        "{error}"
    );
}

/// What the encoder was told is no feature of the data.
#[test]
fn the_encoder_is_not_told_the_class() {
    let data = data();
    let cvae = trained(Variant::Cvae(Cvae::default()), &data);
    let of = labelled(&cvae, 1);
    let error = cvae.features(&of, &of, 5).unwrap_err();
    assert!(
        error.to_string().contains("cvae model is told the class"),
        "{error}"
    );

    let semi = trained(Variant::Semi(Semi::default()), &data);
    let bare = MemoryDataset::new(DataShape::flat(3), values()).unwrap();
    let bare = bare
        .with_columns(COLUMNS.map(str::to_owned).to_vec())
        .unwrap();
    let guessed = codes(&semi, bare).mean;
    // Under labels that are all wrong.
    let wrong = (0..ROWS).map(|i| ((i + 1) % 3) as i32).collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let wrong = table().with_labels(classes, wrong).unwrap();
    let wrong = semi.examples(Arc::new(wrong)).unwrap();
    let hidden = semi.codes(&wrong.clone().without_class()).unwrap();
    close(&hidden, &guessed, 1e-5);
    let told = semi.codes(&wrong).unwrap();
    let apart = told
        .iter()
        .zip(&hidden)
        .map(|(told, hidden)| (told - hidden).abs());
    let most = apart.fold(0.0, f32::max);
    assert!(most > 1e-3, "{most}");
}

fn named(prefix: &str) -> Indexed {
    Indexed {
        origin: prefix.to_owned(),
        names: (0..ROWS).map(|i| format!("{prefix}{i}")).collect(),
        classes: (0..ROWS)
            .map(|i| ["a", "b", "c"][i % 3].to_owned())
            .collect(),
    }
}

fn indexed(model: &Trained) -> SearchIndex {
    let mut index = model.search_index().unwrap();
    model
        .add_to(&mut index, &examples(model), named("r"))
        .unwrap();
    index
}

/// Against the distances of all with all.
#[test]
fn the_nearest_codes_are_found() {
    let model = trained(vae(), &data());
    let index = indexed(&model);
    let codes = model.codes(&examples(&model)).unwrap();
    let rows = Rows::new(&codes, 2).unwrap();
    let exact = nearest(rows, rows, 4).unwrap();
    let found = index.search(&codes, 4).unwrap();
    assert_eq!(found.len(), ROWS);
    for (query, hits) in found.iter().enumerate() {
        assert_eq!(hits[0].distance, 0.0);
        let distances: Vec<f32> = hits.iter().map(|hit| hit.distance).collect();
        close(&distances, exact.distances(query), 1e-5);
        for hit in hits {
            let (part, place) = hit.place;
            assert_eq!((part, hit.name), (0, format!("r{place}").as_str()));
            assert_eq!(hit.class, ["a", "b", "c"][place % 3]);
        }
    }
    let speed = index.measure(&codes, 4).unwrap();
    assert!(speed.recall > 0.99, "{speed:?}");
    assert_eq!((speed.queries, speed.k), (ROWS, 4));
    let error = index.search(&codes, ROWS + 1).unwrap_err().to_string();
    assert!(
        error.contains("k is 241, and the index has 240 codes"),
        "{error}"
    );
}

#[test]
fn an_index_is_saved_extended_and_known_by_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.vae");
    let data = data();
    let model = trained(vae(), &data);
    let index = indexed(&model);
    index.save(&path).unwrap();
    let mut again = model.open_index(&path).unwrap();
    assert_eq!(again, index);
    model
        .add_to(&mut again, &examples(&model), named("s"))
        .unwrap();
    assert_eq!(again.count(), 2 * ROWS);
    let codes = model.codes(&examples(&model)).unwrap();
    let twice = &again.search(&codes[..2], 2).unwrap()[0];
    let mut names: Vec<_> = twice.iter().map(|hit| hit.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["r0", "s0"]);
    again.save(&path).unwrap();
    assert_eq!(model.open_index(&path).unwrap(), again);

    // The same model from bytes makes the same codes, and another one others.
    let same = Trained::from_bytes(model.to_bytes().unwrap(), Backend::Flex).unwrap();
    assert_eq!(same.open_index(&path).unwrap().count(), 2 * ROWS);
    let other = recipe(vae(), &data, 3)
        .train(Backend::Flex, &mut ())
        .unwrap()
        .model;
    let error = other.open_index(&path).unwrap_err().to_string();
    assert!(error.contains("an index of another model"), "{error}");
    let error = other
        .add_to(&mut again, &examples(&other), named("t"))
        .unwrap_err();
    assert!(error.to_string().contains("another model"), "{error}");

    let short = Indexed {
        names: Vec::new(),
        ..named("u")
    };
    let error = model
        .add_to(&mut again, &examples(&model), short)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("240 examples have 0 names and 240 classes"),
        "{error}"
    );
    assert_eq!(again.count(), 2 * ROWS);
    // Cut and changed files are errors.
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 7, 40, 47, 300, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(
            matches!(model.open_index(&path), Err(Error::Corrupt { .. })),
            "{length}"
        );
    }
    for at in [3, 20, 44, 100, bytes.len() / 2, bytes.len() - 40] {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        std::fs::write(&path, changed).unwrap();
        assert!(
            matches!(model.open_index(&path), Err(Error::Corrupt { .. })),
            "{at}"
        );
    }
    assert!(matches!(
        model.open_index(&folder.path().join("no")),
        Err(Error::Io { .. })
    ));
}

#[test]
fn maps_are_those_of_the_codes() {
    let model = trained(vae(), &data());
    let codes = model.codes(&examples(&model)).unwrap();
    let own = model.map(&examples(&model), None).unwrap();
    assert_eq!(own.method, MapMethod::Codes);
    assert_eq!((own.points.concat(), &own.codes), (codes.clone(), &codes));
    let pca = model.map(&examples(&model), Some(MapMethod::Pca)).unwrap();
    assert_eq!(pca.points, pca_map(Rows::new(&codes, 2).unwrap()).unwrap());
    let tsne = model.map(&examples(&model), Some(MapMethod::Tsne)).unwrap();
    assert!(tsne.points.len() == ROWS && tsne.points.concat().iter().all(|v| v.is_finite()));
    let near = own.neighbours(3).unwrap();
    for (number, near) in near.iter().enumerate() {
        assert!(near.len() == 3 && near.iter().all(|(at, _)| *at as usize != number));
        let (at, distance) = near[0];
        let [x, y] = [0, 1].map(|axis| own.points[number][axis] - own.points[at as usize][axis]);
        assert!((x.hypot(y) - distance).abs() < 1e-4);
    }
    // As `vae reconstruct` has them.
    let errors = model.reconstruction_errors(&examples(&model)).unwrap();
    let batch = model
        .reconstruct(&examples(&model).batch_size(ROWS))
        .next()
        .unwrap()
        .unwrap();
    let all = batch.errors(model.data());
    let means: Vec<f32> = all
        .chunks(3)
        .map(|row| row.iter().sum::<f32>() / 3.0)
        .collect();
    close(&errors, &means, 1e-5);
}

/// From tables of the normal distribution: a quarter is below -0.67449.
#[test]
fn a_grid_of_codes_is_at_equally_likely_steps() {
    let data = data();
    let model = trained(vae(), &data);
    let q = 0.674_489_75;
    let grid = model.grid_codes(2, &[]).unwrap();
    close(&grid, &[-q, q, q, q, -q, -q, q, -q], 1e-6);
    let decoded = model.decoded_grid(2, &[], None).unwrap();
    close(&decoded, &model.decode(&grid, None), 1e-6);
    // Of codes without a prior: of 0 to 3, a quarter is below 0.75.
    let plain = trained(Variant::all().swap_remove(0), &data);
    assert!(!plain.is_generative());
    let grid = plain
        .grid_codes(2, &[0.0, 10.0, 1.0, 11.0, 2.0, 12.0, 3.0, 13.0])
        .unwrap();
    close(
        &grid,
        &[0.75, 12.25, 2.25, 12.25, 0.75, 10.75, 2.25, 10.75],
        1e-6,
    );

    let mut description = recipe(vae(), &data, 1).description().clone();
    description.model.latent = 3;
    let wide = Recipe::new(description, &data, Default::default(), 1).unwrap();
    let wide = Trained::fresh(wide.description(), 1, Backend::Flex).unwrap();
    for error in [
        wide.grid_codes(2, &[]).unwrap_err(),
        wide.map(&examples(&wide), Some(MapMethod::Codes))
            .unwrap_err(),
    ] {
        assert!(error.to_string().contains("--latent 2"), "{error}");
    }
    assert_eq!(
        wide.map(&examples(&wide), None).unwrap().method,
        MapMethod::Tsne
    );
}

/// Each variant is searched and mapped, and classes are probed for in all that are not told them.
#[test]
fn every_variant_is_found_by_its_codes() {
    let data = data();
    for variant in Variant::all() {
        let name = variant.info().name;
        let model = trained(variant, &data);
        let codes = model.codes(&examples(&model)).unwrap();
        let index = indexed(&model);
        let hits = &index.search(&codes[..model.latent()], 1).unwrap()[0];
        assert_eq!(hits[0].distance, 0.0, "{name}");
        let map = model.map(&examples(&model), Some(MapMethod::Pca)).unwrap();
        assert_eq!(map.points.len(), ROWS, "{name}");
        let features = model.features(&labelled(&model, 1), &labelled(&model, 2), 3);
        match (name, features) {
            ("cvae", Err(error)) => assert!(error.to_string().contains("told"), "{error}"),
            (_, Ok(features)) => assert_eq!(features.inputs[0].width, model.latent(), "{name}"),
            (_, Err(error)) => panic!("{name}: {error}"),
        }
        assert_eq!(model.fingerprint().unwrap().len(), 64);
    }
    assert_eq!(table().len(), ROWS);
}
