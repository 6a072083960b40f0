//! How unusual an example is, as a graph: what `Trained::score` computes.

use vae_core::{Encoder, LikelihoodKind, Loss, Result, importance_nll};
use vae_variants::{Detector, DetectorParts, Measure, Trained};

use crate::{
    graph::{Array, Attribute, Dim, Graph, Kind, Value},
    model::{inputs, reconstructed, rows},
    trace::{Found, Recorded, Tracer, step, unfit, width},
};

/// Keeps the logarithm of an error of 0 finite.
const TINY: f64 = 1e-12;
/// A squared distance below this share of the squared lengths is that of a row from itself.
const SAME: f64 = 1e-12;

/// From examples to scores, and whether each is an anomaly.
///
/// # Errors
/// If the model does something that a graph cannot have.
pub fn score(model: &Trained, detector: &Detector, tracer: &Tracer) -> Result<Graph> {
    let mut graph = Graph::new("score");
    let (target, condition) = inputs(&mut graph, model, tracer)?;
    let mut scoring = Scoring {
        given: [&target].into_iter().chain(&condition).cloned().collect(),
        parts: detector.parts(),
        graph: &mut graph,
        model,
        tracer,
    };
    let score = scoring.score()?;
    let score = graph.cast(&score, Kind::Float);
    graph.output("score", &score);
    if let Some(threshold) = detector.threshold() {
        let (score, bound) = (
            graph.cast(&score, Kind::Double),
            graph.scalar(threshold.value, Kind::Double),
        );
        let is_anomaly = graph.op(
            "GreaterOrEqual",
            &[&score, &bound],
            Kind::Bool,
            &[Dim::Batch(1)],
        );
        graph.output("anomaly", &is_anomaly);
    }
    Ok(graph.pruned())
}

struct Scoring<'a> {
    graph: &'a mut Graph,
    model: &'a Trained,
    tracer: &'a Tracer,
    parts: DetectorParts<'a>,
    /// The examples in the model's own scale, and the condition.
    given: Vec<Value>,
}

/// A number for each example.
const EACH: [Dim; 1] = [Dim::Batch(1)];

impl Scoring<'_> {
    fn score(&mut self) -> Result<Value> {
        let is_image = self.model.description().shape.image().is_some();
        match self.parts.measure {
            Measure::Combined => {
                let of_model = match is_image || !self.model.gives_likelihood() {
                    true => self.error(true)?,
                    false => self.nll()?,
                };
                let rows = self.finite();
                let near = self.neighbour(&rows)?;
                let offset = self.graph.scalar(self.parts.offset, Kind::Double);
                let near = self.each("Add", &[&near, &offset]);
                let mut views = vec![of_model, self.each("Log", &[&near])];
                if let Some(square) = self.distance(&rows)? {
                    let tiny = self.graph.scalar(TINY, Kind::Double);
                    let sum = self.each("Add", &[&square, &tiny]);
                    views.push(self.each("Log", &[&sum]));
                }
                self.combined(views)
            }
            Measure::Reconstruction => self.error(false),
            Measure::Nll => self.nll(),
            Measure::Elbo => self.elbo(),
            Measure::Mahalanobis => {
                let codes = self.codes()?;
                let square = self
                    .distance(&codes)?
                    .ok_or_else(|| unfit("it has no Gaussian".to_owned()))?;
                Ok(self.each("Sqrt", &[&square]))
            }
            Measure::Neighbours => {
                let codes = self.codes()?;
                self.neighbour(&codes)
            }
        }
    }

    fn each(&mut self, op: &'static str, inputs: &[&Value]) -> Value {
        self.graph.op(op, inputs, Kind::Double, &EACH)
    }

    /// The sum over each row.
    fn sum(&mut self, value: &Value) -> Value {
        let axes = self.graph.constant(Array::ints(&[1]));
        let kept = vec![("keepdims", Attribute::Int(0))];
        self.graph
            .op_with("ReduceSum", &[value, &axes], Kind::Double, &EACH, kept)
    }

    /// What `compute` makes of the examples.
    fn trace(
        &mut self,
        compute: impl Fn(&[Recorded], usize) -> Result<Vec<Found>>,
    ) -> Result<Vec<Value>> {
        let given: Vec<&Value> = self.given.iter().collect();
        self.tracer.trace(self.graph, &given, compute)
    }

    /// The examples with 0 where something is missing, in double precision.
    fn finite(&mut self) -> Value {
        let target = self.given[0].clone();
        let shape = rows(width(&target));
        let is_missing = self.graph.op("IsNaN", &[&target], Kind::Bool, &shape);
        let zero = self.graph.scalar(0.0, Kind::Float);
        let finite = self
            .graph
            .op("Where", &[&is_missing, &zero, &target], Kind::Float, &shape);
        self.graph.cast(&finite, Kind::Double)
    }

    /// The mean squared error of the numbers that are there, or its logarithm.
    fn error(&mut self, is_log: bool) -> Result<Value> {
        let description = self.model.description();
        let given: Vec<&Value> = self.given.iter().collect();
        let mut found = reconstructed(self.graph, self.model, self.tracer, &given)?;
        let target = &self.given[0].clone();
        let features = width(target);
        let shape = rows(features);
        if description.likelihood.kind == LikelihoodKind::Multinomial {
            let axes = self.graph.constant(Array::ints(&[1]));
            let kept = vec![("keepdims", Attribute::Int(1))];
            let total =
                self.graph
                    .op_with("ReduceSum", &[target, &axes], Kind::Float, &rows(1), kept);
            found = self.graph.op("Mul", &[&found, &total], Kind::Float, &shape);
        }
        let difference = self.graph.op("Sub", &[target, &found], Kind::Float, &shape);
        let square = self
            .graph
            .op("Mul", &[&difference, &difference], Kind::Float, &shape);
        let is_missing = self.graph.op("IsNaN", &[&square], Kind::Bool, &shape);
        let (mut share, mut is_first) = (vec![1.0; features], vec![1.0; features]);
        if let Some(table) = &description.table {
            let mut place = 0;
            for kind in table.kinds() {
                if kind.is_category() {
                    share[place..place + kind.width()].fill(0.5);
                    is_first[place + 1..place + kind.width()].fill(0.0);
                }
                place += kind.width();
            }
        }
        let zero = self.graph.scalar(0.0, Kind::Float);
        let known = self
            .graph
            .op("Where", &[&is_missing, &zero, &square], Kind::Float, &shape);
        let known = self.graph.cast(&known, Kind::Double);
        let share = self.graph.constant(Array::doubles(share, &[1, features]));
        let shared = self
            .graph
            .op("Mul", &[&known, &share], Kind::Double, &shape);
        let sum = self.sum(&shared);
        let first = self
            .graph
            .constant(Array::doubles(is_first, &[1, features]));
        let none = self.graph.scalar(0.0, Kind::Double);
        let counted = self
            .graph
            .op("Where", &[&is_missing, &none, &first], Kind::Double, &shape);
        let count = self.sum(&counted);
        let one = self.graph.scalar(1.0, Kind::Double);
        let count = self.each("Max", &[&count, &one]);
        let mean = self.each("Div", &[&sum, &count]);
        if !is_log {
            return Ok(mean);
        }
        let tiny = self.graph.scalar(TINY, Kind::Double);
        let mean = self.each("Add", &[&mean, &tiny]);
        Ok(self.each("Log", &[&mean]))
    }

    fn nll(&mut self) -> Result<Value> {
        let (model, stage, samples) = (self.model, self.tracer.last(), self.parts.samples);
        let found = self.trace(|rows, examples| {
            let batch = stage.batch(rows);
            let nll = importance_nll(&stage.model, &batch, samples, &step(model, examples));
            let nll = nll.ok_or_else(|| unfit("it gives no likelihood".to_owned()))?;
            Ok(vec![Found::of(nll)])
        })?;
        Ok(self.graph.cast(&found[0], Kind::Double))
    }

    fn elbo(&mut self) -> Result<Value> {
        let (model, stage) = (self.model, self.tracer.last());
        if stage.description.variant.labelled_share().is_some() {
            let why = "its terms are those of the classes that are likely: values that it looks at on the way";
            return Err(unfit(why.to_owned()));
        }
        let weights = std::cell::RefCell::new(Vec::new());
        let found = self.trace(|rows, examples| {
            let batch = stage.batch(rows);
            let objective = stage.model.loss(&batch, &step(model, examples));
            let own = [(1.0, objective.reconstruction)].into_iter();
            let terms = objective
                .terms
                .into_iter()
                .map(|term| (term.weight, term.value));
            let (all, values): (Vec<f64>, Vec<_>) = own.chain(terms).unzip();
            *weights.borrow_mut() = all;
            Ok(values.into_iter().map(Found::of).collect())
        })?;
        let mut sum = self.graph.scalar(0.0, Kind::Double);
        for (weight, value) in weights.into_inner().into_iter().zip(&found) {
            let weight = self.graph.scalar(weight, Kind::Double);
            let value = self.graph.cast(value, Kind::Double);
            let term = self.each("Mul", &[&value, &weight]);
            sum = self.each("Add", &[&sum, &term]);
        }
        Ok(sum)
    }

    /// The mean codes, in double precision.
    fn codes(&mut self) -> Result<Value> {
        let (model, stage) = (self.model, self.tracer.last());
        let found = self.trace(|rows, examples| {
            let batch = stage.batch(rows);
            Ok(vec![Found::of(
                stage.model.encode(&batch, &step(model, examples)).mean(),
            )])
        })?;
        Ok(self.graph.cast(&found[0], Kind::Double))
    }

    /// The squared Mahalanobis distance of each row.
    fn distance(&mut self, of: &Value) -> Result<Option<Value>> {
        let Some(gaussian) = self.parts.gaussian else {
            return Ok(None);
        };
        let width = gaussian.width();
        let mean = self
            .graph
            .constant(Array::doubles(gaussian.mean().to_vec(), &[1, width]));
        let whitening = gaussian.whitening().iter().copied().collect();
        let whitening = self
            .graph
            .constant(Array::doubles(whitening, &[width, width]));
        let moved = self
            .graph
            .op("Sub", &[of, &mean], Kind::Double, &rows(width));
        let white = self
            .graph
            .op("MatMul", &[&moved, &whitening], Kind::Double, &rows(width));
        let square = self
            .graph
            .op("Mul", &[&white, &white], Kind::Double, &rows(width));
        Ok(Some(self.sum(&square)))
    }

    /// The distance of each row to that of the nearest references which counts, leaving out the row itself.
    fn neighbour(&mut self, of: &Value) -> Result<Value> {
        let DetectorParts {
            references,
            width,
            neighbour,
            ..
        } = self.parts;
        let count = references.len() / width.max(1);
        let values: Vec<f64> = references.iter().copied().map(f64::from).collect();
        let lengths = values
            .chunks(width)
            .map(|row| row.iter().map(|x| x * x).sum::<f64>())
            .collect();
        let turned =
            (0..width).flat_map(|column| values.iter().skip(column).step_by(width).copied());
        // In single precision, as they are known: half of the size.
        let turned = turned.map(|value| value as f32).collect();
        let turned = self.graph.constant(Array::floats(turned, &[width, count]));
        let turned = self.graph.cast(&turned, Kind::Double);
        let lengths = self.graph.constant(Array::doubles(lengths, &[1, count]));
        let square = self.graph.op("Mul", &[of, of], Kind::Double, &rows(width));
        let axes = self.graph.constant(Array::ints(&[1]));
        let kept = vec![("keepdims", Attribute::Int(1))];
        let own = self
            .graph
            .op_with("ReduceSum", &[&square, &axes], Kind::Double, &rows(1), kept);
        let shape = rows(count);
        let both = self
            .graph
            .op("Add", &[&own, &lengths], Kind::Double, &shape);
        let product = self
            .graph
            .op("MatMul", &[of, &turned], Kind::Double, &shape);
        let two = self.graph.scalar(2.0, Kind::Double);
        let product = self
            .graph
            .op("Mul", &[&product, &two], Kind::Double, &shape);
        let squares = self
            .graph
            .op("Sub", &[&both, &product], Kind::Double, &shape);
        let share = self.graph.scalar(SAME, Kind::Double);
        let least = self.graph.op("Mul", &[&both, &share], Kind::Double, &shape);
        let is_same = self
            .graph
            .op("LessOrEqual", &[&squares, &least], Kind::Bool, &shape);
        let zero = self.graph.scalar(0.0, Kind::Double);
        let squares = self
            .graph
            .op("Where", &[&is_same, &zero, &squares], Kind::Double, &shape);
        let nearest = (neighbour + 1).min(count);
        let number = self.graph.constant(Array::ints(&[nearest as i64]));
        let smallest = vec![
            ("axis", Attribute::Int(1)),
            ("largest", Attribute::Int(0)),
            ("sorted", Attribute::Int(1)),
        ];
        let inputs = [&squares, &number];
        let nearest_squares =
            self.graph
                .op_with_second("TopK", &inputs, Kind::Double, &rows(nearest), smallest);
        let at = |graph: &mut Graph, place: usize| {
            let place = place.min(nearest - 1);
            let column = crate::model::part(graph, &nearest_squares, place, 1);
            graph.reshape(&column, &EACH).map_err(unfit)
        };
        let first = at(self.graph, 0)?;
        let [without, with] = [at(self.graph, neighbour - 1)?, at(self.graph, neighbour)?];
        let is_own = self.graph.op("Equal", &[&first, &zero], Kind::Bool, &EACH);
        let chosen = self.each("Where", &[&is_own, &with, &without]);
        Ok(self.each("Sqrt", &[&chosen]))
    }

    /// The logarithm of the sum of the exponentials of the scaled views.
    fn combined(&mut self, views: Vec<Value>) -> Result<Value> {
        let scales = self.parts.scales.clone();
        let scaled: Vec<Value> = views
            .iter()
            .zip(scales)
            .map(|(view, (median, upper))| {
                let median_value = self.graph.scalar(median, Kind::Double);
                let range = self.graph.scalar(upper - median + 1e-9, Kind::Double);
                let moved = self.each("Sub", &[view, &median_value]);
                self.each("Div", &[&moved, &range])
            })
            .collect();
        let none = || unfit("its detector combines nothing".to_owned());
        let mut largest = scaled.first().cloned().ok_or_else(none)?;
        for view in &scaled[1..] {
            largest = self.each("Max", &[&largest, view]);
        }
        let mut sum = self.graph.scalar(0.0, Kind::Double);
        for view in &scaled {
            let less = self.each("Sub", &[view, &largest]);
            let part = self.each("Exp", &[&less]);
            sum = self.each("Add", &[&sum, &part]);
        }
        let logarithm = self.each("Log", &[&sum]);
        Ok(self.each("Add", &[&largest, &logarithm]))
    }
}
