//! A computation as a graph of ONNX operators (opset 18), which ONNX files and PyTorch modules are written from.

use std::collections::HashSet;

use ndarray::{ArrayD, IxDyn};

/// The version of the ONNX operators.
pub const OPSET: i64 = 18;

/// Values of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// Single precision.
    Float(ArrayD<f32>),
    /// Double precision.
    Double(ArrayD<f64>),
    /// Whole numbers.
    Int(ArrayD<i64>),
    /// Truth values.
    Bool(ArrayD<bool>),
}

impl Array {
    /// Numbers in single precision.
    ///
    /// # Panics
    /// If their count is not that of the shape.
    pub fn floats(values: Vec<f32>, shape: &[usize]) -> Self {
        Self::Float(of(values, shape))
    }

    /// Numbers in double precision.
    ///
    /// # Panics
    /// If their count is not that of the shape.
    pub fn doubles(values: Vec<f64>, shape: &[usize]) -> Self {
        Self::Double(of(values, shape))
    }

    /// A row of whole numbers.
    pub fn ints(values: &[i64]) -> Self {
        Self::Int(of(values.to_vec(), &[values.len()]))
    }

    /// The type of the values.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Float(_) => Kind::Float,
            Self::Double(_) => Kind::Double,
            Self::Int(_) => Kind::Int,
            Self::Bool(_) => Kind::Bool,
        }
    }

    /// Size of each dimension.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Float(array) => array.shape(),
            Self::Double(array) => array.shape(),
            Self::Int(array) => array.shape(),
            Self::Bool(array) => array.shape(),
        }
    }
}

fn of<T>(values: Vec<T>, shape: &[usize]) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), values).expect("as many values as the shape has")
}

/// The type of the values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Single precision.
    Float,
    /// Double precision.
    Double,
    /// Whole numbers of 64 bits.
    Int,
    /// Truth values.
    Bool,
}

/// A size that is known, or grows with the number of examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim {
    /// The same for any number of examples.
    Fixed(usize),
    /// So many for each example.
    Batch(usize),
}

/// A tensor in a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Unique in its graph.
    pub name: String,
    /// Of its numbers.
    pub kind: Kind,
    /// Of its dimensions.
    pub shape: Vec<Dim>,
}

/// A setting of an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// Several.
    Ints(Vec<i64>),
    /// A word.
    Text(&'static str),
}

/// An operator with what it takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name in ONNX.
    pub op: &'static str,
    /// Names of values; an empty one is left out.
    pub inputs: Vec<String>,
    /// Names of values.
    pub outputs: Vec<String>,
    /// Settings by their names.
    pub attributes: Vec<(&'static str, Attribute)>,
}

impl Node {
    /// A setting that is a whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attribute(name) {
            Some(Attribute::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// A setting that is several whole numbers; none where it is missing.
    pub fn ints(&self, name: &str) -> &[i64] {
        match self.attribute(name) {
            Some(Attribute::Ints(values)) => values,
            _ => &[],
        }
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        let found = self.attributes.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value)
    }
}

/// A tensor that is known when the graph is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Unique in its graph; of a parameter its name in `model.safetensors`.
    pub name: String,
    /// The values.
    pub array: Array,
    /// Whether it was learned.
    pub is_parameter: bool,
}

/// Operators in an order in which they can be computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    /// What it is, in a word.
    pub name: String,
    /// What it takes.
    pub inputs: Vec<Value>,
    /// What it gives.
    pub outputs: Vec<Value>,
    /// The operators.
    pub nodes: Vec<Node>,
    /// What they need besides.
    pub constants: Vec<Constant>,
    count: usize,
}

impl Graph {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, kind: Kind, shape: &[Dim]) -> Value {
        let value = Value {
            name: name.to_owned(),
            kind,
            shape: shape.to_vec(),
        };
        self.inputs.push(value.clone());
        value
    }

    /// Makes a value an output of this name.
    pub fn output(&mut self, name: &str, value: &Value) {
        let named = Value {
            name: name.to_owned(),
            ..value.clone()
        };
        self.push("Identity", &[value], &named, Vec::new());
        self.outputs.push(named);
    }

    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    /// Adds a value that is known.
    pub fn constant(&mut self, array: Array) -> Value {
        let name = self.fresh();
        self.named(&name, array, false)
    }

    /// Adds a value that was learned, once.
    pub fn parameter(&mut self, name: &str, array: Array) -> Value {
        let is_known = self.constants.iter().any(|constant| constant.name == name);
        let value = self.named(name, array, true);
        if is_known {
            self.constants.pop();
        }
        value
    }

    fn named(&mut self, name: &str, array: Array, is_parameter: bool) -> Value {
        let value = Value {
            name: name.to_owned(),
            kind: array.kind(),
            shape: array.shape().iter().copied().map(Dim::Fixed).collect(),
        };
        self.constants.push(Constant {
            name: name.to_owned(),
            array,
            is_parameter,
        });
        value
    }

    /// A number as a value without dimensions.
    pub fn scalar(&mut self, value: f64, kind: Kind) -> Value {
        self.constant(match kind {
            Kind::Float => Array::floats(vec![value as f32], &[]),
            Kind::Double => Array::doubles(vec![value], &[]),
            Kind::Int => Array::Int(of(vec![value as i64], &[])),
            Kind::Bool => Array::Bool(of(vec![value != 0.0], &[])),
        })
    }

    /// Adds an operator whose output has this type and shape.
    pub fn op(&mut self, op: &'static str, inputs: &[&Value], kind: Kind, shape: &[Dim]) -> Value {
        self.op_with(op, inputs, kind, shape, Vec::new())
    }

    /// As [`Graph::op`], with settings.
    pub fn op_with(
        &mut self,
        op: &'static str,
        inputs: &[&Value],
        kind: Kind,
        shape: &[Dim],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Value {
        let value = Value {
            name: self.fresh(),
            kind,
            shape: shape.to_vec(),
        };
        self.push(op, inputs, &value, attributes);
        value
    }

    fn push(
        &mut self,
        op: &'static str,
        inputs: &[&Value],
        output: &Value,
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        self.nodes.push(Node {
            op,
            inputs: inputs.iter().map(|input| input.name.clone()).collect(),
            outputs: vec![output.name.clone()],
            attributes,
        });
    }

    /// As [`Graph::op_with`], of an operator that has a second output, which nothing needs.
    pub fn op_with_second(
        &mut self,
        op: &'static str,
        inputs: &[&Value],
        kind: Kind,
        shape: &[Dim],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Value {
        let value = self.op_with(op, inputs, kind, shape, attributes);
        let second = self.fresh();
        if let Some(node) = self.nodes.last_mut() {
            node.outputs.push(second);
        }
        value
    }

    /// Another type of the same values.
    pub fn cast(&mut self, value: &Value, kind: Kind) -> Value {
        match value.kind == kind {
            true => value.clone(),
            false => self.op_with(
                "Cast",
                &[value],
                kind,
                &value.shape,
                vec![("to", Attribute::Int(kind.onnx()))],
            ),
        }
    }

    /// The same values in another shape, of whose sizes at most one may grow with the examples.
    ///
    /// # Errors
    /// If two do.
    pub fn reshape(&mut self, value: &Value, shape: &[Dim]) -> Result<Value, String> {
        let grows = shape
            .iter()
            .filter(|dim| matches!(dim, Dim::Batch(_)))
            .count();
        if grows > 1 {
            return Err(format!(
                "a shape with {grows} dimensions that grow with the examples"
            ));
        }
        let sizes = shape.iter().map(|dim| match dim {
            Dim::Fixed(size) => *size as i64,
            Dim::Batch(_) => -1,
        });
        let sizes = self.constant(Array::ints(&sizes.collect::<Vec<_>>()));
        Ok(self.op("Reshape", &[value, &sizes], value.kind, shape))
    }

    /// The values repeated along dimensions of size 1, or along new ones in front.
    pub fn expand(&mut self, value: &Value, shape: &[Dim]) -> Value {
        let missing = shape.len() - value.shape.len();
        let old = |at: usize| at.checked_sub(missing).map(|at| value.shape[at]);
        let grows = |at: usize| matches!(shape[at], Dim::Batch(_)) && old(at) != Some(shape[at]);
        let sizes: Vec<i64> = (0..shape.len())
            .map(|at| match shape[at] {
                Dim::Fixed(size) => size as i64,
                Dim::Batch(_) => 1,
            })
            .collect();
        if !(0..shape.len()).any(grows) {
            let sizes = self.constant(Array::ints(&sizes));
            return self.op("Expand", &[value, &sizes], value.kind, shape);
        }
        let examples = self.examples();
        let parts: Vec<Value> = (0..shape.len())
            .map(|at| match shape[at] {
                Dim::Batch(times) if grows(at) => {
                    let times = self.constant(Array::ints(&[times as i64]));
                    self.op("Mul", &[&examples, &times], Kind::Int, &[Dim::Fixed(1)])
                }
                _ => self.constant(Array::ints(&[sizes[at]])),
            })
            .collect();
        let parts: Vec<&Value> = parts.iter().collect();
        let rank = [Dim::Fixed(shape.len())];
        let axis = vec![("axis", Attribute::Int(0))];
        let sizes = self.op_with("Concat", &parts, Kind::Int, &rank, axis);
        self.op("Expand", &[value, &sizes], value.kind, shape)
    }

    /// How many examples there are, as a row of one number.
    fn examples(&mut self) -> Value {
        let first = self.inputs[0].clone();
        let rank = [Dim::Fixed(first.shape.len())];
        let shape = self.op("Shape", &[&first], Kind::Int, &rank);
        let zero = self.constant(Array::ints(&[0]));
        let axis = vec![("axis", Attribute::Int(0))];
        self.op_with(
            "Gather",
            &[&shape, &zero],
            Kind::Int,
            &[Dim::Fixed(1)],
            axis,
        )
    }

    /// Leaves out what no output needs.
    pub fn pruned(mut self) -> Self {
        let mut needed: HashSet<String> = self
            .outputs
            .iter()
            .map(|value| value.name.clone())
            .collect();
        let mut kept = Vec::new();
        while let Some(node) = self.nodes.pop() {
            if node.outputs.iter().any(|output| needed.contains(output)) {
                needed.extend(node.inputs.iter().cloned());
                kept.push(node);
            }
        }
        kept.reverse();
        self.nodes = kept;
        self.constants
            .retain(|constant| needed.contains(&constant.name));
        self
    }
}

impl Kind {
    /// Its number in ONNX.
    pub fn onnx(self) -> i64 {
        match self {
            Self::Float => 1,
            Self::Int => 7,
            Self::Bool => 9,
            Self::Double => 11,
        }
    }

    /// What has this number in ONNX.
    pub fn of_onnx(number: i64) -> Option<Self> {
        [Self::Float, Self::Int, Self::Bool, Self::Double]
            .into_iter()
            .find(|kind| kind.onnx() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two parts of a graph may use the same weight.
    #[test]
    fn a_parameter_is_in_a_graph_once() {
        let mut graph = Graph::new("twice");
        let array = Array::floats(vec![1.0, 2.0], &[2]);
        let [first, second] = [0; 2].map(|_| graph.parameter("head.bias", array.clone()));
        assert_eq!(first, second);
        assert_eq!(graph.constants.len(), 1);
    }

    #[test]
    fn what_no_output_needs_is_left_out() {
        let mut graph = Graph::new("small");
        let x = graph.input("x", Kind::Float, &[Dim::Batch(1)]);
        let one = graph.scalar(1.0, Kind::Float);
        let sum = graph.op("Add", &[&x, &one], Kind::Float, &[Dim::Batch(1)]);
        let two = graph.scalar(2.0, Kind::Float);
        graph.op("Mul", &[&sum, &two], Kind::Float, &[Dim::Batch(1)]);
        graph.output("y", &sum);
        let graph = graph.pruned();
        let operators: Vec<&str> = graph.nodes.iter().map(|node| node.op).collect();
        assert_eq!(operators, ["Add", "Identity"]);
        assert_eq!(graph.constants.len(), 1);
    }
}
