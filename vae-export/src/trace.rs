//! A model, and those whose codes it was trained on, as operators of a graph.

use std::collections::HashMap;

use burn::tensor::{Int, Tensor, TensorData, TensorPrimitive};
use burn_ir::TensorId;
use vae_core::{Batch, Error, Result, StepContext};
use vae_variants::{Description, Model, ModelBytes, Trained};

use crate::{
    graph::{Graph, Value},
    lower::{EXAMPLES, Lowering, dims},
    record::{Recorder, Recording, Session, parameters},
};

/// A tensor of a recording.
pub type Recorded = Tensor<Recorder, 2>;

/// A tensor to get out of a recording.
pub struct Found {
    id: TensorId,
    shape: Vec<usize>,
}

impl Found {
    /// Numbers.
    pub fn of<const D: usize>(tensor: Tensor<Recorder, D>) -> Self {
        let shape = tensor.dims().to_vec();
        let primitive = match tensor.into_primitive() {
            TensorPrimitive::Float(tensor) | TensorPrimitive::QFloat(tensor) => tensor,
        };
        Self {
            id: primitive.into_ir().id,
            shape,
        }
    }

    /// Whole numbers.
    pub fn of_int<const D: usize>(tensor: Tensor<Recorder, D, Int>) -> Self {
        Self {
            shape: tensor.dims().to_vec(),
            id: tensor.into_primitive().into_ir().id,
        }
    }
}

/// A model that can be recorded.
pub struct Stage {
    /// The model.
    pub model: Model<Recorder>,
    /// What is known of it.
    pub description: Description,
}

impl Stage {
    /// A batch of examples in the model's own scale, `[batch, features]`, and the condition where there is one,
    /// `[batch, classes + attributes]`.
    pub fn batch(&self, rows: &[Recorded]) -> Batch<Recorder> {
        Batch {
            condition: rows.get(1).cloned(),
            has_gaps: self.description.table.is_some(),
            ..Batch::unlabelled(rows[0].clone())
        }
    }
}

/// Records a model, and those whose codes it was trained on.
pub struct Tracer {
    /// That of the data first.
    pub stages: Vec<Stage>,
    parameters: HashMap<TensorId, String>,
    weights: HashMap<TensorId, TensorData>,
    session: Session,
}

impl Tracer {
    /// Loads the model.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it has parts that are not ours.
    pub fn new(model: &Trained) -> Result<Self> {
        let session = Session::start();
        let mut stages = Vec::new();
        let mut names = HashMap::new();
        let mut next = Some(model.to_bytes()?);
        while let Some(mut bytes) = next {
            next = bytes.codes_of.take().map(|bytes| *bytes);
            let (model, description) = ModelBytes::load::<Recorder>(bytes, &Default::default())?;
            // Those of a model whose codes this one was trained on are no parameters of this one.
            if stages.is_empty() {
                let found = parameters(&model).into_iter();
                names.extend(found.map(|(name, id)| (id, name)));
            }
            stages.push(Stage { model, description });
        }
        stages.reverse();
        Ok(Self {
            stages,
            parameters: names,
            weights: session.take().data,
            session,
        })
    }

    /// The model itself.
    pub fn last(&self) -> &Stage {
        self.stages.last().expect("a model has itself")
    }

    /// Adds what `compute` makes of some rows to the graph.
    ///
    /// # Errors
    /// [`Error::Unfit`] if it does something that a graph cannot have.
    pub fn trace(
        &self,
        graph: &mut Graph,
        inputs: &[&Value],
        compute: impl Fn(&[Recorded], usize) -> Result<Vec<Found>>,
    ) -> Result<Vec<Value>> {
        let mut recorded = Vec::new();
        for examples in EXAMPLES {
            self.session.take();
            let rows: Vec<Recorded> = inputs
                .iter()
                .map(|value| {
                    let width = width(value);
                    let zeros = TensorData::new(vec![0.0_f32; examples * width], [examples, width]);
                    Tensor::from_data(zeros, &Default::default())
                })
                .collect();
            let ids: Vec<TensorId> = rows.iter().map(crate::record::id).collect();
            let found = compute(&rows, examples)?;
            recorded.push((ids, found, self.session.take()));
        }
        let [few, more]: [(Vec<TensorId>, Vec<Found>, Recording); 2] = recorded
            .try_into()
            .map_err(|_| unfit("two recordings are needed".to_owned()))?;
        let mut lowering = Lowering {
            graph,
            values: few
                .0
                .iter()
                .copied()
                .zip(inputs.iter().map(|value| (*value).clone()))
                .collect(),
            parameters: &self.parameters,
            weights: &self.weights,
        };
        let wanted: Vec<TensorId> = few.1.iter().map(|found| found.id).collect();
        lowering.lower([&few.2, &more.2], &wanted).map_err(unfit)?;
        let pairs = few.1.iter().zip(&more.1);
        let values = pairs.map(|(a, b)| {
            let value = lowering.value(a.id)?;
            let shape = dims(&a.shape, &b.shape);
            Ok(Value {
                shape: shape.ok_or("a size does not grow with the examples")?,
                ..value
            })
        });
        values
            .collect::<std::result::Result<_, String>>()
            .map_err(unfit)
    }
}

/// Numbers in a row.
pub fn width(value: &Value) -> usize {
    match value.shape.last() {
        Some(crate::graph::Dim::Fixed(width)) => *width,
        _ => 1,
    }
}

/// A pass that evaluates so many examples alike.
pub fn step(model: &Trained, examples: usize) -> StepContext {
    model.scoring_step(examples)
}

/// Something that keeps a model from being exported.
pub fn unfit(why: String) -> Error {
    Error::Unfit(format!("the model cannot be exported: {why}"))
}
