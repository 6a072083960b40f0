//! Trained models in use: rows in and out in the units of the data, whatever the variant and the backend.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use burn_flex::Flex;
use vae_core::{
    Error, Result, Schedule,
    nets::ModelConfig,
    train::{TrainConfig, evaluate_nll},
};
use vae_data::{
    Binarize, Data, DataConfig, DataError, DataShape, Dataset, MemoryDataset, NoProgress, Progress,
    Scaler, Source,
};
use vae_variants::{
    Backend, Codes, Cvae, Description, ModelBytes, Recipe, Semi, Trained, Vae, Variant,
};

pub const ROWS: usize = 240;
pub const COLUMNS: [&str; 3] = ["length", "width", "mass"];

/// Three columns of very different sizes, in three classes.
pub fn values() -> Vec<f32> {
    let row = |i: usize| {
        let (class, t) = ((i % 3) as f32, (i as f32 * 0.37).sin());
        [
            100.0 + 30.0 * t,
            0.01 * (class - t),
            5000.0 * class + 100.0 * t,
        ]
    };
    (0..ROWS).flat_map(row).collect()
}

pub fn table() -> MemoryDataset {
    let names = COLUMNS.map(str::to_owned).to_vec();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let labels = (0..ROWS).map(|i| (i % 3) as i32).collect();
    let table = MemoryDataset::new(DataShape::flat(3), values()).unwrap();
    let table = table.with_columns(names).unwrap();
    table.with_labels(classes, labels).unwrap()
}

pub fn data() -> Data {
    let source = Source::new("parts", Arc::new(table()));
    Data::from_source(source, &DataConfig::default(), 1).unwrap()
}

pub fn recipe(variant: Variant, data: &Data, epochs: usize) -> Recipe {
    let model = ModelConfig {
        latent: 2,
        hidden: Some(vec![16]),
        sigma: 0.2,
        ..ModelConfig::default()
    };
    let description =
        Description::new(variant, model, Default::default(), data, Binarize::None).unwrap();
    let train = TrainConfig {
        epochs,
        batch_size: 40,
        lr: Schedule::Constant(1e-2),
        ..TrainConfig::default()
    };
    Recipe::new(description, data, train, 3).unwrap()
}

pub fn trained(variant: Variant, data: &Data) -> Trained {
    let outcome = recipe(variant, data, 2).train(Backend::Flex, &mut ());
    outcome.unwrap().model
}

pub fn vae() -> Variant {
    Variant::Vae(Vae::default())
}

pub fn codes(model: &Trained, of: impl Dataset + 'static) -> Codes {
    let mut codes = Codes::default();
    let examples = model.examples(Arc::new(of)).unwrap();
    for more in model.encode(&examples) {
        codes.extend(more.unwrap());
    }
    codes
}

pub fn close(found: &[f32], expected: &[f32], relative: f32) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        assert!(
            apart <= relative * expected.abs().max(1.0),
            "at {place}: {found}, not {expected}"
        );
    }
}

/// Bytes, another backend and a folder: the same model each.
#[test]
fn every_variant_is_the_same_from_bytes_and_on_another_backend() {
    let data = data();
    let folder = tempfile::tempdir().unwrap();
    for variant in Variant::all() {
        let name = variant.info().name;
        let model = trained(variant, &data);
        let bytes = model.to_bytes().unwrap();
        model.save(&folder.path().join(name)).unwrap();
        let others = [
            Trained::from_bytes(bytes.clone(), Backend::Flex).unwrap(),
            Trained::from_bytes(bytes.clone(), Backend::Ndarray).unwrap(),
            Trained::open(&folder.path().join(name), Backend::Flex).unwrap(),
        ];
        let expected = codes(&model, table());
        assert_eq!(expected.mean.len(), ROWS * model.latent(), "{name}");
        let count = model.conditions().len().max(1) * 4 * 3;
        for other in others {
            assert_eq!(other.to_bytes().unwrap(), bytes, "{name}");
            let found = codes(&other, table());
            close(&found.mean, &expected.mean, 1e-4);
            assert_eq!(found.indices, expected.indices, "{name}");
            assert_eq!(found.levels.len(), expected.levels.len(), "{name}");
            if !model.is_generative() {
                let error = other.sample(4, &other.conditions(), 1).unwrap_err();
                assert!(error.to_string().contains("no prior"), "{error}");
                continue;
            }
            let samples = other.sample(4, &other.conditions(), 1).unwrap();
            assert_eq!(samples.len(), count, "{name}");
            close(
                &samples,
                &model.sample(4, &model.conditions(), 1).unwrap(),
                1e-3,
            );
        }
    }
}

/// What goes in is what was in the table, and so is what comes out.
#[test]
fn rows_are_in_the_units_of_the_data() {
    let data = data();
    let model = recipe(vae(), &data, 60)
        .train(Backend::Flex, &mut ())
        .unwrap()
        .model;
    let examples = model.examples(Arc::new(table())).unwrap().batch_size(100);
    let (mut target, mut reconstructed) = (Vec::new(), Vec::new());
    let mut sizes = Vec::new();
    for batch in model.reconstruct(&examples) {
        let batch = batch.unwrap();
        sizes.push(batch.target.len());
        target.extend(batch.target);
        reconstructed.extend(batch.reconstructed);
    }
    assert_eq!(sizes, [300, 300, 120]);
    close(&target, &values(), 1e-4);
    // By hand from the table: masses are near 0, 5,000 or 10,000 by class.
    let masses = |of: &[f32], class: usize| {
        let rows = of.chunks(3).skip(class).step_by(3);
        rows.map(|row| f64::from(row[2])).sum::<f64>() / (ROWS / 3) as f64
    };
    for (class, mass) in [(0, 0.0), (1, 5000.0), (2, 10_000.0)] {
        let found = masses(&reconstructed, class);
        assert!((found - mass).abs() < 1000.0, "class {class}: {found}");
    }
    // Decoding the mean code is what a reconstruction is.
    let decoded = model.decode(&codes(&model, table()).mean, None);
    close(&decoded, &reconstructed, 1e-3);
    // And samples are such rows.
    let samples = model.sample(300, &[], 1).unwrap();
    let lengths = samples.chunks(3).map(|row| f64::from(row[0]));
    let mean = lengths.sum::<f64>() / 300.0;
    assert!((mean - 100.0).abs() < 15.0, "{mean}");
}

/// Columns and classes are found by name; what is missing is named.
#[test]
fn columns_and_classes_are_found_by_their_names() {
    let data = data();
    let model = trained(Variant::Cvae(Cvae::default()), &data);
    let expected = codes(&model, table());
    let turned = |classes: [&str; 3], columns: [&str; 3]| {
        let rows = values();
        let rows = rows.chunks(3).flat_map(|row| [row[2], row[0], row[1]]);
        let table = MemoryDataset::new(DataShape::flat(3), rows.collect()).unwrap();
        let columns = columns.map(str::to_owned).to_vec();
        // Class 0 is called last.
        let labels = (0..ROWS).map(|i| [2, 0, 1][i % 3]).collect();
        let classes = classes.map(str::to_owned).to_vec();
        let table = table.with_columns(columns).unwrap();
        table.with_labels(classes, labels).unwrap()
    };
    let found = codes(&model, turned(["b", "c", "a"], ["mass", "length", "width"]));
    close(&found.mean, &expected.mean, 1e-5);

    let refused = |table: MemoryDataset, parts: &[&str]| {
        let error = model.examples(Arc::new(table)).err().unwrap().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let columns = ["mass", "length", "depth"];
    refused(turned(["b", "c", "a"], columns), &["`width`", "depth"]);
    let columns = ["mass", "length", "width"];
    refused(turned(["b", "c", "x"], columns), &["class `x`", "a, b, c"]);
    let bare = || MemoryDataset::new(DataShape::flat(3), values()).unwrap();
    refused(bare(), &["conditioned on the class", "a, b, c"]);
    let wide = MemoryDataset::new(DataShape::flat(4), vec![0.0; 8]).unwrap();
    refused(wide, &["shape 3", "shape 4"]);
    // One that guesses the class needs none.
    let semi = trained(Variant::Semi(Semi::default()), &data);
    assert_eq!(codes(&semi, bare()).mean.len(), ROWS * 2);

    let (by_name, by_index) = (model.condition("b"), model.condition("1"));
    assert_eq!(by_name, by_index);
    assert_eq!(by_name, model.conditions().into_iter().nth(1));
    assert_eq!(model.condition("d"), None);
}

/// A model of codes takes data and gives data.
#[test]
fn the_chain_of_codes_is_gone_through_both_ways() {
    let first = trained(vae(), &data());
    let data = first.encode_data(data(), 5, &NoProgress).unwrap();
    assert_eq!(data.shape, DataShape::flat(2));
    // As by hand: row 7 of the table, scaled, through the encoder.
    let position = data.train.indices().len() / 2;
    let mut row = [0.0; 2];
    data.train.read(position, &mut row).unwrap();
    let bytes = first.to_bytes().unwrap();
    let second = trained(vae(), &data);
    let own = codes(&second, {
        let mut rows = vec![0.0; data.train.len() * 2];
        for (i, row) in rows.chunks_mut(2).enumerate() {
            data.train.read(i, row).unwrap();
        }
        MemoryDataset::new(DataShape::flat(2), rows).unwrap()
    });
    let second = second.with_codes_of(first);

    let bytes_of_both = second.to_bytes().unwrap();
    assert_eq!(bytes_of_both.codes_of.as_deref(), Some(&bytes));
    let folder = tempfile::tempdir().unwrap();
    second.save(folder.path()).unwrap();
    assert!(folder.path().join("codes-of/model.json").is_file());
    let again = Trained::open(folder.path(), Backend::Flex).unwrap();
    assert_eq!(again.to_bytes().unwrap(), bytes_of_both);

    // The splits are of the same table: each training row once through both encoders.
    let through = codes(&again, table());
    let train = Data::from_source(
        Source::new("parts", Arc::new(table())),
        &DataConfig::default(),
        1,
    );
    let indices = train.unwrap().train.indices().to_vec();
    for (place, index) in indices.iter().enumerate() {
        let index = *index as usize;
        close(
            &through.mean[2 * index..][..2],
            &own.mean[2 * place..][..2],
            1e-4,
        );
    }
    let samples = again.sample(5, &[], 1).unwrap();
    assert_eq!(samples.len(), 15);
    let examples = again.examples(Arc::new(table())).unwrap();
    let batch = again.reconstruct(&examples).next().unwrap().unwrap();
    assert_eq!(batch.reconstructed.len(), ROWS * 3);
    let lengths: f32 = batch.reconstructed.chunks(3).map(|row| row[0]).sum();
    assert!((lengths / ROWS as f32 - 100.0).abs() < 30.0);
    // The first model is closed to data of another shape, and named where it depends on labels.
    let wide = MemoryDataset::new(DataShape::flat(4), vec![0.5; 400]).unwrap();
    let source = Source::new("wide", Arc::new(wide));
    let wide = Data::from_source(source, &DataConfig::default(), 1).unwrap();
    let error = again.encode_data(wide, 1, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("shape 3"), "{error}");
}

/// Rows that are made when they are asked for.
struct Endless {
    shape: DataShape,
    read: Arc<AtomicUsize>,
}

impl Dataset for Endless {
    fn len(&self) -> usize {
        1_000_000
    }

    fn shape(&self) -> &DataShape {
        &self.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> std::result::Result<(), DataError> {
        self.read.fetch_add(1, Ordering::Relaxed);
        out.fill(index as f32);
        Ok(())
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn say(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Progress for Told {
    fn start(&self, what: &str, total: Option<u64>) {
        self.say(format!("{what} {total:?}"));
    }

    fn advance(&self, n: u64) {
        self.say(n.to_string());
    }

    fn finish(&self) {
        self.say("done".into());
    }
}

#[test]
fn a_million_rows_stream_and_the_work_can_be_stopped() {
    let model = trained(vae(), &data());
    let read = Arc::new(AtomicUsize::new(0));
    let endless = Endless {
        shape: DataShape::flat(3),
        read: read.clone(),
    };
    let (told, stop) = (Told::default(), AtomicBool::new(false));
    let examples = model.examples(Arc::new(endless)).unwrap().batch_size(64);
    let examples = examples.progress("encoding", &told).stop(&stop);
    let mut batches = model.encode(&examples);
    assert_eq!(batches.next().unwrap().unwrap().mean.len(), 128);
    // A few batches ahead, and not the whole.
    assert!(read.load(Ordering::Relaxed) <= 10 * 64);
    batches.next().unwrap().unwrap();
    stop.store(true, Ordering::Relaxed);
    assert!(matches!(batches.next(), Some(Err(Error::Stopped))));
    drop(batches);
    let told = told.0.into_inner().unwrap();
    assert_eq!(told, ["encoding Some(1000000)", "64", "64", "done"]);
}

/// The same numbers as those of the generic functions of the library.
#[test]
fn measures_are_those_of_the_training() {
    let data = data();
    let recipe = recipe(vae(), &data, 2);
    let model = recipe.train(Backend::Flex, &mut ()).unwrap().model;
    let bytes = model.to_bytes().unwrap();
    let (generic, _) = bytes.load::<Flex>(&Default::default()).unwrap();
    let test = recipe.test().unwrap();
    let expected = evaluate_nll(&generic, test, 7, 3, &Default::default()).unwrap();
    let examples = model.examples_of_split(&data.test).unwrap().seed(3);
    let nll: Result<Vec<_>> = model.nll(&examples, 7).unwrap().collect();
    let nll = nll.unwrap().concat();
    let mean = nll.iter().copied().map(f64::from).sum::<f64>() / nll.len() as f64;
    assert!((mean - expected.unwrap()).abs() < 1e-6, "{mean}");

    let evaluation = model.evaluate(&examples).unwrap();
    let terms = model.terms(&examples).next().unwrap().unwrap();
    for term in &terms {
        let sum: f64 = term.values.iter().copied().map(f64::from).sum();
        let mean = evaluation.readings.get(term.name).unwrap();
        assert!((sum / term.values.len() as f64 - mean).abs() < 1e-5);
    }
    let names: Vec<_> = terms.iter().map(|term| term.name).collect();
    assert_eq!(names, ["reconstruction", "kl"]);

    // Drawn codes lie around their means as the variances say.
    let codes = model.encode(&examples).next().unwrap().unwrap();
    let drawn = model
        .encode(&examples.clone().drawn())
        .next()
        .unwrap()
        .unwrap();
    let drawn = drawn.drawn.unwrap();
    let deviation = codes.deviation().unwrap();
    let squares = drawn.iter().zip(&codes.mean).zip(deviation);
    let squares = squares.map(|((z, mean), s)| f64::from((z - mean) / s).powi(2));
    let mean = squares.sum::<f64>() / drawn.len() as f64;
    assert!((0.5..1.7).contains(&mean), "{mean}");

    let plain = trained(Variant::all().swap_remove(0), &data);
    let examples = plain.examples_of_split(&data.test).unwrap();
    let error = plain.nll(&examples, 5).err().unwrap().to_string();
    assert!(error.contains("ae gives no likelihood"), "{error}");
}

/// Attributes are scaled as features are; a model with other ones is refused.
#[test]
fn attributes_belong_to_the_condition() {
    let with = |names: &[&str]| {
        let values = (0..ROWS).map(|i| 10.0 + (i % 5) as f32).collect();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        table().with_attributes(names, values).unwrap()
    };
    let source = Source::new("parts", Arc::new(with(&["age"])));
    let data = Data::from_source(source, &DataConfig::default(), 1).unwrap();
    let model = trained(Variant::Cvae(Cvae::default()), &data);
    assert_eq!(codes(&model, with(&["age"])).mean.len(), ROWS * 2);
    let error = model.examples(Arc::new(with(&["size"]))).err().unwrap();
    assert!(error.to_string().contains("[age]"), "{error}");
    let scaler: Option<&Scaler> = model.description().attribute_scaler.as_ref();
    assert!((scaler.unwrap().offset[0] - 12.0).abs() < 0.5);
}

/// Nobody can mistake the bytes of one model for those of another.
#[test]
fn bytes_that_do_not_belong_together_are_refused() {
    let data = data();
    let bytes = |variant| trained(variant, &data).to_bytes().unwrap();
    let mixed = ModelBytes {
        parameters: bytes(Variant::all().swap_remove(0)).parameters,
        ..bytes(vae())
    };
    let error = Trained::from_bytes(mixed, Backend::Flex).err().unwrap();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}
