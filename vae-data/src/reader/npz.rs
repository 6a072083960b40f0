//! The `.npz` file format of NumPy: a zip archive of `.npy` arrays.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use zip::ZipArchive;

use super::ends_in;
use super::npy::{Array, ArrayDataset};
use crate::bytes::Bytes;
use crate::memory::Labels;
use crate::text::quoted;
use crate::{DataConfig, DataError, Dataset, Progress, Reader, Source, UNLABELLED};

pub(crate) struct Npz;

impl Reader for Npz {
    fn name(&self) -> &str {
        "a .npz file"
    }

    fn summary(&self) -> &str {
        "such arrays: x_train, y_train, x_test and y_test, or x and y, or X and y"
    }

    fn recognises(&self, path: &Path) -> bool {
        ends_in(path, &["npz"])
    }

    /// Its arrays are decompressed into memory in their own type.
    ///
    /// With `x_train`, and perhaps `y_train`, `x_test` and `y_test`, it has a test split.
    /// Else the examples are `x`, `images`, `data`, `arr_0` or the only array, and the
    /// labels, which may be absent, `y` or `labels`. Capital letters make no difference.
    fn open(&self, path: &Path, _: &DataConfig, _: &dyn Progress) -> Result<Source, DataError> {
        let file = File::open(path).map_err(DataError::io("open", path))?;
        let mut archive = ZipArchive::new(BufReader::new(file))
            .map_err(|e| DataError::format(path, "a .npz archive", e.to_string()))?;
        let names: Vec<String> = archive
            .file_names()
            .filter_map(|name| name.strip_suffix(".npy"))
            .map(str::to_owned)
            .collect();
        // As it is written, or else in other letters.
        let called = |wanted: &str| {
            let exactly = names.iter().find(|name| *name == wanted);
            exactly.or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(wanted)))
        };
        let first = |wanted: &[&str]| {
            wanted
                .iter()
                .find_map(|name| called(name))
                .map(String::as_str)
        };

        let (x, y, x_test, y_test) = match first(&["x_train"]) {
            Some(x) => (
                Some(x),
                first(&["y_train"]),
                first(&["x_test"]),
                first(&["y_test"]),
            ),
            None => (first(&EXAMPLES), first(&LABELS), None, None),
        };
        let only = match &names[..] {
            [name] => Some(name.as_str()),
            _ => None,
        };
        let x = x.or(only).ok_or_else(|| {
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            names.sort_unstable();
            DataError::format(
                path,
                "an array called x, images, data, arr_0 or x_train",
                format!("arrays {}", quoted(names)),
            )
        })?;

        let train = read(&mut archive, path, x)?;
        let test = x_test
            .map(|name| read(&mut archive, path, name))
            .transpose()?;
        let train_labels = labels(&mut archive, path, y, &train)?;
        let test_labels = match &test {
            Some(test) => labels(&mut archive, path, y_test, test)?,
            None => Vec::new(),
        };
        let classes = Classes::of(&train_labels, &test_labels);
        let bytes = train.is_bytes();
        let train = ArrayDataset::new(train, classes.label(&train_labels))?;
        let test = test
            .map(|test| ArrayDataset::new(test, classes.label(&test_labels)))
            .transpose()?;
        let source = Source::of_path(path, Arc::new(train));
        Ok(Source {
            pixels: source.pixels || bytes,
            test: test.map(|test| Arc::new(test) as Arc<dyn Dataset>),
            ..source
        })
    }
}

type Archive = ZipArchive<BufReader<File>>;

/// Names of the examples and of the labels.
const EXAMPLES: [&str; 4] = ["x", "images", "data", "arr_0"];
const LABELS: [&str; 2] = ["y", "labels"];

/// Decompresses one array.
fn read(archive: &mut Archive, path: &Path, name: &str) -> Result<Array, DataError> {
    let place = path.join(name);
    let mut bytes = Vec::new();
    let mut entry = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|e| DataError::format(&place, "an array", e.to_string()))?;
    entry
        .read_to_end(&mut bytes)
        .map_err(|e| DataError::format(&place, "a whole array", e.to_string()))?;
    Array::new(place, Bytes::Owned(bytes))
}

/// Class numbers of the examples `x`, or none.
fn labels(
    archive: &mut Archive,
    path: &Path,
    name: Option<&str>,
    x: &Array,
) -> Result<Vec<i64>, DataError> {
    let Some(name) = name else {
        return Ok(Vec::new());
    };
    let array = read(archive, path, name)?;
    if array.examples() != x.examples() {
        let expected = format!("{} labels, one for each example", x.examples());
        return Err(array.error(expected, array.examples().to_string()));
    }
    array.integers()
}

/// The distinct class numbers, in order. Negative numbers mean no label.
struct Classes(Vec<i64>);

impl Classes {
    fn of(train: &[i64], test: &[i64]) -> Self {
        let known = train.iter().chain(test).copied().filter(|&c| c >= 0);
        let distinct: BTreeSet<i64> = known.collect();
        Self(distinct.into_iter().collect())
    }

    fn label(&self, numbers: &[i64]) -> Labels {
        let place = |number: &i64| {
            self.0
                .binary_search(number)
                .map_or(UNLABELLED, |i| i as i32)
        };
        Labels {
            classes: self.0.iter().map(i64::to_string).collect(),
            of: numbers.iter().map(place).collect(),
        }
    }
}
