//! Computes a graph by the definitions of the operators alone, with none of the code that the model runs on, so that
//! what is exported can be checked against what the model gives.

mod images;

use std::collections::HashMap;

use ndarray::{
    Array2, ArrayD, ArrayViewD, Axis, Ix2, IxDyn, LinalgScalar, Slice, Zip, concatenate,
};

use crate::graph::{Array, Graph, Kind, Node};

use images::{conv, conv_transpose, resize};

/// Every operator that a graph may have.
pub const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Cos",
    "CumSum",
    "Div",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Floor",
    "Gather",
    "GatherElements",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "Log",
    "MatMul",
    "Max",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "Shape",
    "Sin",
    "Slice",
    "Sqrt",
    "Sub",
    "Tanh",
    "Tile",
    "TopK",
    "Transpose",
    "Where",
];

/// Values by their names.
pub type Values = HashMap<String, Array>;

/// The outputs of a graph for these inputs.
///
/// # Errors
/// If an input is missing, or something does not fit.
pub fn run(graph: &Graph, inputs: &Values) -> Result<Values, String> {
    let constants = graph.constants.iter();
    let known: HashMap<&str, &Array> = constants
        .map(|constant| (constant.name.as_str(), &constant.array))
        .chain(inputs.iter().map(|(name, array)| (name.as_str(), array)))
        .collect();
    let mut values = Values::new();
    for node in &graph.nodes {
        let of = |name: &String| -> Result<Option<&Array>, String> {
            if name.is_empty() {
                return Ok(None);
            }
            let found = known.get(name.as_str()).copied();
            let found = found.or_else(|| values.get(name));
            found
                .map(Some)
                .ok_or_else(|| format!("`{name}` is missing"))
        };
        let of_node: Vec<Option<&Array>> = node.inputs.iter().map(of).collect::<Result<_, _>>()?;
        let found = compute(node, &of_node)
            .map_err(|why| format!("{} of {}: {why}", node.op, node.inputs.join(", ")))?;
        values.extend(node.outputs.iter().cloned().zip(found));
    }
    let names = graph.outputs.iter().map(|value| &value.name);
    names
        .map(|name| {
            let array = values.remove(name);
            let array = array.ok_or_else(|| format!("the output `{name}` is missing"))?;
            Ok((name.clone(), array))
        })
        .collect()
}

/// The same function of arrays of numbers, whatever their type is.
macro_rules! of_numbers {
    ($input:expr, $array:ident => $body:expr) => {
        match $input {
            Array::Float($array) => Array::Float($body),
            Array::Double($array) => Array::Double($body),
            Array::Int($array) => Array::Int($body),
            Array::Bool(_) => return Err("numbers are needed".to_owned()),
        }
    };
}

/// The same change of shape of arrays of any type.
macro_rules! of_any {
    ($input:expr, $array:ident => $body:expr) => {
        match $input {
            Array::Float($array) => Array::Float($body),
            Array::Double($array) => Array::Double($body),
            Array::Int($array) => Array::Int($body),
            Array::Bool($array) => Array::Bool($body),
        }
    };
}

/// A function of each number, in single or double precision.
macro_rules! of_reals {
    ($input:expr, $x:ident => $body:expr) => {
        match $input {
            Array::Float(array) => Array::Float(array.mapv(|$x| $body)),
            Array::Double(array) => Array::Double(array.mapv(|$x| $body)),
            _ => return Err("numbers with a fraction are needed".to_owned()),
        }
    };
}

/// A function of two numbers.
macro_rules! of_pairs {
    ($inputs:expr, $a:ident, $b:ident => $body:expr) => {
        match $inputs {
            [Array::Float(a), Array::Float(b)] => Array::Float(pairs(a, b, |$a, $b| $body)?),
            [Array::Double(a), Array::Double(b)] => Array::Double(pairs(a, b, |$a, $b| $body)?),
            [Array::Int(a), Array::Int(b)] => Array::Int(pairs(a, b, |$a, $b| $body)?),
            _ => return Err("two arrays of one type of numbers are needed".to_owned()),
        }
    };
}

/// A truth about two values.
macro_rules! compare {
    ($inputs:expr, $a:ident, $b:ident => $body:expr) => {
        Array::Bool(match $inputs {
            [Array::Float(a), Array::Float(b)] => pairs(a, b, |$a, $b| $body)?,
            [Array::Double(a), Array::Double(b)] => pairs(a, b, |$a, $b| $body)?,
            [Array::Int(a), Array::Int(b)] => pairs(a, b, |$a, $b| $body)?,
            _ => return Err("two arrays of one type of numbers are needed".to_owned()),
        })
    };
}

fn compute(node: &Node, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let at = |place: usize| -> Result<&Array, String> {
        let input = inputs.get(place).copied().flatten();
        input.ok_or_else(|| format!("input {place} is missing"))
    };
    let two = || -> Result<[&Array; 2], String> { Ok([at(0)?, at(1)?]) };
    let axis = |rank: usize| -> Result<Axis, String> {
        let axis = node.int("axis").unwrap_or_default();
        usize::try_from(axis)
            .ok()
            .filter(|axis| *axis < rank)
            .map(Axis)
            .ok_or_else(|| format!("there is no dimension {axis}"))
    };
    Ok(vec![match node.op {
        "Identity" => at(0)?.clone(),
        "Neg" => of_numbers!(at(0)?, array => array.mapv(|x| -x)),
        "Abs" => of_numbers!(at(0)?, array => array.mapv(|x| x.abs())),
        "Exp" => of_reals!(at(0)?, x => x.exp()),
        "Log" => of_reals!(at(0)?, x => x.ln()),
        "Sqrt" => of_reals!(at(0)?, x => x.sqrt()),
        "Sin" => of_reals!(at(0)?, x => x.sin()),
        "Cos" => of_reals!(at(0)?, x => x.cos()),
        "Tanh" => of_reals!(at(0)?, x => x.tanh()),
        "Floor" => of_reals!(at(0)?, x => x.floor()),
        "Ceil" => of_reals!(at(0)?, x => x.ceil()),
        "Round" => of_reals!(at(0)?, x => x.round_ties_even()),
        "Reciprocal" => of_reals!(at(0)?, x => x.recip()),
        "Relu" => of_reals!(at(0)?, x => if x > 0.0 || x.is_nan() { x } else { 0.0 }),
        "Erf" => match at(0)? {
            Array::Float(array) => Array::Float(array.mapv(|x| libm::erf(f64::from(x)) as f32)),
            Array::Double(array) => Array::Double(array.mapv(libm::erf)),
            _ => return Err("numbers with a fraction are needed".to_owned()),
        },
        "IsNaN" => truths(at(0)?, f64::is_nan)?,
        "IsInf" => truths(at(0)?, f64::is_infinite)?,
        "Not" => Array::Bool(truth(at(0)?)?.mapv(|x| !x)),
        "And" => Array::Bool(pairs(truth(at(0)?)?, truth(at(1)?)?, |a, b| a && b)?),
        "Or" => Array::Bool(pairs(truth(at(0)?)?, truth(at(1)?)?, |a, b| a || b)?),
        "Add" => of_pairs!(two()?, a, b => a + b),
        "Sub" => of_pairs!(two()?, a, b => a - b),
        "Mul" => of_pairs!(two()?, a, b => a * b),
        "Div" => of_pairs!(two()?, a, b => a / b),
        "Max" => of_pairs!(two()?, a, b => if a > b { a } else { b }),
        "Pow" => match two()? {
            [Array::Float(a), Array::Float(b)] => Array::Float(pairs(a, b, f32::powf)?),
            [Array::Double(a), Array::Double(b)] => Array::Double(pairs(a, b, f64::powf)?),
            _ => return Err("two arrays of numbers with a fraction are needed".to_owned()),
        },
        "Clip" => match [at(0)?, at(1)?, at(2)?] {
            [Array::Float(x), Array::Float(low), Array::Float(high)] => {
                Array::Float(x.mapv(|x| x.clamp(first(low), first(high))))
            }
            _ => return Err("numbers in single precision are needed".to_owned()),
        },
        "Equal" => compare!(two()?, a, b => a == b),
        "Less" => compare!(two()?, a, b => a < b),
        "LessOrEqual" => compare!(two()?, a, b => a <= b),
        "Greater" => compare!(two()?, a, b => a > b),
        "GreaterOrEqual" => compare!(two()?, a, b => a >= b),
        "Where" => {
            let condition = truth(at(0)?)?;
            match [at(1)?, at(2)?] {
                [Array::Float(a), Array::Float(b)] => Array::Float(choose(condition, a, b)?),
                [Array::Double(a), Array::Double(b)] => Array::Double(choose(condition, a, b)?),
                [Array::Int(a), Array::Int(b)] => Array::Int(choose(condition, a, b)?),
                _ => return Err("two arrays of one type of numbers are needed".to_owned()),
            }
        }
        "Cast" => {
            let to = node.int("to").and_then(Kind::of_onnx);
            cast(at(0)?, to.ok_or("the type is not known")?)
        }
        "Shape" => {
            let sizes: Vec<i64> = at(0)?.shape().iter().map(|size| *size as i64).collect();
            Array::ints(&sizes)
        }
        "Reshape" => {
            let shape = sizes(at(1)?)?;
            of_any!(at(0)?, array => reshape(array, &shape)?)
        }
        "Expand" => {
            let shape: Vec<usize> = sizes(at(1)?)?.iter().map(|size| *size as usize).collect();
            of_any!(at(0)?, array => expand(array, &shape)?)
        }
        "Transpose" => {
            let axes: Vec<usize> = node
                .ints("perm")
                .iter()
                .map(|axis| *axis as usize)
                .collect();
            of_any!(at(0)?, array => array.clone().permuted_axes(IxDyn(&axes)).as_standard_layout().into_owned())
        }
        "Tile" => {
            let times = sizes(at(1)?)?;
            of_any!(at(0)?, array => tile(array, &times)?)
        }
        "Slice" => {
            let [starts, ends, axes, steps] = [at(1)?, at(2)?, at(3)?, at(4)?].map(sizes);
            let (starts, ends, axes, steps) = (starts?, ends?, axes?, steps?);
            of_any!(at(0)?, array => {
                let mut view = array.view();
                for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
                    let part = Slice::new(*start as isize, Some(*end as isize), *step as isize);
                    view.slice_axis_inplace(Axis(*axis as usize), part);
                }
                view.to_owned()
            })
        }
        "Concat" => concat(inputs, axis(at(0)?.shape().len())?)?,
        "Gather" => {
            let indices = whole(at(1)?)?;
            let places: Vec<usize> = indices.iter().map(|index| *index as usize).collect();
            let axis = axis(at(0)?.shape().len())?;
            if indices.ndim() != 1 {
                return Err("indices along one dimension are needed".to_owned());
            }
            of_any!(at(0)?, array => array.select(axis, &places))
        }
        "GatherElements" => {
            let indices = whole(at(1)?)?;
            let axis = axis(indices.ndim())?;
            of_any!(at(0)?, array => ArrayD::from_shape_fn(indices.raw_dim(), |place| {
                let mut from = place.clone();
                from[axis.0] = indices[&place] as usize;
                array[from]
            }))
        }
        "ReduceSum" => reduce(node, at(0)?, at(1)?, |lane| lane.sum())?,
        "ReduceMean" => reduce(node, at(0)?, at(1)?, |lane| lane.sum() / lane.len() as f64)?,
        "ReduceProd" => reduce(node, at(0)?, at(1)?, |lane| lane.product())?,
        "ReduceMax" => reduce(node, at(0)?, at(1)?, |lane| {
            lane.fold(f64::NEG_INFINITY, |a, b| a.max(*b))
        })?,
        "ReduceMin" => reduce(node, at(0)?, at(1)?, |lane| {
            lane.fold(f64::INFINITY, |a, b| a.min(*b))
        })?,
        "ArgMax" => arg(at(0)?, axis(at(0)?.shape().len())?, |a, b| a > b)?,
        "ArgMin" => arg(at(0)?, axis(at(0)?.shape().len())?, |a, b| a < b)?,
        "CumSum" => {
            let along = Axis(whole(at(1)?)?.first().copied().unwrap_or_default() as usize);
            of_numbers!(at(0)?, array => {
                let mut sums = array.clone();
                sums.accumulate_axis_inplace(along, |before, sum| *sum += before);
                sums
            })
        }
        "TopK" => {
            let count = sizes(at(1)?)?[0] as usize;
            let is_largest = node.int("largest") != Some(0);
            return top(at(0)?, count, is_largest);
        }
        "MatMul" => match two()? {
            [Array::Float(a), Array::Float(b)] => Array::Float(product(a, b)?),
            [Array::Double(a), Array::Double(b)] => Array::Double(product(a, b)?),
            _ => return Err("two arrays of numbers with a fraction are needed".to_owned()),
        },
        "Conv" => conv(node, at(0)?, at(1)?, inputs.get(2).copied().flatten())?,
        "ConvTranspose" => conv_transpose(node, at(0)?, at(1)?, inputs.get(2).copied().flatten())?,
        "Resize" => resize(at(0)?, &sizes(at(3)?)?)?,
        other => return Err(format!("there is no operator {other}")),
    }])
}

fn first<T: Copy>(array: &ArrayD<T>) -> T {
    *array.first().expect("a scalar has one value")
}

/// Both broadcast to one shape.
fn pairs<T: Copy, U>(
    a: &ArrayD<T>,
    b: &ArrayD<T>,
    f: impl Fn(T, T) -> U,
) -> Result<ArrayD<U>, String> {
    let shape = common(a.shape(), b.shape())?;
    let [a, b] = [a, b].map(|of| of.broadcast(shape.clone()));
    match (a, b) {
        (Some(a), Some(b)) => Ok(Zip::from(a).and(b).map_collect(|a, b| f(*a, *b))),
        _ => Err("the shapes do not fit".to_owned()),
    }
}

fn choose<T: Copy>(
    condition: &ArrayD<bool>,
    a: &ArrayD<T>,
    b: &ArrayD<T>,
) -> Result<ArrayD<T>, String> {
    let shape = common(condition.shape(), &common(a.shape(), b.shape())?)?;
    let [a, b] = [a, b].map(|of| of.broadcast(shape.clone()));
    match (condition.broadcast(shape.clone()), a, b) {
        (Some(condition), Some(a), Some(b)) => {
            let chosen = Zip::from(condition).and(a).and(b);
            Ok(chosen.map_collect(|condition, a, b| if *condition { *a } else { *b }))
        }
        _ => Err("the shapes do not fit".to_owned()),
    }
}

/// The shape that two broadcast to.
fn common(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let size = |of: &[usize], at: usize| (at + of.len()).checked_sub(rank).map_or(1, |at| of[at]);
    (0..rank)
        .map(|at| match (size(a, at), size(b, at)) {
            (1, size) | (size, 1) => Ok(size),
            (a, b) if a == b => Ok(a),
            _ => Err(format!("{a:?} and {b:?} do not fit")),
        })
        .collect()
}

fn expand<T: Clone>(array: &ArrayD<T>, shape: &[usize]) -> Result<ArrayD<T>, String> {
    let shape = common(array.shape(), shape)?;
    let all = array.broadcast(shape).ok_or("the shapes do not fit")?;
    Ok(all.to_owned())
}

fn reshape<T: Clone>(array: &ArrayD<T>, shape: &[i64]) -> Result<ArrayD<T>, String> {
    let known: usize = shape
        .iter()
        .filter(|size| **size >= 0)
        .map(|size| *size as usize)
        .product();
    let rest = array.len() / known.max(1);
    let shape: Vec<usize> = shape
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(rest))
        .collect();
    let values = array.as_standard_layout().into_owned();
    values
        .into_shape_with_order(shape)
        .map_err(|error| error.to_string())
}

fn tile<T: Clone>(array: &ArrayD<T>, times: &[i64]) -> Result<ArrayD<T>, String> {
    let mut all = array.clone();
    for (axis, times) in times.iter().enumerate() {
        let views = vec![all.view(); *times as usize];
        all = concatenate(Axis(axis), &views).map_err(|error| error.to_string())?;
    }
    Ok(all)
}

fn truth(array: &Array) -> Result<&ArrayD<bool>, String> {
    match array {
        Array::Bool(array) => Ok(array),
        _ => Err("truth values are needed".to_owned()),
    }
}

fn truths(array: &Array, of: impl Fn(f64) -> bool) -> Result<Array, String> {
    Ok(Array::Bool(doubles(array)?.mapv(of)))
}

fn whole(array: &Array) -> Result<&ArrayD<i64>, String> {
    match array {
        Array::Int(array) => Ok(array),
        _ => Err("whole numbers are needed".to_owned()),
    }
}

fn sizes(array: &Array) -> Result<Vec<i64>, String> {
    Ok(whole(array)?.iter().copied().collect())
}

fn doubles(array: &Array) -> Result<ArrayD<f64>, String> {
    match cast(array, Kind::Double) {
        Array::Double(array) => Ok(array),
        _ => Err("numbers are needed".to_owned()),
    }
}

fn cast(array: &Array, to: Kind) -> Array {
    let values = match array {
        Array::Float(array) => array.mapv(f64::from),
        Array::Double(array) => array.clone(),
        Array::Int(array) => array.mapv(|x| x as f64),
        Array::Bool(array) => array.mapv(|x| f64::from(u8::from(x))),
    };
    match to {
        Kind::Float => Array::Float(values.mapv(|x| x as f32)),
        Kind::Double => Array::Double(values),
        Kind::Int => Array::Int(values.mapv(|x| x as i64)),
        Kind::Bool => Array::Bool(values.mapv(|x| x != 0.0)),
    }
}

fn concat(inputs: &[Option<&Array>], axis: Axis) -> Result<Array, String> {
    macro_rules! all {
        ($kind:ident) => {{
            let views: Option<Vec<_>> = inputs
                .iter()
                .map(|input| match input {
                    Some(Array::$kind(array)) => Some(array.view()),
                    _ => None,
                })
                .collect();
            let views = views.ok_or("arrays of one type are needed")?;
            Array::$kind(concatenate(axis, &views).map_err(|error| error.to_string())?)
        }};
    }
    Ok(match inputs.first().copied().flatten() {
        Some(Array::Float(_)) => all!(Float),
        Some(Array::Double(_)) => all!(Double),
        Some(Array::Int(_)) => all!(Int),
        Some(Array::Bool(_)) => all!(Bool),
        None => return Err("there is nothing to join".to_owned()),
    })
}

/// One number for each lane along a dimension, computed in double precision.
fn reduce(
    node: &Node,
    array: &Array,
    axes: &Array,
    f: impl Fn(ArrayViewD<'_, f64>) -> f64,
) -> Result<Array, String> {
    let mut found = doubles(array)?;
    for axis in sizes(axes)? {
        let axis = Axis(axis as usize);
        found = found.map_axis(axis, |lane| f(lane.into_dyn()));
        if node.int("keepdims") != Some(0) {
            found = found.insert_axis(axis);
        }
    }
    Ok(cast(&Array::Double(found), array.kind()))
}

/// Where the first value is that no other beats.
fn arg(array: &Array, axis: Axis, beats: impl Fn(f64, f64) -> bool) -> Result<Array, String> {
    let places = doubles(array)?.map_axis(axis, |lane| {
        let mut best = 0;
        for (place, value) in lane.iter().enumerate() {
            if beats(*value, lane[best]) {
                best = place;
            }
        }
        best as i64
    });
    Ok(Array::Int(places.insert_axis(axis)))
}

/// The largest or smallest numbers of each lane along the last dimension, and their places.
fn top(array: &Array, count: usize, is_largest: bool) -> Result<Vec<Array>, String> {
    let values = doubles(array)?;
    let axis = Axis(values.ndim() - 1);
    let mut shape = values.shape().to_vec();
    shape[axis.0] = count;
    let (mut numbers, mut places) = (Vec::new(), Vec::new());
    for lane in values.lanes(axis) {
        let mut order: Vec<usize> = (0..lane.len()).collect();
        order.sort_by(|a, b| match is_largest {
            true => lane[*b].total_cmp(&lane[*a]),
            false => lane[*a].total_cmp(&lane[*b]),
        });
        numbers.extend(order.iter().take(count).map(|place| lane[*place]));
        places.extend(order.iter().take(count).map(|place| *place as i64));
    }
    let error = |error: ndarray::ShapeError| error.to_string();
    let numbers = ArrayD::from_shape_vec(shape.clone(), numbers).map_err(error)?;
    let places = ArrayD::from_shape_vec(shape, places).map_err(error)?;
    Ok(vec![
        cast(&Array::Double(numbers), array.kind()),
        Array::Int(places),
    ])
}

/// Of matrices, or of stacks of as many matrices.
fn product<T: LinalgScalar>(a: &ArrayD<T>, b: &ArrayD<T>) -> Result<ArrayD<T>, String> {
    let matrix = |of: ArrayViewD<'_, T>| -> Result<Array2<T>, String> {
        let matrix = of
            .into_dimensionality::<Ix2>()
            .map_err(|error| error.to_string())?;
        Ok(matrix.to_owned())
    };
    let dot = |a: ArrayViewD<'_, T>, b: ArrayViewD<'_, T>| -> Result<ArrayD<T>, String> {
        let (a, b) = (matrix(a)?, matrix(b)?);
        match a.ncols() == b.nrows() {
            true => Ok(a.dot(&b).into_dyn()),
            false => Err(format!("{:?} and {:?} do not fit", a.dim(), b.dim())),
        }
    };
    if a.ndim() == 2 && b.ndim() == 2 {
        return dot(a.view(), b.view());
    }
    let stacks = common(&a.shape()[..a.ndim() - 2], &b.shape()[..b.ndim() - 2])?;
    let all = |of: &ArrayD<T>| -> Result<ArrayD<T>, String> {
        let own = &of.shape()[of.ndim() - 2..];
        let of = expand(of, &[&stacks, own].concat())?;
        reshape(&of, &[-1, own[0] as i64, own[1] as i64])
    };
    let (left, right) = (all(a)?, all(b)?);
    let parts = left
        .outer_iter()
        .zip(right.outer_iter())
        .map(|(a, b)| dot(a, b));
    let parts: Vec<ArrayD<T>> = parts.collect::<Result<_, _>>()?;
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    let whole = ndarray::stack(Axis(0), &views).map_err(|error| error.to_string())?;
    let shape: Vec<i64> = stacks
        .iter()
        .chain(&whole.shape()[1..])
        .map(|size| *size as i64)
        .collect();
    reshape(&whole, &shape)
}
