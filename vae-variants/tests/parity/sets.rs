//! The examples that the models see.

use std::sync::Arc;

use serde_json::json;
use vae_data::{
    Batcher, ColumnKind, Data, DataConfig, DataShape, HostBatch, MemoryDataset, NoProgress, Source,
    load,
};
use vae_variants::Variant;

/// Examples in the batch.
pub const BATCH: usize = 16;

/// Which images a case sees.
#[derive(Debug, Clone, Copy)]
pub enum Images {
    /// The first of `mnist-mini`: 1x28x28 with ten classes.
    Digits,
    /// Cut from them: 1x13x11 with ten classes and two attributes.
    Odd,
    /// Three cuts of each, taken as colours: 3x13x11.
    OddColour,
    /// The cuts as whole numbers from 0 to 12.
    Counts,
    /// A table: two numbers with gaps, ten classes, a date, and three levels with gaps.
    Table,
}

/// The images of every kind.
pub struct Sets {
    digits: Data,
    odd: Data,
    colour: Data,
    counts: Data,
    table: Data,
}

impl Sets {
    /// Loads `mnist-mini` and cuts the odd sizes.
    pub fn load() -> Self {
        let digits = load(&DataConfig::of("mnist-mini"), 42, &NoProgress).unwrap();
        let host = first(&digits, None);
        let odd = made(
            cut(&host, &[[7, 9]]),
            [1, 13, 11],
            &digits.classes,
            &host,
            true,
        );
        let places = [[7, 9], [4, 6], [9, 10]];
        let colour = made(
            cut(&host, &places),
            [3, 13, 11],
            &digits.classes,
            &host,
            false,
        );
        let whole = cut(&host, &[[7, 9]])
            .iter()
            .map(|v| (12.0 * v).round())
            .collect();
        let counts = made(whole, [1, 13, 11], &digits.classes, &host, false);
        let table = table(&host, &digits.classes);
        Self {
            digits,
            odd,
            colour,
            counts,
            table,
        }
    }

    pub fn get(&self, images: Images) -> &Data {
        match images {
            Images::Digits => &self.digits,
            Images::Odd => &self.odd,
            Images::OddColour => &self.colour,
            Images::Counts => &self.counts,
            Images::Table => &self.table,
        }
    }
}

pub fn first(data: &Data, variant: Option<&Variant>) -> HostBatch {
    Batcher::sequential(data.train.clone(), BATCH, 7)
        .corrupt(variant.and_then(Variant::corruption))
        .epoch(0, 0)
        .next()
        .unwrap()
        .unwrap()
}

/// Cuts 13 x 11 pixels out of each image, with the upper left corner at each of `places`.
fn cut(host: &HostBatch, places: &[[usize; 2]]) -> Vec<f32> {
    let mut values = Vec::new();
    for image in host.target.chunks_exact(28 * 28) {
        for [top, left] in places {
            for line in image.chunks_exact(28).skip(*top).take(13) {
                values.extend_from_slice(&line[*left..left + 11]);
            }
        }
    }
    values
}

fn made(
    values: Vec<f32>,
    shape: [usize; 3],
    classes: &[String],
    host: &HostBatch,
    attributes: bool,
) -> Data {
    let labels = host.labels.clone().unwrap();
    let mut set = MemoryDataset::new(DataShape::new(shape).unwrap(), values)
        .unwrap()
        .with_labels(classes.to_vec(), labels)
        .unwrap();
    if attributes {
        let names = vec!["place".to_owned(), "square".to_owned()];
        let numbers = (0..host.len).flat_map(|i| [i as f32, (i * i) as f32]);
        set = set.with_attributes(names, numbers.collect()).unwrap();
    }
    all_of("cut", set)
}

/// All examples are trained on.
fn all_of(name: &str, set: MemoryDataset) -> Data {
    let config = DataConfig {
        validation: 0.0,
        test: 0.0,
        ..DataConfig::default()
    };
    Data::from_source(Source::new(name, Arc::new(set)), &config, 1).unwrap()
}

/// The ink of each image, its class, its share of black, a day, and how it is to be filed; some cells are missing.
fn table(host: &HostBatch, classes: &[String]) -> Data {
    let labels = host.labels.as_ref().unwrap();
    let rows = host.target.chunks_exact(28 * 28).zip(labels).enumerate();
    let gap = |i: usize, every: usize, value: f32| if i % every == 1 { f32::NAN } else { value };
    let values = rows.flat_map(|(i, (image, label))| {
        let ink: f32 = image.iter().sum();
        let black = image.iter().filter(|v| **v == 0.0).count() as f32;
        [
            gap(i, 4, ink),
            *label as f32,
            gap(i, 5, black),
            (7 * i) as f32,
            gap(i, 3, (i / 3 % 3) as f32),
        ]
    });
    let names = ["ink", "class", "black", "day", "file"]
        .map(str::to_owned)
        .to_vec();
    let category = |levels: &[String]| ColumnKind::Category {
        levels: levels.to_vec(),
    };
    let file = ["top", "middle", "bottom"].map(str::to_owned);
    let kinds = vec![
        ColumnKind::Number,
        category(classes),
        ColumnKind::Number,
        serde_json::from_value(json!({"kind": "date", "origin": 0, "unit": "day"})).unwrap(),
        category(&file),
    ];
    let set = MemoryDataset::new(DataShape::flat(5), values.collect()).unwrap();
    let set = set.with_columns(names).unwrap().with_kinds(kinds).unwrap();
    all_of("table", set)
}
