//! The one error type of the crate.

use std::path::PathBuf;

/// Everything that can go wrong with data. Each message names the file, field or
/// value at fault and says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A setting has a value that cannot be used.
    #[error("`{key}` is `{value}`, but {bound}")]
    Setting {
        /// Name of the setting, as in [`crate::DataConfig`].
        key: String,
        /// The value that was given.
        value: String,
        /// What the value must be.
        bound: String,
    },
    /// The dataset is neither a built-in name nor a file or folder.
    #[error("no dataset, file or folder is called `{name}`; {hint}")]
    UnknownDataset {
        /// What was asked for.
        name: String,
        /// What can be given instead.
        hint: String,
    },
    /// The operating system refused a read or a write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "open", "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file ends before its header says.
    #[error(
        "{} is truncated: expected {expected} bytes, found {found}; fetch or write the file again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces, the header included.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A file is not what it should be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A table cell cannot be used.
    #[error(
        "{}, {place}, column `{column}`: {problem} `{value}`; {hint}",
        path.display()
    )]
    Cell {
        /// The table.
        path: PathBuf,
        /// Where it is: `line 3` of text, or `row 2`, each counted from 1.
        place: Box<str>,
        /// Name of the column.
        column: String,
        /// What is wrong with the value.
        problem: &'static str,
        /// The text of the cell.
        value: String,
        /// What to do.
        hint: &'static str,
    },
    /// A column is missing from a table, or is there twice.
    #[error("{}: {problem} `{column}`; {hint}", path.display())]
    Column {
        /// The table.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
        /// Name of the column.
        column: String,
        /// What to do.
        hint: String,
    },
    /// An image file cannot be decoded.
    #[error(
        "{} cannot be decoded: {reason}; mend or remove it, or set `skip_bad` (--skip-bad)",
        path.display()
    )]
    Image {
        /// The image file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// Two images of a folder differ in size.
    #[error(
        "images differ in size: {} is {} and {} is {} (height x width); \
         set `image_size` (--image-size) to resize all of them",
        first.display(), size_text(*first_size), second.display(), size_text(*second_size)
    )]
    ImageSizes {
        /// The first image.
        first: PathBuf,
        /// Its height and width in pixels.
        first_size: [usize; 2],
        /// The first image with another size.
        second: PathBuf,
        /// Its height and width in pixels.
        second_size: [usize; 2],
    },
    /// The pixels of a folder of images do not fit into memory.
    #[error(
        "the {images} images of {} take {} as pixels of shape {shape}, and {} of memory are free; \
         set a smaller `image_size` (--image-size), or put fewer images into the folder",
        path.display(), gib(*needed), gib(*free)
    )]
    PixelMemory {
        /// The folder.
        path: PathBuf,
        /// Number of images.
        images: usize,
        /// Shape of an image.
        shape: String,
        /// Bytes of all pixels.
        needed: u64,
        /// Bytes of memory that are free.
        free: u64,
    },
    /// There are no examples.
    #[error("{} holds no {what}", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// The splits leave nothing to train on.
    #[error(
        "of {examples} examples, {test} are for testing and {validation} for validation, \
         which leaves none for training; lower `test` or `validation`, or give more data"
    )]
    NoTraining {
        /// Examples in all.
        examples: usize,
        /// Examples in the test split.
        test: usize,
        /// Examples in the validation split.
        validation: usize,
    },
    /// A value is NaN or infinite.
    #[error(
        "example {example}, feature {feature} is {value}; every value must be finite: \
         mend or remove that example"
    )]
    NonFinite {
        /// Index of the example in its dataset, from 0.
        example: usize,
        /// Index of the feature in the example, from 0.
        feature: usize,
        /// The value.
        value: f32,
    },
    /// A level of a category is not among those of the training split.
    #[error(
        "row {row}, column `{column}`: the level `{level}` is not among those of the training split; change \
         it, remove the row, or train with `unseen` (--unseen) set to `other`, which is one more level for all \
         that were not seen"
    )]
    UnseenLevel {
        /// The row, counted from 1.
        row: usize,
        /// Name of the column.
        column: String,
        /// The level.
        level: String,
    },
    /// A cell is missing where a model takes none that is.
    #[error(
        "row {row}, column `{column}`: the cell is missing, and the model was trained on data without \
         missing cells; fill it with a number, or remove the row"
    )]
    MissingCell {
        /// The row, counted from 1.
        row: usize,
        /// Name of the column.
        column: String,
    },
    /// A column does not fit what is asked of it.
    #[error("column `{column}`: {problem}; {hint}")]
    ColumnUnfit {
        /// Name of the column.
        column: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A training batch would be larger than the data.
    #[error(
        "the batch size is {batch_size}, but there are {examples} training examples; \
         the batch size must be between 1 and the number of examples"
    )]
    BatchSize {
        /// The batch size.
        batch_size: usize,
        /// Number of examples.
        examples: usize,
    },
    /// An example was asked for that does not exist.
    #[error("example {index} was asked for, but there are {len}")]
    Index {
        /// The index that was given.
        index: usize,
        /// Number of examples.
        len: usize,
    },
    /// Two lengths that must agree do not.
    #[error("{what}: expected {expected} values, found {found}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// Values that should be there.
        expected: usize,
        /// Values that are there.
        found: usize,
    },
    /// A file could not be downloaded.
    #[error("cannot download {file}:\n{attempts}{hint}")]
    Download {
        /// Name of the file.
        file: String,
        /// One line for each URL that was tried, with the reason.
        attempts: String,
        /// What to do.
        hint: String,
    },
    /// The thread that prepares batches stopped early.
    #[error("the thread that prepares batches panicked while it read the dataset")]
    Worker,
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

fn size_text([height, width]: [usize; 2]) -> String {
    format!("{height}x{width}")
}

impl DataError {
    /// Wraps an input or output error of `path`; use with `map_err`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A file that is not what it should be.
    pub(crate) fn format(
        path: impl Into<PathBuf>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Format {
            path: path.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// A setting out of bounds.
    pub(crate) fn setting(
        key: impl Into<String>,
        value: impl ToString,
        bound: impl Into<String>,
    ) -> Self {
        Self::Setting {
            key: key.into(),
            value: value.to_string(),
            bound: bound.into(),
        }
    }
}
