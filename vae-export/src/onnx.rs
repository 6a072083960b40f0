//! Graphs as ONNX files, and back.
//!
//! The messages are those of `onnx.proto` (ONNX 1.14, IR version 8), as far as they are used.

use ndarray::{ArrayD, IxDyn};
use prost::Message;

use crate::graph::{Array, Attribute, Constant, Dim, Graph, Kind, Node, OPSET, Value};

/// The version of the file format.
const IR_VERSION: i64 = 8;
/// Name of the dimension that the examples are along.
const BATCH: &str = "batch";

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<StringStringEntryProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    s: Option<Vec<u8>>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

/// Numbers of types of attributes.
const INT: i32 = 2;
const STRING: i32 = 3;
const INTS: i32 = 7;

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    dim_param: Option<String>,
}

/// A graph as the bytes of an ONNX file, with what else is to be known of it.
pub fn to_bytes(graph: &Graph, version: &str, metadata: &[(&str, String)]) -> Vec<u8> {
    let node = |(number, node): (usize, &Node)| NodeProto {
        input: node.inputs.clone(),
        output: node.outputs.clone(),
        name: format!("{}_{number}", node.op),
        op_type: node.op.to_owned(),
        attribute: node
            .attributes
            .iter()
            .map(|(name, value)| attribute(name, value))
            .collect(),
    };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "vae".to_owned(),
        producer_version: version.to_owned(),
        graph: Some(GraphProto {
            node: graph.nodes.iter().enumerate().map(node).collect(),
            name: graph.name.clone(),
            initializer: graph.constants.iter().map(tensor).collect(),
            input: graph.inputs.iter().map(info).collect(),
            output: graph.outputs.iter().map(info).collect(),
        }),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: metadata
            .iter()
            .map(|(key, value)| StringStringEntryProto {
                key: (*key).to_owned(),
                value: value.clone(),
            })
            .collect(),
    };
    model.encode_to_vec()
}

fn attribute(name: &str, value: &Attribute) -> AttributeProto {
    let empty = AttributeProto {
        name: name.to_owned(),
        ..AttributeProto::default()
    };
    match value {
        Attribute::Int(value) => AttributeProto {
            i: Some(*value),
            kind: INT,
            ..empty
        },
        Attribute::Ints(values) => AttributeProto {
            ints: values.clone(),
            kind: INTS,
            ..empty
        },
        Attribute::Text(text) => AttributeProto {
            s: Some(text.as_bytes().to_vec()),
            kind: STRING,
            ..empty
        },
    }
}

fn info(value: &Value) -> ValueInfoProto {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => DimensionProto {
            dim_value: Some(*size as i64),
            dim_param: None,
        },
        Dim::Batch(_) => DimensionProto {
            dim_value: None,
            dim_param: Some(BATCH.to_owned()),
        },
    };
    ValueInfoProto {
        name: value.name.clone(),
        kind: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: value.kind.onnx() as i32,
                shape: Some(TensorShapeProto {
                    dim: value.shape.iter().map(dim).collect(),
                }),
            }),
        }),
    }
}

fn tensor(constant: &Constant) -> TensorProto {
    let raw_data = match &constant.array {
        Array::Float(array) => array.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Array::Double(array) => array.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Array::Int(array) => array.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Array::Bool(array) => array.iter().map(|value| u8::from(*value)).collect(),
    };
    TensorProto {
        dims: constant
            .array
            .shape()
            .iter()
            .map(|size| *size as i64)
            .collect(),
        data_type: constant.array.kind().onnx() as i32,
        name: constant.name.clone(),
        raw_data,
    }
}

/// Reads what [`to_bytes`] wrote.
///
/// # Errors
/// If the bytes are something else.
pub fn from_bytes(bytes: &[u8]) -> Result<Graph, String> {
    let model = ModelProto::decode(bytes).map_err(|error| error.to_string())?;
    let found = model.graph.ok_or("it has no graph")?;
    let mut graph = Graph::new(&found.name);
    graph.inputs = found
        .input
        .into_iter()
        .map(value)
        .collect::<Result<_, _>>()?;
    graph.outputs = found
        .output
        .into_iter()
        .map(value)
        .collect::<Result<_, _>>()?;
    graph.constants = found
        .initializer
        .into_iter()
        .map(constant)
        .collect::<Result<_, _>>()?;
    graph.nodes = found.node.into_iter().map(node).collect::<Result<_, _>>()?;
    Ok(graph)
}

fn value(info: ValueInfoProto) -> Result<Value, String> {
    let tensor = info.kind.and_then(|kind| kind.tensor_type);
    let tensor = tensor.ok_or_else(|| format!("`{}` has no type", info.name))?;
    let dim = |dim: DimensionProto| match dim.dim_value {
        Some(size) => Dim::Fixed(size as usize),
        None => Dim::Batch(1),
    };
    let shape = tensor.shape.unwrap_or_default();
    Ok(Value {
        kind: kind(tensor.elem_type)?,
        shape: shape.dim.into_iter().map(dim).collect(),
        name: info.name,
    })
}

fn kind(number: i32) -> Result<Kind, String> {
    Kind::of_onnx(i64::from(number)).ok_or_else(|| format!("the type {number} is not known"))
}

fn constant(tensor: TensorProto) -> Result<Constant, String> {
    fn of<T, const N: usize>(
        bytes: &[u8],
        shape: &[usize],
        read: impl Fn([u8; N]) -> T,
    ) -> Result<ArrayD<T>, String> {
        let (values, _) = bytes.as_chunks::<N>();
        let values = values.iter().map(|value| read(*value)).collect();
        ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|error| error.to_string())
    }
    let shape: Vec<usize> = tensor.dims.iter().map(|size| *size as usize).collect();
    let bytes = &tensor.raw_data;
    let array = match kind(tensor.data_type)? {
        Kind::Float => Array::Float(of(bytes, &shape, f32::from_le_bytes)?),
        Kind::Double => Array::Double(of(bytes, &shape, f64::from_le_bytes)?),
        Kind::Int => Array::Int(of(bytes, &shape, i64::from_le_bytes)?),
        Kind::Bool => Array::Bool(of(bytes, &shape, |[byte]: [u8; 1]| byte != 0)?),
    };
    Ok(Constant {
        name: tensor.name,
        array,
        is_parameter: false,
    })
}

/// Every operator and setting that a graph may have: what is read is shared, not copied.
fn known(word: &str) -> Result<&'static str, String> {
    crate::run::OPERATORS
        .iter()
        .chain(&[
            "axis",
            "keepdims",
            "perm",
            "to",
            "strides",
            "pads",
            "dilations",
            "group",
            "output_padding",
        ])
        .chain(&[
            "axes",
            "mode",
            "coordinate_transformation_mode",
            "nearest_mode",
            "largest",
            "sorted",
        ])
        .chain(&["nearest", "asymmetric", "floor"])
        .find(|known| **known == word)
        .copied()
        .ok_or_else(|| format!("`{word}` is not known"))
}

fn node(node: NodeProto) -> Result<Node, String> {
    let attribute = |of: AttributeProto| -> Result<_, String> {
        let value = match of.kind {
            INT => Attribute::Int(of.i.unwrap_or_default()),
            INTS => Attribute::Ints(of.ints),
            _ => Attribute::Text(known(&String::from_utf8_lossy(&of.s.unwrap_or_default()))?),
        };
        Ok((known(&of.name)?, value))
    };
    Ok(Node {
        op: known(&node.op_type)?,
        inputs: node.input,
        outputs: node.output,
        attributes: node
            .attribute
            .into_iter()
            .map(attribute)
            .collect::<Result<_, _>>()?,
    })
}
