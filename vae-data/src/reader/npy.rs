//! The `.npy` file format of NumPy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ends_in;
use crate::bytes::Bytes;
use crate::dataset::check_read;
use crate::memory::Labels;
use crate::{DataConfig, DataError, DataShape, Dataset, Progress, Reader, Source};

pub(crate) struct Npy;

impl Reader for Npy {
    fn name(&self) -> &str {
        "a .npy file"
    }

    fn summary(&self) -> &str {
        "an array with one example for each index of its first axis"
    }

    fn recognises(&self, path: &Path) -> bool {
        ends_in(path, &["npy"])
    }

    /// The file is mapped, never loaded as a whole.
    fn open(&self, path: &Path, _: &DataConfig, _: &dyn Progress) -> Result<Source, DataError> {
        let array = Array::new(path.to_owned(), Bytes::open(path)?)?;
        let pixels = array.is_bytes() || array.shape.len() > 2;
        let dataset = ArrayDataset::new(array, Labels::default())?;
        Ok(Source {
            pixels,
            ..Source::of_path(path, Arc::new(dataset))
        })
    }
}

/// How one number is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Bool,
    /// Bytes.
    Unsigned(usize),
    /// Bytes.
    Signed(usize),
    F32,
    F64,
}

/// An array, left where it is.
pub(crate) struct Array {
    /// The file, and the name within it for `.npz`.
    path: PathBuf,
    number: Number,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
    bytes: Bytes,
    offset: usize,
}

impl Array {
    /// Reads the header and checks that the file is whole.
    pub fn new(path: PathBuf, bytes: Bytes) -> Result<Self, DataError> {
        let bad = |found: &str| {
            let expected = "a .npy array written by numpy.save";
            DataError::format(&path, expected, found.to_owned())
        };
        let truncated = |expected: u64| DataError::Truncated {
            path: path.clone(),
            expected,
            found: bytes.len() as u64,
        };
        if !bytes.starts_with(b"\x93NUMPY") {
            return Err(bad("something else"));
        }
        let (start, length) = match bytes.get(6..12) {
            Some(&[1, _, a, b, ..]) => (10, usize::from(u16::from_le_bytes([a, b]))),
            Some(&[2 | 3, _, a, b, c, d]) => (12, u32::from_le_bytes([a, b, c, d]) as usize),
            Some(other) => return Err(bad(&format!("format version {}", other[0]))),
            None => return Err(truncated(12)),
        };
        let offset = start + length;
        let header = bytes
            .get(start..offset)
            .ok_or_else(|| truncated(offset as u64))?;
        let header = String::from_utf8_lossy(header);
        let field = |key: &str| {
            let (_, rest) = header.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let kind = field("descr")
            .and_then(|text| text.strip_prefix('\'')?.split('\'').next())
            .ok_or_else(|| bad("an array of records"))?;
        let (number, big_endian) = parse_number(kind).ok_or_else(|| {
            let expected = "numbers of type bool, int, uint, float32 or float64; \
                            convert with array.astype('float32')";
            DataError::format(&path, expected, format!("type {kind:?}"))
        })?;
        let fortran = field("fortran_order").is_some_and(|text| text.starts_with("True"));
        let shape: Option<Vec<usize>> = field("shape")
            .and_then(|text| text.strip_prefix('(')?.split(')').next())
            .and_then(|text| {
                let lengths = text.split(',').map(str::trim).filter(|t| !t.is_empty());
                lengths.map(|t| t.parse().ok()).collect()
            });
        let shape = shape.ok_or_else(|| bad("a header without a shape"))?;
        let size = shape
            .iter()
            .try_fold(number.size() as u64, |s, &d| s.checked_mul(d as u64))
            .and_then(|size| size.checked_add(offset as u64))
            .ok_or_else(|| bad("a shape beyond all bounds"))?;
        if (bytes.len() as u64) < size {
            return Err(truncated(size));
        }
        Ok(Self {
            path,
            number,
            big_endian,
            fortran,
            shape,
            bytes,
            offset,
        })
    }

    /// Whether the numbers are eight-bit pixels, or bits.
    pub fn is_bytes(&self) -> bool {
        matches!(self.number, Number::Unsigned(1) | Number::Bool)
    }

    /// Distance between neighbours along each axis, in numbers.
    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        let mut step = 1_usize;
        let axes: Box<dyn Iterator<Item = usize>> = if self.fortran {
            Box::new(0..self.shape.len())
        } else {
            Box::new((0..self.shape.len()).rev())
        };
        for axis in axes {
            strides[axis] = step;
            // An empty axis may hide lengths whose product is beyond bounds.
            step = step.saturating_mul(self.shape[axis]);
        }
        strides
    }

    /// Class numbers: whole numbers in `[N]` or `[N, 1]`.
    pub fn integers(&self) -> Result<Vec<i64>, DataError> {
        let flat = matches!(self.shape[..], [_] | [_, 1]);
        if !flat || matches!(self.number, Number::F32 | Number::F64) {
            return Err(self.not_labels());
        }
        let numbers = self.bytes[self.offset..].chunks_exact(self.number.size());
        Ok(numbers.take(self.shape[0]).map(|n| self.whole(n)).collect())
    }

    /// A whole number from its bytes; one of 64 bits without sign keeps its bits.
    fn whole(&self, bytes: &[u8]) -> i64 {
        let size = bytes.len();
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(bytes);
        if self.big_endian {
            wide[..size].reverse();
        }
        let shift = 64 - 8 * size;
        let value = i64::from_le_bytes(wide) << shift;
        match self.number {
            Number::Signed(_) => value >> shift,
            _ => (value as u64 >> shift) as i64,
        }
    }

    fn not_labels(&self) -> DataError {
        DataError::format(
            &self.path,
            "labels: whole numbers, one for each example",
            format!("{:?} in shape {:?}", self.number, self.shape),
        )
    }

    /// Number of examples.
    pub fn examples(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// An error about this array.
    pub fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> DataError {
        DataError::format(&self.path, expected, found)
    }

    /// Reads numbers at `start + c*strides[0] + y*strides[1] + x*strides[2]`.
    fn gather(&self, start: usize, dims: [usize; 3], strides: [usize; 3], out: &mut [f32]) {
        let data = &self.bytes[self.offset..];
        let walk = Walk {
            start,
            dims,
            strides,
        };
        match (self.number, self.big_endian) {
            (Number::Bool, _) => walk.fill::<1>(data, out, |b| f32::from(u8::from(b[0] != 0))),
            (Number::F32, false) => walk.fill(data, out, f32::from_le_bytes),
            (Number::F32, true) => walk.fill(data, out, f32::from_be_bytes),
            (Number::F64, false) => walk.fill(data, out, |b| f64::from_le_bytes(b) as f32),
            (Number::F64, true) => walk.fill(data, out, |b| f64::from_be_bytes(b) as f32),
            (Number::Unsigned(1), _) => walk.fill::<1>(data, out, |b| f32::from(b[0]) / 255.0),
            (Number::Unsigned(2) | Number::Signed(2), _) => {
                walk.fill::<2>(data, out, |b| self.whole(&b) as f32);
            }
            (Number::Unsigned(4) | Number::Signed(4), _) => {
                walk.fill::<4>(data, out, |b| self.whole(&b) as f32);
            }
            (Number::Unsigned(8), _) => walk.fill::<8>(data, out, |b| self.whole(&b) as u64 as f32),
            (Number::Signed(8), _) => walk.fill::<8>(data, out, |b| self.whole(&b) as f32),
            _ => walk.fill::<1>(data, out, |b| self.whole(&b) as f32),
        }
    }
}

/// The places of the numbers of one example.
struct Walk {
    start: usize,
    dims: [usize; 3],
    strides: [usize; 3],
}

impl Walk {
    fn fill<const N: usize>(&self, data: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
        let (numbers, _) = data.as_chunks::<N>();
        let ([channels, height, width], [plane, line, step]) = (self.dims, self.strides);
        let mut out = out.iter_mut();
        for c in 0..channels {
            for y in 0..height {
                let start = self.start + c * plane + y * line;
                let numbers = numbers[start..].iter().step_by(step).take(width);
                // The numbers go first: `zip` must not take a value too many.
                for (number, value) in numbers.zip(&mut out) {
                    *value = convert(*number);
                }
            }
        }
    }
}

impl Number {
    fn size(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Unsigned(size) | Self::Signed(size) => size,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// The number type and whether it is big-endian, from a text such as `<f4`.
fn parse_number(kind: &str) -> Option<(Number, bool)> {
    let order = kind.chars().next()?;
    let big_endian = match order {
        '<' | '|' => false,
        '>' => true,
        _ => return None,
    };
    let number = match &kind[1..] {
        "b1" => Number::Bool,
        "f4" => Number::F32,
        "f8" => Number::F64,
        "u1" => Number::Unsigned(1),
        "u2" => Number::Unsigned(2),
        "u4" => Number::Unsigned(4),
        "u8" => Number::Unsigned(8),
        "i1" => Number::Signed(1),
        "i2" => Number::Signed(2),
        "i4" => Number::Signed(4),
        "i8" => Number::Signed(8),
        _ => return None,
    };
    Some((number, big_endian))
}

/// The examples of an array.
///
/// `[N, D]` is a table and `[N, H, W]` holds grey images. Of four axes, the one of
/// length 1 to 4 is that of the channels: `[N, C, H, W]` if both could be, or
/// `[N, H, W, C]`.
pub(crate) struct ArrayDataset {
    array: Array,
    shape: DataShape,
    dims: [usize; 3],
    /// Along examples, channels, lines and columns.
    strides: [usize; 4],
    labels: Labels,
}

impl ArrayDataset {
    /// Finds out which axis is which.
    pub fn new(array: Array, labels: Labels) -> Result<Self, DataError> {
        let error = || {
            array.error(
                "an array of shape [N, D], [N, H, W], [N, C, H, W] or [N, H, W, C] \
                 with 1 to 4 channels",
                format!("shape {:?}", array.shape),
            )
        };
        let strides = array.strides();
        let (dims, strides) = match (&array.shape[..], &strides[..]) {
            (&[_, d], &[n, step]) => ([1, 1, d], [n, 0, 0, step]),
            (&[_, h, w], &[n, y, x]) => ([1, h, w], [n, 0, y, x]),
            (&[_, c @ 1..=4, h, w], &[n, z, y, x]) => ([c, h, w], [n, z, y, x]),
            (&[_, h, w, c @ 1..=4], &[n, y, x, z]) => ([c, h, w], [n, z, y, x]),
            _ => return Err(error()),
        };
        let shape = if array.shape.len() == 2 {
            DataShape::new([dims[2]])
        } else {
            DataShape::new(dims)
        };
        Ok(Self {
            shape: shape.map_err(|_| error())?,
            array,
            dims,
            strides,
            labels,
        })
    }
}

impl Dataset for ArrayDataset {
    fn len(&self) -> usize {
        self.array.examples()
    }

    fn shape(&self) -> &DataShape {
        &self.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        check_read(self, index, out)?;
        let [example, channel, line, step] = self.strides;
        let strides = [channel, line, step];
        self.array.gather(index * example, self.dims, strides, out);
        Ok(())
    }

    fn classes(&self) -> &[String] {
        &self.labels.classes
    }

    fn label(&self, index: usize) -> i32 {
        self.labels.get(index)
    }
}

/// Numbers of 32 bits as the content of a `.npy` file.
///
/// # Panics
/// If `values` do not fill `shape`.
pub fn to_npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "{shape:?}");
    let mut bytes = npy_header(shape);
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// What stands in a `.npy` file before its numbers, of 32 bits and little-endian.
pub fn npy_header(shape: &[usize]) -> Vec<u8> {
    let lengths: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({lengths}), }}");
    // Magic, version, length, header and a line break together are a multiple of 64 bytes.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = length - 1).into_bytes());
    bytes
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
