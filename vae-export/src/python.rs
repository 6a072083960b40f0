//! Graphs as a module of PyTorch.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use crate::graph::{Array, Dim, Graph, Kind, Node, Value};

/// What stands before the graphs.
const HEAD: &str = include_str!("../python/head.py");
/// Whole numbers up to this count are written out.
const SHORT: usize = 8;

/// A module with a function for each graph.
pub fn module(graphs: &[&Graph], title: &str) -> String {
    let mut text = HEAD.replace("TITLE", title);
    for graph in graphs {
        text.push('\n');
        text.push_str(&function(graph));
    }
    text
}

/// What a constant of a graph is called in the file of constants.
pub fn constant_name(graph: &Graph, name: &str) -> String {
    format!("{}_{name}", graph.name)
}

/// Whether a constant is stored in a file, and not written out.
pub fn is_stored(array: &Array) -> bool {
    literal(array).is_none()
}

fn literal(array: &Array) -> Option<String> {
    let number = |value: f64, shortest: String| match () {
        () if value.is_nan() => "float(\"nan\")".to_owned(),
        () if value.is_infinite() => format!("float(\"{value}\")"),
        () if value < 0.0 => format!("({shortest})"),
        () => shortest,
    };
    match array {
        Array::Int(values) if values.ndim() == 1 && values.len() <= SHORT => {
            Some(format!("{:?}", values.iter().collect::<Vec<_>>()))
        }
        Array::Int(values) if values.ndim() == 0 => values.first().map(i64::to_string),
        Array::Float(values) if values.ndim() == 0 => values
            .first()
            .map(|value| number(f64::from(*value), format!("{value:?}"))),
        Array::Double(values) if values.ndim() == 0 => values
            .first()
            .map(|value| number(*value, format!("{value:?}"))),
        _ => None,
    }
}

fn shape(value: &Value) -> String {
    let sizes = value.shape.iter().map(|dim| match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Batch(_) => "batch".to_owned(),
    });
    let kind = match value.kind {
        Kind::Float => "float",
        Kind::Double => "double",
        Kind::Int => "int",
        Kind::Bool => "bool",
    };
    format!(
        "{} {kind} [{}]",
        value.name,
        sizes.collect::<Vec<_>>().join(", ")
    )
}

fn function(graph: &Graph) -> String {
    let names: Vec<&str> = graph
        .inputs
        .iter()
        .map(|value| value.name.as_str())
        .collect();
    let list = |values: &[Value]| values.iter().map(shape).collect::<Vec<_>>().join(", ");
    let mut writer = Writer::new(graph);
    let mut text = format!(
        "    def {}(self, {}):\n        \"\"\"Takes {}; gives {}.\"\"\"\n        w, c = self.weights(), self.constants\n",
        graph.name,
        names.join(", "),
        list(&graph.inputs),
        list(&graph.outputs),
    );
    for node in &graph.nodes {
        let is_output = graph
            .outputs
            .iter()
            .any(|value| value.name == node.outputs[0]);
        if is_output {
            let of = writer.tensor(&node.inputs[0]);
            writer.outputs.push((node.outputs[0].clone(), of));
            continue;
        }
        let expression = writer.expression(node);
        let _ = writeln!(text, "        {} = {expression}", node.outputs.join(", "));
    }
    let outputs = writer
        .outputs
        .iter()
        .map(|(name, of)| format!("\"{name}\": {of}"));
    let outputs = outputs.collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "        return {{{outputs}}}");
    text
}

struct Writer<'a> {
    graph: &'a Graph,
    /// What stands for a constant.
    constants: HashMap<&'a str, String>,
    /// Values that are Python lists.
    lists: HashSet<String>,
    outputs: Vec<(String, String)>,
    /// Where the tensors are.
    device: String,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph) -> Self {
        let constants = graph.constants.iter().map(|constant| {
            let name = constant.name.as_str();
            let text = match (constant.is_parameter, literal(&constant.array)) {
                (true, _) => format!("w[\"{name}\"]"),
                (false, Some(text)) => text,
                (false, None) => format!("c[\"{}\"]", constant_name(graph, name)),
            };
            (name, text)
        });
        let first = graph.inputs.first();
        Self {
            graph,
            constants: constants.collect(),
            lists: HashSet::new(),
            outputs: Vec::new(),
            device: first.map_or(String::new(), |value| format!("{}.device", value.name)),
        }
    }

    /// A value as it is: a number, a list, or a tensor.
    fn plain(&self, name: &str) -> String {
        self.constants
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    }

    fn array(&self, name: &str) -> Option<&Array> {
        let found = self
            .graph
            .constants
            .iter()
            .find(|constant| constant.name == name);
        found.map(|constant| &constant.array)
    }

    /// A number or a tensor.
    fn tensor(&self, name: &str) -> String {
        let text = self.plain(name);
        match self.array(name) {
            Some(array) if array.shape().len() == 1 && !is_stored(array) => {
                format!("torch.tensor({text}, device={})", self.device)
            }
            _ => text,
        }
    }

    fn ints(&self, name: &str) -> Vec<i64> {
        match self.array(name) {
            Some(Array::Int(array)) => array.iter().copied().collect(),
            _ => Vec::new(),
        }
    }

    fn is_number(&self, name: &str) -> bool {
        self.array(name)
            .is_some_and(|array| array.shape().is_empty() && !is_stored(array))
    }

    fn is_list(&self, name: &str) -> bool {
        self.lists.contains(name)
    }

    fn expression(&mut self, node: &Node) -> String {
        if let Some(text) = self.list(node) {
            self.lists.insert(node.outputs[0].clone());
            return text;
        }
        let of = |place: usize| match node.inputs.get(place) {
            Some(name) if !name.is_empty() => self.tensor(name),
            _ => "None".to_owned(),
        };
        let axis = node.int("axis").unwrap_or_default();
        let infix = |sign: &str| format!("{} {sign} {}", of(0), of(1));
        let method = |name: &str| format!("{}.{name}()", of(0));
        let reduced = |name: &str| {
            let axes = self.ints(&node.inputs[1]);
            let keeps = match node.int("keepdims") {
                Some(0) => "False",
                _ => "True",
            };
            format!(
                "{}.{name}({}, keepdim={keeps})",
                of(0),
                axes.first().copied().unwrap_or_default()
            )
        };
        let tuple = |name: &str| {
            let values = node.ints(name);
            let values = values
                .iter()
                .take(2)
                .map(i64::to_string)
                .collect::<Vec<_>>();
            format!("({})", values.join(", "))
        };
        match node.op {
            "Identity" => of(0),
            "Neg" => format!("-{}", of(0)),
            "Abs" => method("abs"),
            "Exp" => method("exp"),
            "Log" => method("log"),
            "Sqrt" => method("sqrt"),
            "Sin" => method("sin"),
            "Cos" => method("cos"),
            "Tanh" => method("tanh"),
            "Floor" => method("floor"),
            "Ceil" => method("ceil"),
            "Round" => method("round"),
            "Reciprocal" => method("reciprocal"),
            "Relu" => method("relu"),
            "Erf" => method("erf"),
            "IsNaN" => method("isnan"),
            "IsInf" => method("isinf"),
            "Not" => format!("~{}", of(0)),
            "And" => infix("&"),
            "Or" => infix("|"),
            "Add" => infix("+"),
            "Sub" => infix("-"),
            "Mul" => infix("*"),
            "Div" => infix("/"),
            "Pow" => infix("**"),
            "MatMul" => infix("@"),
            "Equal" => infix("=="),
            "Less" => infix("<"),
            "LessOrEqual" => infix("<="),
            "Greater" => infix(">"),
            "GreaterOrEqual" => infix(">="),
            "Max" if self.is_number(&node.inputs[1]) => format!("{}.clamp(min={})", of(0), of(1)),
            "Max" => format!("torch.maximum({}, {})", of(0), of(1)),
            "Clip" => format!("{}.clamp({}, {})", of(0), of(1), of(2)),
            "Where" => format!("torch.where({}, {}, {})", of(0), of(1), of(2)),
            "Cast" => {
                let kind = node.int("to").and_then(Kind::of_onnx);
                let to = match kind {
                    Some(Kind::Double) => "float64",
                    Some(Kind::Int) => "int64",
                    Some(Kind::Bool) => "bool",
                    Some(Kind::Float) | None => "float32",
                };
                format!("{}.to(torch.{to})", of(0))
            }
            "Reshape" => format!("{}.reshape({})", of(0), self.plain(&node.inputs[1])),
            "Expand" => {
                let sizes = self.plain(&node.inputs[1]);
                match self.is_number(&node.inputs[0]) {
                    true => format!("torch.full({sizes}, {}, device={})", of(0), self.device),
                    false => format!(
                        "{0}.broadcast_to(torch.broadcast_shapes({0}.shape, {sizes}))",
                        of(0)
                    ),
                }
            }
            "Transpose" => format!("{}.permute({:?})", of(0), node.ints("perm")),
            "Tile" => format!("{}.repeat({})", of(0), self.plain(&node.inputs[1])),
            "Slice" => format!("{}[{}]", of(0), self.places(node)),
            "Concat" => {
                let parts = (0..node.inputs.len()).map(of).collect::<Vec<_>>();
                format!("torch.cat([{}], {axis})", parts.join(", "))
            }
            "Gather" => format!("{}.index_select({axis}, {})", of(0), of(1)),
            "GatherElements" => format!("{}.gather({axis}, {})", of(0), of(1)),
            "ReduceSum" => reduced("sum"),
            "ReduceMean" => reduced("mean"),
            "ReduceProd" => reduced("prod"),
            "ReduceMax" => reduced("amax"),
            "ReduceMin" => reduced("amin"),
            "ArgMax" => format!("{}.argmax({axis}, keepdim=True)", of(0)),
            "ArgMin" => format!("{}.argmin({axis}, keepdim=True)", of(0)),
            "CumSum" => format!("{}.cumsum({})", of(0), self.plain(&node.inputs[1])),
            "TopK" => {
                let count = self.ints(&node.inputs[1]).first().copied().unwrap_or(1);
                let largest = match node.int("largest") {
                    Some(0) => "False",
                    _ => "True",
                };
                format!("{}.topk({count}, dim={axis}, largest={largest})", of(0))
            }
            "Conv" => format!(
                "F.conv2d({}, {}, {}, stride={}, padding={}, dilation={}, groups={})",
                of(0),
                of(1),
                of(2),
                tuple("strides"),
                tuple("pads"),
                tuple("dilations"),
                node.int("group").unwrap_or(1)
            ),
            "ConvTranspose" => format!(
                "F.conv_transpose2d({}, {}, {}, stride={}, padding={}, output_padding={}, groups={}, dilation={})",
                of(0),
                of(1),
                of(2),
                tuple("strides"),
                tuple("pads"),
                tuple("output_padding"),
                node.int("group").unwrap_or(1),
                tuple("dilations")
            ),
            "Resize" => {
                let sizes = self.plain(&node.inputs[3]);
                format!("F.interpolate({}, size={sizes}, mode=\"nearest\")", of(0))
            }
            other => format!("NotImplemented  # {other}"),
        }
    }

    /// Sizes are lists.
    fn list(&self, node: &Node) -> Option<String> {
        let of = |place: usize| self.plain(&node.inputs[place]);
        let is_first = node.inputs.first().is_some_and(|name| self.is_list(name));
        match node.op {
            "Shape" => Some(format!("list({}.shape)", of(0))),
            "Gather" if is_first => Some(format!("[{}[i] for i in {}]", of(0), of(1))),
            "Mul" if is_first => Some(format!("[a * b for a, b in zip({}, {})]", of(0), of(1))),
            "Concat" if node.inputs.iter().any(|name| self.is_list(name)) => {
                let parts = (0..node.inputs.len()).map(of).collect::<Vec<_>>();
                Some(parts.join(" + "))
            }
            _ => None,
        }
    }

    fn places(&self, node: &Node) -> String {
        let [starts, ends, axes, steps] = [1, 2, 3, 4].map(|place| self.ints(&node.inputs[place]));
        let rank = axes.iter().max().map_or(0, |axis| axis + 1) as usize;
        let mut parts = vec![":".to_owned(); rank];
        for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            parts[*axis as usize] = match step {
                1 => format!("{start}:{end}"),
                step => format!("{start}:{end}:{step}"),
            };
        }
        parts.join(", ")
    }
}
