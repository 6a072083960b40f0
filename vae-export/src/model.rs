//! The encoder and the decoder as graphs that take and give values in the units of the data.

use vae_core::{Autoencoder, Code, Decoder, Distribution, Encoder, Result};
use vae_data::{Binarize, ColumnKind};
use vae_variants::{Description, Trained};

use crate::{
    graph::{Array, Attribute, Dim, Graph, Kind, Value},
    trace::{Found, Recorded, Tracer, step, unfit, width},
};

/// What examples are called: images, or rows of numbers.
pub fn examples_name(description: &Description) -> &'static str {
    match description.shape.image() {
        Some(_) => "images",
        None => "rows",
    }
}

/// `[batch, width]`
pub fn rows(width: usize) -> [Dim; 2] {
    [Dim::Batch(1), Dim::Fixed(width)]
}

/// The encoder: from examples to codes.
///
/// # Errors
/// If the model does something that a graph cannot have.
pub fn encoder(model: &Trained, tracer: &Tracer) -> Result<Graph> {
    let mut graph = Graph::new("encoder");
    let (target, condition) = inputs(&mut graph, model, tracer)?;
    let stage = tracer.last();
    let inputs: Vec<&Value> = [&target].into_iter().chain(&condition).collect();
    let mut names: Vec<String> = Vec::new();
    let name_of = std::cell::RefCell::new(&mut names);
    let found = tracer.trace(&mut graph, &inputs, |rows, examples| {
        let batch = stage.batch(rows);
        let step = step(model, examples);
        let code = stage.model.encode(&batch, &step);
        let mut named: Vec<(String, Found)> = vec![("mean".to_owned(), Found::of(code.mean()))];
        if let Some(gaussian) = code.gaussian() {
            named.push((
                "log_variance".to_owned(),
                Found::of(gaussian.log_variance()),
            ));
        }
        match &code {
            Code::Levels(levels) => {
                let levels = levels.iter().enumerate();
                for (level, gaussian) in levels {
                    let (mean, log_variance) = (gaussian.mean(), gaussian.log_variance());
                    named.push((format!("mean_{}", level + 1), Found::of(mean)));
                    named.push((
                        format!("log_variance_{}", level + 1),
                        Found::of(log_variance),
                    ));
                }
            }
            Code::Grid(grid) => {
                named.push(("indices".to_owned(), Found::of_int(grid.indices.clone())))
            }
            Code::Point(_) | Code::Posterior(_) => {}
        }
        if guesses(&stage.description) {
            let classes = stage.description.classes.len();
            let condition = stage.model.condition(&batch, &step);
            if let Some(condition) = condition {
                let class = condition.narrow(1, 0, classes).argmax(1);
                named.push(("label".to_owned(), Found::of_int(class)));
            }
        }
        let (names, found): (Vec<String>, Vec<Found>) = named.into_iter().unzip();
        **name_of.borrow_mut() = names;
        Ok(found)
    })?;
    for (name, value) in names.iter().zip(&found) {
        let value = match name.as_str() {
            "label" => graph.reshape(value, &[Dim::Batch(1)]).map_err(unfit)?,
            _ => value.clone(),
        };
        graph.output(name, &value);
    }
    Ok(graph.pruned())
}

/// The decoder: from codes to the mean of the likelihood.
///
/// # Errors
/// As [`encoder`].
pub fn decoder(model: &Trained, tracer: &Tracer) -> Result<Graph> {
    let mut graph = Graph::new("decoder");
    let codes = graph.input("codes", Kind::Float, &rows(model.latent()));
    let condition = match tracer.last().description.variant.is_conditional() {
        true => condition(&mut graph, &tracer.last().description, Asks::Class),
        false => None,
    };
    let mut found = codes;
    for (place, stage) in tracer.stages.iter().enumerate().rev() {
        let is_last = place + 1 == tracer.stages.len();
        let condition = condition.as_ref().filter(|_| is_last);
        let inputs: Vec<&Value> = [&found].into_iter().chain(condition).collect();
        let means = tracer.trace(&mut graph, &inputs, |rows, examples| {
            let step = step(model, examples);
            let parameters = stage.model.decode(rows[0].clone(), rows.get(1), &step);
            Ok(vec![Found::of(stage.model.likelihood(parameters).mean())])
        })?;
        found = in_units(&mut graph, &means[0], &stage.description);
    }
    let data = model.data();
    if let Some([channels, height, width]) = data.shape.image() {
        let shape = [
            Dim::Batch(1),
            Dim::Fixed(channels),
            Dim::Fixed(height),
            Dim::Fixed(width),
        ];
        found = graph.reshape(&found, &shape).map_err(unfit)?;
    }
    graph.output(examples_name(data), &found);
    Ok(graph.pruned())
}

/// Whether the model finds the class of an example itself.
fn guesses(description: &Description) -> bool {
    description.variant.labelled_share().is_some()
}

/// What examples are given as: in the model's own scale, with what it is conditioned on.
///
/// # Errors
/// As [`encoder`].
pub fn inputs(
    graph: &mut Graph,
    model: &Trained,
    tracer: &Tracer,
) -> Result<(Value, Option<Value>)> {
    let data = model.data();
    let given = match data.shape.image() {
        Some([channels, height, width]) => {
            let shape = [
                Dim::Batch(1),
                Dim::Fixed(channels),
                Dim::Fixed(height),
                Dim::Fixed(width),
            ];
            let images = graph.input("images", Kind::Float, &shape);
            graph
                .reshape(&images, &rows(data.shape.features()))
                .map_err(unfit)?
        }
        None => graph.input("rows", Kind::Float, &rows(data.row_width())),
    };
    let description = &tracer.last().description;
    let condition = match description.variant.is_conditional() {
        true => {
            let asks = match guesses(description) {
                true => Asks::NoClass,
                false => Asks::Class,
            };
            condition(graph, description, asks)
        }
        false => None,
    };
    let mut found = scaled(graph, &given, data);
    let (_, before) = tracer.stages.split_last().unwrap_or((tracer.last(), &[]));
    for stage in before {
        let codes = tracer.trace(graph, &[&found], |rows, examples| {
            let batch = stage.batch(rows);
            let code = stage.model.encode(&batch, &step(model, examples));
            Ok(vec![Found::of(code.mean())])
        })?;
        found = codes[0].clone();
    }
    Ok((found, condition))
}

/// Whether a graph takes the class.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    Class,
    NoClass,
}

/// One-hot class and scaled attributes of inputs that are asked for.
fn condition(graph: &mut Graph, description: &Description, asks: Asks) -> Option<Value> {
    let (classes, attributes) = (description.classes.len(), description.attributes.len());
    let mut parts = Vec::new();
    if classes > 0 && asks == Asks::Class {
        let class = graph.input("label", Kind::Int, &[Dim::Batch(1)]);
        let one = graph.constant(Array::ints(&[-1, 1]));
        let column = graph.op("Reshape", &[&class, &one], Kind::Int, &rows(1));
        let all: Vec<i64> = (0..classes as i64).collect();
        let all = graph.constant(Array::ints(&all));
        let hot = graph.op("Equal", &[&column, &all], Kind::Bool, &rows(classes));
        parts.push(graph.cast(&hot, Kind::Float));
    } else if classes > 0 && attributes > 0 {
        let zero = graph.scalar(0.0, Kind::Float);
        parts.push(graph.expand(&zero, &rows(classes)));
    }
    if attributes > 0 {
        let given = graph.input("attributes", Kind::Float, &rows(attributes));
        let scaler = description.attribute_scaler.as_ref();
        parts.push(match scaler {
            None => given,
            Some(scaler) => {
                let [offset, scale] = [&scaler.offset, &scaler.scale]
                    .map(|of| graph.constant(Array::floats(of.clone(), &[1, attributes])));
                let moved = graph.op("Sub", &[&given, &offset], Kind::Float, &rows(attributes));
                graph.op("Div", &[&moved, &scale], Kind::Float, &rows(attributes))
            }
        });
    }
    let parts: Vec<&Value> = parts.iter().collect();
    match parts.as_slice() {
        [] => None,
        [one] => Some((*one).clone()),
        more => {
            let axis = vec![("axis", Attribute::Int(1))];
            let shape = rows(more.iter().map(|part| width(part)).sum());
            Some(graph.op_with("Concat", more, Kind::Float, &shape, axis))
        }
    }
}

/// From the units of the data to the scale of the model: scaled, categories one-hot, pixels binary.
fn scaled(graph: &mut Graph, given: &Value, data: &Description) -> Value {
    let mut found = given.clone();
    let columns = width(given);
    if let Some(scaler) = &data.scaler {
        let [offset, scale] = [&scaler.offset, &scaler.scale]
            .map(|of| graph.constant(Array::floats(of.clone(), &[1, columns])));
        let moved = graph.op("Sub", &[&found, &offset], Kind::Float, &rows(columns));
        found = graph.op("Div", &[&moved, &scale], Kind::Float, &rows(columns));
    }
    if data.binarize == Binarize::Threshold {
        let half = graph.scalar(0.5, Kind::Float);
        let is_bright = graph.op("Greater", &[&found, &half], Kind::Bool, &rows(columns));
        found = graph.cast(&is_bright, Kind::Float);
    }
    let table = data.table.as_ref().filter(|table| table.has_categories());
    let Some(table) = table else {
        return found;
    };
    let nan = graph.scalar(f64::NAN, Kind::Float);
    let mut parts = Vec::new();
    for (place, kind) in table.kinds().iter().enumerate() {
        let value = part(graph, &found, place, 1);
        parts.push(match kind {
            ColumnKind::Category { levels } => {
                let all = (0..levels.len()).map(|level| level as f32).collect();
                let all = graph.constant(Array::floats(all, &[1, levels.len()]));
                let shape = rows(levels.len());
                let hot = graph.op("Equal", &[&value, &all], Kind::Bool, &shape);
                let hot = graph.cast(&hot, Kind::Float);
                let is_missing = graph.op("IsNaN", &[&value], Kind::Bool, &rows(1));
                graph.op("Where", &[&is_missing, &nan, &hot], Kind::Float, &shape)
            }
            ColumnKind::Number | ColumnKind::Date { .. } => value,
        });
    }
    joined(graph, &parts)
}

/// From the scale of a model to the units of its data: the most likely level of a category.
fn in_units(graph: &mut Graph, found: &Value, description: &Description) -> Value {
    let mut found = found.clone();
    let table = description
        .table
        .as_ref()
        .filter(|table| table.has_categories());
    if let Some(table) = table {
        let mut first = 0;
        let mut parts = Vec::new();
        for kind in table.kinds() {
            let places = part(graph, &found, first, kind.width());
            first += kind.width();
            parts.push(match kind.is_category() {
                true => {
                    let along = vec![("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(1))];
                    let level = graph.op_with("ArgMax", &[&places], Kind::Int, &rows(1), along);
                    graph.cast(&level, Kind::Float)
                }
                false => places,
            });
        }
        found = joined(graph, &parts);
    }
    let columns = width(&found);
    match &description.scaler {
        None => found,
        Some(scaler) => {
            let [offset, scale] = [&scaler.offset, &scaler.scale]
                .map(|of| graph.constant(Array::floats(of.clone(), &[1, columns])));
            let wide = graph.op("Mul", &[&found, &scale], Kind::Float, &rows(columns));
            graph.op("Add", &[&wide, &offset], Kind::Float, &rows(columns))
        }
    }
}

/// Some columns.
pub fn part(graph: &mut Graph, value: &Value, first: usize, count: usize) -> Value {
    let (first, last) = (first as i64, (first + count) as i64);
    let [starts, ends, axes, steps] =
        [first, last, 1, 1].map(|of| graph.constant(Array::ints(&[of])));
    let inputs = [value, &starts, &ends, &axes, &steps];
    graph.op("Slice", &inputs, value.kind, &rows(count))
}

/// Columns side by side.
fn joined(graph: &mut Graph, parts: &[Value]) -> Value {
    let all: Vec<&Value> = parts.iter().collect();
    let shape = rows(parts.iter().map(width).sum());
    let axis = vec![("axis", Attribute::Int(1))];
    graph.op_with("Concat", &all, Kind::Float, &shape, axis)
}

/// The mean that the model reconstructs, as [`Trained::reconstruct`] takes it, in its own scale.
///
/// # Errors
/// As [`encoder`].
pub fn reconstructed(
    graph: &mut Graph,
    model: &Trained,
    tracer: &Tracer,
    inputs: &[&Value],
) -> Result<Value> {
    let stage = tracer.last();
    let found = tracer.trace(graph, inputs, |rows: &[Recorded], examples| {
        let batch = stage.batch(rows);
        let step = step(model, examples);
        let z = stage.model.encode(&batch, &step).mean();
        let condition = stage.model.condition(&batch, &step);
        let parameters = stage.model.decode(z, condition.as_ref(), &step);
        Ok(vec![Found::of(stage.model.likelihood(parameters).mean())])
    })?;
    Ok(found[0].clone())
}
