//! A trained model to be used elsewhere: its encoder, its decoder and its score as ONNX graphs and as functions of a
//! PyTorch module, in the units of the data. What is exported is what the model does: it runs once on a backend that
//! writes the operations down (the module `record`), whatever its variant, networks, likelihood and prior are. Each graph is then
//! computed by its definitions alone and compared with what the model gives for some rows, which go with it.

mod graph;
mod import;
mod lower;
mod model;
mod onnx;
mod python;
mod record;
mod run;
mod score;
mod trace;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype, tensor::TensorView};
use vae_core::{Error, Result, files::write_atomically};
use vae_data::{
    Binarize, ColumnKind, Dataset, MemoryDataset, UNLABELLED, aligned, aligned_with_gaps,
};
use vae_variants::{Description, Detector, Trained};

pub use import::import;

use graph::{Array, Graph};
use run::Values;
use trace::{Tracer, unfit};

/// The largest difference between a graph and the model, over the largest number that the model gives.
const TOLERANCE: f64 = 1e-4;
/// The largest file in the format of ONNX.
const LARGEST: usize = (1 << 31) - 1;

/// In what form a model is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `encoder.onnx`, `decoder.onnx`, `score.onnx`
    Onnx,
    /// `model.py`
    Pytorch,
}

/// A model in other forms, and rows to check it by.
#[derive(Debug, Clone)]
pub struct Export {
    /// Names and contents of the files.
    pub files: Vec<(String, Vec<u8>)>,
    /// What there is, with the largest difference from the model over the largest number it gives.
    pub graphs: Vec<(String, f64)>,
}

impl Export {
    /// Writes the files into `folder`, which is made where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(|source| Error::Io {
            path: folder.to_owned(),
            source,
        })?;
        for (name, bytes) in &self.files {
            write_atomically(&folder.join(name), |file| file.write_all(bytes))?;
        }
        Ok(())
    }
}

/// Exports `model`: encoder and decoder, and the score where there is a detector. `rows` of `dataset` are what the result
/// is compared on.
///
/// # Errors
/// [`Error::Unfit`] if the model does something that has no counterpart, the rows do not fit it, or a graph gives other
/// numbers than the model.
pub fn export(
    model: &Trained,
    detector: Option<&Detector>,
    (dataset, rows): (&Arc<dyn Dataset>, &[u32]),
    formats: &[Format],
) -> Result<Export> {
    let mut rows = Rows::read(model, dataset, rows)?;
    if let Some((detector, threshold)) = detector.and_then(|of| Some((of, of.threshold()?))) {
        let certain = rows.far_from(threshold.value, model, detector)?;
        rows = Rows::read(model, dataset, &certain)?;
    }
    let tracer = Tracer::new(model)?;
    let mut graphs = vec![
        (model::encoder(model, &tracer)?, rows.encoded(model)?),
        (model::decoder(model, &tracer)?, rows.decoded(model)?),
    ];
    if let Some(detector) = detector {
        graphs.push((
            score::score(model, detector, &tracer).map_err(|why| without_score(detector, why))?,
            rows.scored(model, detector)?,
        ));
    }
    drop(tracer);
    let description = model.description();
    let about = about(model);
    let mut files = Vec::new();
    let mut differences = Vec::new();
    let (mut stored, mut constants) = (BTreeMap::new(), BTreeMap::new());
    for (graph, (inputs, outputs)) in &graphs {
        let bytes = onnx::to_bytes(graph, &description.version, &about);
        let wanted: Values = graph
            .inputs
            .iter()
            .filter_map(|value| Some((value.name.clone(), inputs.get(&value.name)?.clone())))
            .collect();
        let read = onnx::from_bytes(&bytes).map_err(unfit)?;
        let difference = compare(&read, &wanted, outputs)?;
        differences.push((graph.name.clone(), difference));
        for (way, values) in [("in", &wanted), ("out", outputs)] {
            for (name, array) in values {
                stored.insert(format!("{}.{way}.{name}", graph.name), array.clone());
            }
        }
        for constant in &graph.constants {
            if !constant.is_parameter && python::is_stored(&constant.array) {
                let name = python::constant_name(graph, &constant.name);
                constants.insert(name, constant.array.clone());
            }
        }
        if formats.contains(&Format::Onnx) {
            if bytes.len() > LARGEST {
                return Err(unfit("an ONNX file has at most 2 GiB".to_owned()));
            }
            files.push((format!("{}.onnx", graph.name), bytes));
        }
    }
    if formats.contains(&Format::Pytorch) {
        let title = format!(
            "A {} model of {}, exported by vae {}.",
            description.variant.info().name,
            model.data().dataset,
            env!("CARGO_PKG_VERSION")
        );
        let all: Vec<&Graph> = graphs.iter().map(|(graph, _)| graph).collect();
        files.push((
            "model.py".to_owned(),
            python::module(&all, &title).into_bytes(),
        ));
        files.push(("constants.safetensors".to_owned(), serialize(&constants)?));
        files.push(("model.safetensors".to_owned(), model.to_bytes()?.parameters));
    }
    files.push(("rows.safetensors".to_owned(), serialize(&stored)?));
    files.push((
        "check.py".to_owned(),
        include_bytes!("../python/check.py").to_vec(),
    ));
    Ok(Export {
        files,
        graphs: differences,
    })
}

/// Why there is no score.
fn without_score(detector: &Detector, why: Error) -> Error {
    Error::Unfit(format!(
        "the score by {} has no graph; leave it out, or take another measure: {why}",
        detector.measure().name()
    ))
}

/// What a file says of its data.
fn about(model: &Trained) -> Vec<(&'static str, String)> {
    let (own, data) = (model.description(), model.data());
    let names = data.column_names();
    let column = |(place, name): (usize, String)| {
        let kind = data
            .table
            .as_ref()
            .and_then(|table| table.kinds().get(place));
        let (kind, levels) = match kind {
            Some(ColumnKind::Category { levels }) => ("category", levels.clone()),
            Some(ColumnKind::Date { origin, .. }) => {
                return serde_json::json!({ "name": name, "kind": "date", "origin": origin, "levels": [] });
            }
            _ => ("number", Vec::new()),
        };
        serde_json::json!({ "name": name, "kind": kind, "levels": levels })
    };
    let columns: Vec<_> = match data.shape.image() {
        Some(_) => Vec::new(),
        None => names.into_iter().enumerate().map(column).collect(),
    };
    let json = |value: serde_json::Value| value.to_string();
    vec![
        ("variant", own.variant.info().name.to_owned()),
        ("dataset", data.dataset.clone()),
        ("columns", json(columns.into())),
        ("classes", json(own.classes.clone().into())),
        ("attributes", json(own.attributes.clone().into())),
        ("binarize", data.binarize.to_string()),
    ]
}

/// The largest difference over the largest number of an output.
fn compare(graph: &Graph, inputs: &Values, outputs: &Values) -> Result<f64> {
    let mut worst: f64 = 0.0;
    let found = run::run(graph, inputs).map_err(unfit)?;
    for (name, expected) in outputs {
        let missing = || unfit(format!("the {} gives no {name}", graph.name));
        let found = found.get(name).ok_or_else(missing)?;
        let difference = difference(found, expected);
        if difference.is_nan() || difference > TOLERANCE {
            return Err(unfit(format!(
                "{name} of the {} differs from what the model gives, by {difference:.1e} of its largest number",
                graph.name
            )));
        }
        worst = worst.max(difference);
    }
    Ok(worst)
}

fn difference(found: &Array, expected: &Array) -> f64 {
    if found.shape() != expected.shape() {
        return f64::INFINITY;
    }
    match (found, expected) {
        (Array::Float(found), Array::Float(expected)) => {
            let largest = expected
                .iter()
                .fold(1e-30_f32, |most, value| most.max(value.abs()));
            let apart = found
                .iter()
                .zip(expected)
                .map(|(a, b)| match a.is_nan() && b.is_nan() {
                    true => 0.0,
                    false => f64::from((a - b).abs()),
                });
            // NaN is no maximum.
            let worst = apart.fold(
                0.0,
                |worst, apart| if apart <= worst { worst } else { apart },
            );
            worst / f64::from(largest)
        }
        (found, expected) => f64::from(u8::from(found != expected)),
    }
}

fn serialize(arrays: &BTreeMap<String, Array>) -> Result<Vec<u8>> {
    let data: Vec<(&String, Dtype, &[usize], Vec<u8>)> = arrays
        .iter()
        .map(|(name, array)| {
            let (dtype, bytes) = match array {
                Array::Float(array) => (
                    Dtype::F32,
                    array.iter().flat_map(|x| x.to_le_bytes()).collect(),
                ),
                Array::Double(array) => (
                    Dtype::F64,
                    array.iter().flat_map(|x| x.to_le_bytes()).collect(),
                ),
                Array::Int(array) => (
                    Dtype::I64,
                    array.iter().flat_map(|x| x.to_le_bytes()).collect(),
                ),
                Array::Bool(array) => (Dtype::BOOL, array.iter().map(|x| u8::from(*x)).collect()),
            };
            (name, dtype, array.shape(), bytes)
        })
        .collect();
    let views = data.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.to_vec(), bytes);
        view.map(|view| (name.as_str(), view))
    });
    let views: std::result::Result<Vec<_>, _> = views.collect();
    let error = |error: safetensors::SafeTensorError| unfit(error.to_string());
    safetensors::serialize(views.map_err(error)?, None).map_err(error)
}

/// Examples in the units of the data, with what the model is conditioned on.
struct Rows {
    dataset: Arc<dyn Dataset>,
    /// Where they were read.
    indices: Vec<u32>,
    count: usize,
    inputs: Values,
}

/// What goes in and what comes out.
type Pair = (Values, Values);

impl Rows {
    fn read(model: &Trained, dataset: &Arc<dyn Dataset>, rows: &[u32]) -> Result<Self> {
        let (own, data) = (model.description(), model.data());
        let align = match data.table {
            Some(_) => aligned_with_gaps,
            None => aligned,
        };
        let named = align(Arc::clone(dataset), &data.columns, data.table.as_ref())?;
        let width = data.row_width();
        let mut values = vec![0.0; rows.len() * width];
        for (row, index) in values.chunks_mut(width).zip(rows) {
            named.read(*index as usize, row)?;
        }
        if data.binarize != Binarize::None {
            // What is drawn from them is the same for all then.
            values
                .iter_mut()
                .for_each(|value| *value = f32::from(u8::from(*value > 0.5)));
        }
        let class = |index: &u32| {
            let label = usize::try_from(dataset.label(*index as usize)).ok();
            let name = label.and_then(|label| dataset.classes().get(label));
            name.and_then(|name| own.classes.iter().position(|class| class == name))
        };
        let classes: Vec<Option<usize>> = rows.iter().map(class).collect();
        let known = own.attributes.len();
        let mut attributes = vec![0.0; rows.len() * known];
        if known > 0 && dataset.attributes() == own.attributes {
            for (row, index) in attributes.chunks_mut(known).zip(rows) {
                dataset.read_attributes(*index as usize, row);
            }
        }
        let shape = data.shape.clone();
        let row_shape = match (&data.table, shape.image()) {
            (Some(_), _) => vae_data::DataShape::flat(width),
            _ => shape,
        };
        let mut copy = MemoryDataset::new(row_shape, values.clone())?;
        if !data.columns.is_empty() && data.shape.image().is_none() {
            copy = copy.with_columns(data.columns.clone())?;
        }
        if let Some(table) = &data.table {
            copy = copy.with_kinds(table.kinds().to_vec())?;
        }
        if !own.classes.is_empty() && own.variant.is_conditional() && !is_guessed(own) {
            let labels = classes
                .iter()
                .map(|class| class.map_or(UNLABELLED, |class| class as i32));
            copy = copy.with_labels(own.classes.clone(), labels.collect())?;
        }
        if known > 0 && own.variant.is_conditional() {
            copy = copy.with_attributes(own.attributes.clone(), attributes.clone())?;
        }
        let shape = match data.shape.image() {
            Some([channels, height, wide]) => vec![rows.len(), channels, height, wide],
            None => vec![rows.len(), width],
        };
        let whole = classes
            .iter()
            .map(|class| class.map_or(-1, |class| class as i64))
            .collect();
        let inputs = Values::from([
            (
                model::examples_name(data).to_owned(),
                Array::floats(values, &shape),
            ),
            ("label".to_owned(), ints(whole, &[rows.len()])),
            (
                "attributes".to_owned(),
                Array::floats(attributes, &[rows.len(), known]),
            ),
        ]);
        Ok(Self {
            dataset: Arc::new(copy),
            indices: rows.to_vec(),
            count: rows.len(),
            inputs,
        })
    }

    /// Those whose score is so far from the threshold that rounding does not decide; all if there is none.
    fn far_from(&self, threshold: f64, model: &Trained, detector: &Detector) -> Result<Vec<u32>> {
        let (_, outputs) = self.scored(model, detector)?;
        let Some(Array::Float(scores)) = outputs.get("score") else {
            return Ok(self.indices.clone());
        };
        let largest = scores
            .iter()
            .fold(0.0, |most: f64, score| most.max(f64::from(score.abs())));
        let is_far = |score: &f32| (f64::from(*score) - threshold).abs() > TOLERANCE * largest;
        let certain = self
            .indices
            .iter()
            .zip(scores)
            .filter(|(_, score)| is_far(score));
        let certain: Vec<u32> = certain.map(|(index, _)| *index).collect();
        Ok(match certain.is_empty() {
            true => self.indices.clone(),
            false => certain,
        })
    }

    fn encoded(&self, model: &Trained) -> Result<Pair> {
        let examples = model.examples(Arc::clone(&self.dataset))?;
        let mut codes = vae_variants::Codes::default();
        for batch in model.encode(&examples) {
            codes.extend(batch?);
        }
        let array = |values: Vec<f32>| {
            let width = values.len() / self.count;
            Array::floats(values, &[self.count, width])
        };
        let mut outputs = Values::from([("mean".to_owned(), array(codes.mean))]);
        outputs.extend(
            codes
                .log_variance
                .map(|values| ("log_variance".to_owned(), array(values))),
        );
        for (level, values) in (1..).zip(codes.levels) {
            outputs.insert(format!("mean_{level}"), array(values.mean));
            outputs.insert(format!("log_variance_{level}"), array(values.log_variance));
        }
        if let Some(indices) = codes.indices {
            let width = indices.len() / self.count;
            let indices = indices.into_iter().map(i64::from).collect();
            outputs.insert("indices".to_owned(), ints(indices, &[self.count, width]));
        }
        Ok((self.inputs.clone(), outputs))
    }

    fn decoded(&self, model: &Trained) -> Result<Pair> {
        let examples = model.examples(Arc::clone(&self.dataset))?;
        let codes = model.codes(&examples)?;
        let mut found = Vec::new();
        let mut inputs = self.inputs.clone();
        let conditions: Result<Vec<_>> = model.conditions_of(&examples).collect();
        let conditions = conditions?.concat();
        for (row, code) in codes.chunks(model.latent()).enumerate() {
            found.extend(model.decode(code, conditions.get(row)));
        }
        if is_guessed(model.description()) {
            let classes = conditions
                .iter()
                .map(|condition| condition.class().map_or(-1, |class| class as i64));
            inputs.insert("label".to_owned(), ints(classes.collect(), &[self.count]));
        }
        inputs.insert(
            "codes".to_owned(),
            Array::floats(codes, &[self.count, model.latent()]),
        );
        let name = model::examples_name(model.data());
        let shape = self.inputs[name].shape().to_vec();
        Ok((
            inputs,
            Values::from([(name.to_owned(), Array::floats(found, &shape))]),
        ))
    }

    fn scored(&self, model: &Trained, detector: &Detector) -> Result<Pair> {
        let examples = model.examples(Arc::clone(&self.dataset))?;
        let mut scores = Vec::new();
        for batch in model.score(detector, &examples)? {
            scores.extend(batch?.scores);
        }
        let mut outputs = Values::new();
        if let Some(threshold) = detector.threshold() {
            let is = scores
                .iter()
                .map(|score| f64::from(*score) >= threshold.value);
            let is = ArrayD::from_shape_vec(IxDyn(&[self.count]), is.collect());
            outputs.insert(
                "anomaly".to_owned(),
                Array::Bool(is.expect("one for each row")),
            );
        }
        outputs.insert("score".to_owned(), Array::floats(scores, &[self.count]));
        Ok((self.inputs.clone(), outputs))
    }
}

/// Whether the model finds the class of an example itself.
fn is_guessed(description: &Description) -> bool {
    description.variant.labelled_share().is_some()
}

fn ints(values: Vec<i64>, shape: &[usize]) -> Array {
    Array::Int(ArrayD::from_shape_vec(IxDyn(shape), values).expect("as many as the shape has"))
}
