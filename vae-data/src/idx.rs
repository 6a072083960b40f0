//! The IDX file format of MNIST: big-endian header, then eight-bit values.
//!
//! The header is `0 0 type rank`, then one 32-bit length for each dimension. Only type
//! 8 (unsigned bytes) is read and written. Files may be compressed with gzip.

use std::path::{Path, PathBuf};

use crate::bytes::Bytes;
use crate::memory::{Labels, Pixels};
use crate::{DataError, DataShape};

pub use crate::bytes::gzip;

/// An IDX file of unsigned bytes. Uncompressed files stay on disk and are mapped.
pub struct Idx {
    path: PathBuf,
    dims: Vec<usize>,
    bytes: Bytes,
    offset: usize,
}

impl Idx {
    /// Opens a file, plain or compressed with gzip.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::Format`] or [`DataError::Truncated`].
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Self::from_bytes(path, Bytes::open(path)?)
    }

    /// Reads IDX data, not compressed, that is in memory; `path` is for messages.
    ///
    /// # Errors
    /// [`DataError::Format`] or [`DataError::Truncated`].
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, DataError> {
        Self::from_bytes(path, Bytes::Owned(bytes))
    }

    pub(crate) fn from_bytes(path: &Path, bytes: Bytes) -> Result<Self, DataError> {
        let found = bytes.len() as u64;
        let truncated = |expected| DataError::Truncated {
            path: path.to_owned(),
            expected,
            found,
        };
        let Some(magic) = bytes.first_chunk::<4>() else {
            return Err(truncated(4));
        };
        let [0, 0, 8, rank @ 1..=4] = *magic else {
            return Err(DataError::format(
                path,
                "an IDX file of unsigned bytes, which begins with 0 0 8 and 1 to 4 dimensions",
                format!("one that begins with {magic:?}"),
            ));
        };
        let offset = 4 + 4 * usize::from(rank);
        let Some(header) = bytes.get(4..offset) else {
            return Err(truncated(offset as u64));
        };
        let (lengths, _) = header.as_chunks::<4>();
        let dims: Vec<usize> = lengths
            .iter()
            .map(|d| u32::from_be_bytes(*d) as usize)
            .collect();
        let size = dims
            .iter()
            .try_fold(1_u64, |size, &d| size.checked_mul(d as u64));
        let expected = size.and_then(|size| size.checked_add(offset as u64));
        match expected {
            Some(expected) if expected == found => {}
            Some(expected) if expected > found => return Err(truncated(expected)),
            _ => {
                return Err(DataError::format(
                    path,
                    format!("{dims:?} bytes after the header of {offset}"),
                    format!("{} bytes", found - offset as u64),
                ));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            dims,
            bytes,
            offset,
        })
    }

    /// The dimensions, that of the examples first.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Number of examples.
    pub fn examples(&self) -> usize {
        self.dims[0]
    }

    /// The values, with the last dimension fastest.
    pub fn values(&self) -> &[u8] {
        &self.bytes[self.offset..]
    }

    /// The values of one example; none if there is no such example.
    pub fn example(&self, index: usize) -> &[u8] {
        let size: usize = self.dims[1..].iter().product();
        let start = index.saturating_mul(size);
        self.values()
            .get(start..start.saturating_add(size))
            .unwrap_or(&[])
    }
}

/// Writes IDX data; `values` should hold as many bytes as the dimensions say.
pub fn encode(dims: &[usize], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    for &dim in dims {
        bytes.extend((dim as u32).to_be_bytes());
    }
    bytes.extend(values);
    bytes
}

/// Shape of one example of an image file: `[N, H, W]`, `[N, C, H, W]` or `[N, D]`.
fn example_shape(idx: &Idx) -> Result<DataShape, DataError> {
    let dims = match idx.dims[..] {
        [_, height, width] => vec![1, height, width],
        [_, ref rest @ ..] if !rest.is_empty() => rest.to_vec(),
        _ => vec![0],
    };
    DataShape::new(dims).map_err(|_| {
        let found = format!("dimensions {:?}", idx.dims);
        DataError::format(&idx.path, "images, [count, height, width]", found)
    })
}

/// Class numbers of the examples of `images`, from the file of labels.
fn label_values<'a>(images: &Idx, labels: &'a Idx) -> Result<&'a [u8], DataError> {
    if labels.dims.len() != 1 || labels.examples() != images.examples() {
        return Err(DataError::format(
            &labels.path,
            format!(
                "{} labels, one for each image of {}",
                images.examples(),
                images.path.display()
            ),
            format!("dimensions {:?}", labels.dims),
        ));
    }
    Ok(labels.values())
}

/// A file of images, and the file of their labels.
pub(crate) type Pair = (Idx, Option<Idx>);

/// Joins images and their labels into datasets, for training and perhaps for testing,
/// that share their classes. `names` are the names of the classes; without enough of
/// them, classes are named by their numbers.
pub(crate) fn datasets(
    train: Pair,
    test: Option<Pair>,
    names: &[&str],
) -> Result<(Pixels, Option<Pixels>), DataError> {
    let labels_of = |(images, labels): &Pair| match labels {
        Some(labels) => label_values(images, labels).map(<[u8]>::to_vec),
        None => Ok(Vec::new()),
    };
    let train_labels = labels_of(&train)?;
    let test_labels = test
        .as_ref()
        .map(labels_of)
        .transpose()?
        .unwrap_or_default();
    let all = train_labels.iter().chain(&test_labels);
    let count = all.max().map_or(0, |&last| usize::from(last) + 1);
    let classes: Vec<String> = if (1..=names.len()).contains(&count) {
        names.iter().map(|&name| name.to_owned()).collect()
    } else {
        (0..count).map(|class| class.to_string()).collect()
    };
    let join = |(images, _): Pair, labels: Vec<u8>| {
        let shape = example_shape(&images)?;
        let labels = Labels {
            classes: classes.clone(),
            of: labels.into_iter().map(i32::from).collect(),
        };
        Ok(Pixels::new(shape, images.bytes, images.offset, labels))
    };
    let train = join(train, train_labels)?;
    let test = test.map(|test| join(test, test_labels)).transpose()?;
    Ok((train, test))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Dataset;

    fn parse(bytes: Vec<u8>) -> Result<Idx, DataError> {
        Idx::parse(Path::new("x-idx"), bytes)
    }

    fn error(bytes: Vec<u8>) -> String {
        parse(bytes).err().unwrap().to_string()
    }

    #[test]
    fn header_is_as_published() {
        // The first sixteen bytes of the MNIST training images.
        let header = [0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28];
        assert_eq!(encode(&[60_000, 28, 28], &[]), header);
    }

    #[test]
    fn damage_is_named_with_expected_and_found() {
        let whole = encode(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        assert_eq!(
            error(whole[..20].to_vec()),
            "x-idx is truncated: expected 22 bytes, found 20; fetch or write the file again"
        );
        assert!(error(whole[..9].to_vec()).contains("expected 16 bytes, found 9"));
        assert!(error(vec![]).contains("expected 4 bytes, found 0"));
        let mut longer = whole.clone();
        longer.push(0);
        assert!(error(longer).contains("found 7 bytes"));
        assert!(error(vec![0, 0, 13, 3]).contains("begins with [0, 0, 13, 3]"));
        assert!(error(encode(&[1 << 31, 1 << 31, 4], &[])).contains("found 0 bytes"));
    }

    #[test]
    fn labels_must_be_as_many_as_images() {
        let images = || parse(encode(&[2, 1, 2], &[0; 4])).unwrap();
        let few = Idx::parse(Path::new("y-idx"), encode(&[1], &[3])).unwrap();
        let error = datasets((images(), Some(few)), None, &[]).err().unwrap();
        let text = "y-idx: expected 2 labels, one for each image of x-idx, found dimensions [1]";
        assert_eq!(error.to_string(), text);
        let labels = || parse(encode(&[2], &[0, 2])).unwrap();
        let (plain, none) = datasets((images(), Some(labels())), None, &[]).unwrap();
        assert_eq!(plain.classes(), ["0", "1", "2"]);
        assert!(none.is_none());
        assert_eq!((plain.label(1), plain.shape().dims()), (2, &[1, 1, 2][..]));
        let names = ["a", "b", "c"];
        let test = Some((images(), None));
        let (named, test) = datasets((images(), Some(labels())), test, &names).unwrap();
        assert_eq!(named.classes(), names);
        assert_eq!(test.unwrap().classes(), names);
    }

    #[test]
    fn large_plain_files_are_not_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big-images");
        std::fs::write(&path, encode(&[100, 64, 64], &vec![51; 100 * 64 * 64])).unwrap();
        let (set, _) = datasets((Idx::open(&path).unwrap(), None), None, &[]).unwrap();
        assert!(set.is_mapped());
        let mut out = vec![0.0; 64 * 64];
        set.read(99, &mut out).unwrap();
        assert!(out.iter().all(|&v| v == 0.2));
    }

    proptest! {
        #[test]
        fn reads_what_was_written(n in 1_usize..5, h in 1_usize..6, w in 1_usize..6, seed: u8) {
            let values: Vec<u8> = (0..n * h * w).map(|i| (i as u8).wrapping_mul(seed)).collect();
            let bytes = encode(&[n, h, w], &values);
            let idx = parse(bytes.clone()).unwrap();
            prop_assert_eq!(idx.dims(), [n, h, w]);
            prop_assert_eq!(idx.values(), &values[..]);
            prop_assert_eq!(idx.example(n - 1), &values[(n - 1) * h * w..]);
            for cut in 0..bytes.len() {
                prop_assert!(parse(bytes[..cut].to_vec()).is_err());
            }
        }
    }
}
