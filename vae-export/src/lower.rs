//! From a recording to a graph.
//!
//! The same computation is recorded for two numbers of examples: a size that differs grows with them.

use std::collections::{HashMap, HashSet};

use burn::tensor::{DType, Slice, TensorData};
use burn_ir::{
    BaseOperationIr as Base, BoolOperationIr as Truth, FloatOperationIr as Real,
    IntOperationIr as Whole, ModuleOperationIr as Layer, NumericOperationIr as Number, OperationIr,
    ScalarIr, TensorId, TensorIr,
};

use crate::{
    graph::{Array, Attribute, Dim, Graph, Kind, Value},
    record::Recording,
};

/// Numbers of examples that are recorded.
pub const EXAMPLES: [usize; 2] = [2, 3];

/// Turns recordings of one computation into operators of a graph.
pub struct Lowering<'a> {
    /// Where the operators go.
    pub graph: &'a mut Graph,
    /// Tensors that are in the graph.
    pub values: HashMap<TensorId, Value>,
    /// Names of parameters.
    pub parameters: &'a HashMap<TensorId, String>,
    /// The parameters.
    pub weights: &'a HashMap<TensorId, TensorData>,
}

impl Lowering<'_> {
    /// Adds the operations of the two recordings that these tensors follow from; those of the first name them.
    ///
    /// # Errors
    /// What is in them that a graph cannot have.
    pub fn lower(&mut self, [a, b]: [&Recording; 2], wanted: &[TensorId]) -> Result<(), String> {
        if a.is_read || b.is_read {
            return Err(
                "what it computes depends on values that it looks at on the way".to_owned(),
            );
        }
        let changes = || "it computes something else for another number of examples".to_owned();
        if a.operations.len() != b.operations.len() {
            return Err(changes());
        }
        let ids = |of: &Recording| {
            let mut ids: Vec<_> = of.data.keys().copied().collect();
            ids.sort_unstable();
            ids
        };
        for (first, second) in ids(a).into_iter().zip(ids(b)) {
            if !self.values.contains_key(&first) {
                let value = self.data(&a.data[&first], &b.data[&second]);
                // It may be that nothing needs it.
                if let Some(value) = value {
                    self.values.insert(first, value);
                }
            }
        }
        let mut needed: HashSet<TensorId> = wanted.iter().copied().collect();
        for operation in a.operations.iter().rev() {
            if operation.outputs().any(|out| needed.contains(&out.id)) {
                needed.extend(operation.inputs().map(|input| input.id));
            }
        }
        for (first, second) in a.operations.iter().zip(&b.operations) {
            let is_needed = first.outputs().any(|out| needed.contains(&out.id));
            // What came from the host is there.
            if !is_needed || matches!(first, OperationIr::Init(_)) {
                continue;
            }
            let pairs = first.outputs().zip(second.outputs());
            let outs: Option<Vec<Out>> = pairs.map(|(a, b)| Out::of(a, b)).collect();
            self.add(first, &outs.ok_or_else(changes)?)?;
        }
        Ok(())
    }

    /// A tensor of the host: the same for all examples, or each row the same.
    fn data(&mut self, a: &TensorData, b: &TensorData) -> Option<Value> {
        if a.shape == b.shape {
            let array = array(a)?;
            return Some(self.graph.constant(array));
        }
        let [examples, more] = EXAMPLES;
        let (rows, width) = (a.shape.first()?, a.shape.iter().skip(1).product::<usize>());
        let times = rows / examples;
        if a.shape[0] != times * examples
            || b.shape[0] != times * more
            || a.shape[1..] != b.shape[1..]
        {
            return None;
        }
        let values: Vec<f32> = a.iter::<f32>().collect();
        if !a.dtype.is_float()
            || values
                .chunks(width.max(1))
                .any(|row| row != &values[..width])
        {
            return None;
        }
        let row = self
            .graph
            .constant(Array::floats(values[..width].to_vec(), &[1, width]));
        let shape = [Dim::Batch(times), Dim::Fixed(width)];
        let rows = self.graph.expand(&row, &shape);
        let whole: Vec<Dim> = [Dim::Batch(times)]
            .into_iter()
            .chain(a.shape[1..].iter().copied().map(Dim::Fixed))
            .collect();
        self.graph.reshape(&rows, &whole).ok()
    }

    /// A tensor that is in the graph, or a parameter that gets there now.
    ///
    /// # Errors
    /// If there is none.
    pub fn value(&mut self, id: TensorId) -> Result<Value, String> {
        if let Some(value) = self.values.get(&id) {
            return Ok(value.clone());
        }
        let unknown = || "it uses other numbers for each number of examples".to_owned();
        let array = self.weights.get(&id).and_then(array).ok_or_else(unknown)?;
        let value = match self.parameters.get(&id) {
            Some(name) => self.graph.parameter(name, array),
            None => self.graph.constant(array),
        };
        self.values.insert(id, value.clone());
        Ok(value)
    }

    fn add(&mut self, operation: &OperationIr, outs: &[Out]) -> Result<(), String> {
        let Some(out) = outs.first() else {
            return Ok(());
        };
        let found = self.operator(operation, out);
        let value = match found {
            Ok(Some(value)) => value,
            Ok(None) => {
                let text = format!("{operation:?}");
                let name = text.split('{').next().unwrap_or_default();
                let name = name.rsplit_once('(').map_or(name, |(name, _)| name);
                return Err(format!("the operation {name} has no counterpart"));
            }
            Err(why) => return Err(why),
        };
        self.values.insert(out.id, value);
        Ok(())
    }

    /// Nothing for one that has no counterpart.
    fn operator(&mut self, operation: &OperationIr, out: &Out) -> Result<Option<Value>, String> {
        let mut inputs = Vec::new();
        for input in operation.inputs() {
            inputs.push(self.value(input.id)?);
        }
        let with: Vec<&Value> = inputs.iter().collect();
        Ok(Some(match operation {
            OperationIr::BaseFloat(op) | OperationIr::BaseInt(op) | OperationIr::BaseBool(op) => {
                return self.base(op, &with, out);
            }
            OperationIr::NumericFloat(_, op) | OperationIr::NumericInt(_, op) => {
                return Ok(self.number(op, &with, out));
            }
            OperationIr::Float(_, op) => match op {
                Real::Exp(_) => self.plain("Exp", &with, out),
                Real::Log(_) => self.plain("Log", &with, out),
                Real::Log1p(_) => {
                    let one = self.graph.scalar(1.0, out.kind);
                    let sum = self.plain("Add", &[with[0], &one], out);
                    self.plain("Log", &[&sum], out)
                }
                Real::Erf(_) => self.plain("Erf", &with, out),
                Real::Sqrt(_) => self.plain("Sqrt", &with, out),
                Real::Cos(_) => self.plain("Cos", &with, out),
                Real::Sin(_) => self.plain("Sin", &with, out),
                Real::Tanh(_) => self.plain("Tanh", &with, out),
                Real::Floor(_) => self.plain("Floor", &with, out),
                Real::Ceil(_) => self.plain("Ceil", &with, out),
                Real::Round(_) => self.plain("Round", &with, out),
                Real::Recip(_) => self.plain("Reciprocal", &with, out),
                Real::IsNan(_) => self.plain("IsNaN", &with, out),
                Real::IsInf(_) => self.plain("IsInf", &with, out),
                Real::Matmul(_) => self.plain("MatMul", &with, out),
                Real::PowfScalar(op) => self.with_scalar("Pow", &with, op.rhs, out),
                Real::IntoInt(_) => self.graph.cast(with[0], out.kind),
                _ => return Ok(None),
            },
            OperationIr::Bool(op) => match op {
                Truth::IntoFloat(_) | Truth::IntoInt(_) => self.graph.cast(with[0], out.kind),
                Truth::Not(_) => self.plain("Not", &with, out),
                Truth::And(_) => self.plain("And", &with, out),
                Truth::Or(_) => self.plain("Or", &with, out),
            },
            OperationIr::Int(Whole::IntoFloat(_)) => self.graph.cast(with[0], out.kind),
            OperationIr::Module(op) => return Ok(self.layer(op, &with, out)),
            _ => return Ok(None),
        }))
    }

    fn plain(&mut self, op: &'static str, inputs: &[&Value], out: &Out) -> Value {
        self.graph.op(op, inputs, out.kind, &out.shape)
    }

    fn with_scalar(
        &mut self,
        op: &'static str,
        inputs: &[&Value],
        scalar: ScalarIr,
        out: &Out,
    ) -> Value {
        let scalar = self.graph.scalar(scalar.elem::<f64>(), inputs[0].kind);
        self.plain(op, &[inputs[0], &scalar], out)
    }

    /// Over one dimension, which stays with size 1.
    fn reduce(&mut self, op: &'static str, inputs: &[&Value], axis: usize, out: &Out) -> Value {
        let axes = self.graph.constant(Array::ints(&[axis as i64]));
        let kept = vec![("keepdims", Attribute::Int(1))];
        let shape = &out.shape;
        self.graph
            .op_with(op, &[inputs[0], &axes], out.kind, shape, kept)
    }

    fn base(&mut self, op: &Base, inputs: &[&Value], out: &Out) -> Result<Option<Value>, String> {
        let permuted = |graph: &mut Graph, axes: Vec<usize>| {
            let axes = axes.into_iter().map(|axis| axis as i64).collect();
            let axes = vec![("perm", Attribute::Ints(axes))];
            graph.op_with("Transpose", inputs, out.kind, &out.shape, axes)
        };
        let along = |axis: usize| vec![("axis", Attribute::Int(axis as i64))];
        Ok(Some(match op {
            Base::Reshape(_) if inputs[0].shape == out.shape => inputs[0].clone(),
            Base::Reshape(_) => self.graph.reshape(inputs[0], &out.shape)?,
            Base::SwapDims(op) => {
                let mut axes: Vec<usize> = (0..out.shape.len()).collect();
                axes.swap(op.dim1, op.dim2);
                permuted(self.graph, axes)
            }
            Base::Permute(op) => permuted(self.graph, op.axes.clone()),
            Base::Flip(op) => {
                let mut found = inputs[0].clone();
                for axis in &op.axes {
                    let Dim::Fixed(size) = found.shape[*axis] else {
                        return Err("it reverses the examples".to_owned());
                    };
                    let places: Vec<i64> = (0..size as i64).rev().collect();
                    let places = self.graph.constant(Array::ints(&places));
                    let shape = &out.shape;
                    found = self.graph.op_with(
                        "Gather",
                        &[&found, &places],
                        out.kind,
                        shape,
                        along(*axis),
                    );
                }
                found
            }
            Base::Expand(_) => self.graph.expand(inputs[0], &out.shape),
            Base::Slice(op) => return self.slice(inputs[0], &op.ranges, out).map(Some),
            Base::Select(op) => {
                let shape = &out.shape;
                self.graph
                    .op_with("Gather", inputs, out.kind, shape, along(op.dim))
            }
            Base::Gather(op) => {
                let shape = &out.shape;
                self.graph
                    .op_with("GatherElements", inputs, out.kind, shape, along(op.dim))
            }
            // tensor, mask, value
            Base::MaskWhere(_) => self.plain("Where", &[inputs[1], inputs[2], inputs[0]], out),
            Base::MaskFill(op)
                if op.value.elem::<f64>() == 0.0 && self.is_of_negative(inputs[1], inputs[0]) =>
            {
                self.plain("Relu", &[inputs[0]], out)
            }
            Base::MaskFill(op) => {
                let value = self.graph.scalar(op.value.elem::<f64>(), out.kind);
                self.plain("Where", &[inputs[1], &value, inputs[0]], out)
            }
            Base::Equal(_) => self.plain("Equal", inputs, out),
            Base::EqualElem(op) => self.with_scalar("Equal", inputs, op.rhs, out),
            Base::Cat(op) => {
                let shape = &out.shape;
                self.graph
                    .op_with("Concat", inputs, out.kind, shape, along(op.dim))
            }
            Base::RepeatDim(op) => {
                let repeats =
                    (0..out.shape.len()).map(|at| if at == op.dim { op.times as i64 } else { 1 });
                let repeats = self
                    .graph
                    .constant(Array::ints(&repeats.collect::<Vec<_>>()));
                self.plain("Tile", &[inputs[0], &repeats], out)
            }
            Base::Cast(_) => self.graph.cast(inputs[0], out.kind),
            Base::Zeros(_) | Base::Empty(_) => self.full(0.0, out),
            Base::Ones(_) => self.full(1.0, out),
            _ => return Ok(None),
        }))
    }

    /// Whether `mask` says where `of` is at most 0.
    fn is_of_negative(&self, mask: &Value, of: &Value) -> bool {
        let made = self
            .graph
            .nodes
            .iter()
            .rfind(|node| node.outputs[0] == mask.name);
        let zero = |name: &String| {
            let found = self
                .graph
                .constants
                .iter()
                .rfind(|constant| constant.name == *name);
            found.is_some_and(|constant| constant.array == Array::floats(vec![0.0], &[]))
        };
        made.is_some_and(|node| {
            node.op == "LessOrEqual" && node.inputs[0] == of.name && zero(&node.inputs[1])
        })
    }

    fn full(&mut self, value: f64, out: &Out) -> Value {
        let value = self.graph.scalar(value, out.kind);
        self.graph.expand(&value, &out.shape)
    }

    fn slice(&mut self, input: &Value, ranges: &[Slice], out: &Out) -> Result<Value, String> {
        let mut of: [Vec<i64>; 4] = Default::default();
        for (axis, (range, dim)) in ranges.iter().zip(&input.shape).enumerate() {
            let Dim::Fixed(size) = *dim else {
                match out.shape[axis] == *dim {
                    true => continue,
                    false => return Err("it takes some of the examples".to_owned()),
                }
            };
            let place = |at: isize| match at < 0 {
                true => at + size as isize,
                false => at,
            };
            let (start, end) = (
                place(range.start),
                place(range.end.unwrap_or(size as isize)),
            );
            if (start, end, range.step) == (0, size as isize, 1) {
                continue;
            }
            if range.step < 1 {
                return Err("it reverses a dimension".to_owned());
            }
            let row = [start as i64, end as i64, axis as i64, range.step as i64];
            of.iter_mut()
                .zip(row)
                .for_each(|(all, value)| all.push(value));
        }
        if of[0].is_empty() {
            return Ok(input.clone());
        }
        let of = of.map(|values| self.graph.constant(Array::ints(&values)));
        let [starts, ends, axes, steps] = &of;
        Ok(self.plain("Slice", &[input, starts, ends, axes, steps], out))
    }

    fn number(&mut self, op: &Number, inputs: &[&Value], out: &Out) -> Option<Value> {
        let index = |axis: usize| {
            vec![
                ("axis", Attribute::Int(axis as i64)),
                ("keepdims", Attribute::Int(1)),
            ]
        };
        Some(match op {
            Number::Add(_) => self.plain("Add", inputs, out),
            Number::Sub(_) => self.plain("Sub", inputs, out),
            Number::Mul(_) => self.plain("Mul", inputs, out),
            Number::Div(_) => self.plain("Div", inputs, out),
            Number::Powi(_) => self.plain("Pow", inputs, out),
            Number::AddScalar(op) => self.with_scalar("Add", inputs, op.rhs, out),
            Number::SubScalar(op) => self.with_scalar("Sub", inputs, op.rhs, out),
            Number::MulScalar(op) if op.rhs.elem::<f64>() == -1.0 => self.plain("Neg", inputs, out),
            Number::MulScalar(op) => self.with_scalar("Mul", inputs, op.rhs, out),
            Number::DivScalar(op) => self.with_scalar("Div", inputs, op.rhs, out),
            Number::PowiScalar(op) => match op.rhs.elem::<f64>() == 2.0 {
                true => self.plain("Mul", &[inputs[0], inputs[0]], out),
                false => self.with_scalar("Pow", inputs, op.rhs, out),
            },
            Number::Abs(_) => self.plain("Abs", inputs, out),
            Number::Full(op) => self.full(op.value.elem::<f64>(), out),
            Number::SumDim(op) => self.reduce("ReduceSum", inputs, op.axis, out),
            Number::MeanDim(op) => self.reduce("ReduceMean", inputs, op.axis, out),
            Number::MaxDim(op) => self.reduce("ReduceMax", inputs, op.axis, out),
            Number::MinDim(op) => self.reduce("ReduceMin", inputs, op.axis, out),
            Number::ProdDim(op) => self.reduce("ReduceProd", inputs, op.axis, out),
            Number::ArgMax(op) => {
                let shape = &out.shape;
                self.graph
                    .op_with("ArgMax", inputs, out.kind, shape, index(op.axis))
            }
            Number::ArgMin(op) => {
                let shape = &out.shape;
                self.graph
                    .op_with("ArgMin", inputs, out.kind, shape, index(op.axis))
            }
            Number::Greater(_) => self.plain("Greater", inputs, out),
            Number::GreaterEqual(_) => self.plain("GreaterOrEqual", inputs, out),
            Number::Lower(_) => self.plain("Less", inputs, out),
            Number::LowerEqual(_) => self.plain("LessOrEqual", inputs, out),
            Number::GreaterElem(op) => self.with_scalar("Greater", inputs, op.rhs, out),
            Number::GreaterEqualElem(op) => self.with_scalar("GreaterOrEqual", inputs, op.rhs, out),
            Number::LowerElem(op) => self.with_scalar("Less", inputs, op.rhs, out),
            Number::LowerEqualElem(op) => self.with_scalar("LessOrEqual", inputs, op.rhs, out),
            Number::Clamp(op) => {
                let bounds =
                    [op.min, op.max].map(|bound| self.graph.scalar(bound.elem::<f64>(), out.kind));
                self.plain("Clip", &[inputs[0], &bounds[0], &bounds[1]], out)
            }
            Number::CumSum(op) => {
                let axis = self.graph.scalar(op.axis as f64, Kind::Int);
                self.plain("CumSum", &[inputs[0], &axis], out)
            }
            _ => return None,
        })
    }

    fn layer(&mut self, op: &Layer, inputs: &[&Value], out: &Out) -> Option<Value> {
        let pair = |[a, b]: [usize; 2]| vec![a as i64, b as i64];
        let twice = |of: [usize; 2]| [pair(of), pair(of)].concat();
        let shape = &out.shape;
        Some(match op {
            Layer::Linear(_) => {
                let product = self.plain("MatMul", &inputs[..2], out);
                match inputs.get(2) {
                    Some(bias) => self.plain("Add", &[&product, bias], out),
                    None => product,
                }
            }
            Layer::Conv2d(op) => {
                let attributes = vec![
                    ("strides", Attribute::Ints(pair(op.options.stride))),
                    ("pads", Attribute::Ints(twice(op.options.padding))),
                    ("dilations", Attribute::Ints(pair(op.options.dilation))),
                    ("group", Attribute::Int(op.options.groups as i64)),
                ];
                self.graph
                    .op_with("Conv", inputs, out.kind, shape, attributes)
            }
            Layer::ConvTranspose2d(op) => {
                let attributes = vec![
                    ("strides", Attribute::Ints(pair(op.options.stride))),
                    ("pads", Attribute::Ints(twice(op.options.padding))),
                    (
                        "output_padding",
                        Attribute::Ints(pair(op.options.padding_out)),
                    ),
                    ("dilations", Attribute::Ints(pair(op.options.dilation))),
                    ("group", Attribute::Int(op.options.groups as i64)),
                ];
                self.graph
                    .op_with("ConvTranspose", inputs, out.kind, shape, attributes)
            }
            Layer::Interpolate(op)
                if matches!(op.options.mode, burn_ir::InterpolateModeIr::Nearest) =>
            {
                let sizes = self.graph.constant(Array::ints(&pair(op.output_size)));
                let none = Value {
                    name: String::new(),
                    kind: Kind::Float,
                    shape: Vec::new(),
                };
                let attributes = vec![
                    ("axes", Attribute::Ints(vec![2, 3])),
                    ("mode", Attribute::Text("nearest")),
                    (
                        "coordinate_transformation_mode",
                        Attribute::Text("asymmetric"),
                    ),
                    ("nearest_mode", Attribute::Text("floor")),
                ];
                let inputs = [inputs[0], &none, &none, &sizes];
                self.graph
                    .op_with("Resize", &inputs, out.kind, shape, attributes)
            }
            _ => return None,
        })
    }
}

/// What an operation gives.
struct Out {
    id: TensorId,
    kind: Kind,
    shape: Vec<Dim>,
}

impl Out {
    /// Nothing if a size is neither fixed nor a multiple of the examples.
    fn of(a: &TensorIr, b: &TensorIr) -> Option<Self> {
        Some(Self {
            id: a.id,
            kind: kind(a.dtype)?,
            shape: dims(&a.shape, &b.shape)?,
        })
    }
}

/// The sizes of a tensor from those of two numbers of examples.
pub fn dims(a: &[usize], b: &[usize]) -> Option<Vec<Dim>> {
    let [few, more] = EXAMPLES;
    let dim = |(a, b): (&usize, &usize)| match a == b {
        true => Some(Dim::Fixed(*a)),
        false => (a % few == 0 && b * few == a * more).then(|| Dim::Batch(a / few)),
    };
    (a.len() == b.len()).then(|| a.iter().zip(b).map(dim).collect())?
}

fn kind(dtype: DType) -> Option<Kind> {
    match dtype {
        DType::F32 => Some(Kind::Float),
        DType::F64 => Some(Kind::Double),
        DType::I64 | DType::I32 => Some(Kind::Int),
        DType::Bool(_) => Some(Kind::Bool),
        _ => None,
    }
}

fn array(data: &TensorData) -> Option<Array> {
    let shape = data.shape.to_vec();
    match kind(data.dtype)? {
        Kind::Float => Some(Array::floats(data.iter().collect(), &shape)),
        Kind::Double => Some(Array::doubles(data.iter().collect(), &shape)),
        Kind::Int => {
            let values = data.iter::<i64>().collect();
            ndarray::ArrayD::from_shape_vec(shape, values)
                .ok()
                .map(Array::Int)
        }
        Kind::Bool => {
            let values = data.iter::<bool>().collect();
            ndarray::ArrayD::from_shape_vec(shape, values)
                .ok()
                .map(Array::Bool)
        }
    }
}
