//! The built-in datasets.

/// What is known about a built-in dataset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DatasetInfo {
    /// The name to load it by.
    pub name: &'static str,
    /// One line about its content.
    pub summary: &'static str,
    /// Number of training examples, of which some are kept for validation.
    pub train: usize,
    /// Number of test examples.
    pub test: usize,
    /// `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Names of the classes.
    pub classes: &'static [&'static str],
    /// Bytes to download where the files are not found; 0 if the dataset is embedded.
    pub download: u64,
    /// The licence of the data.
    pub licence: &'static str,
    /// Who made it.
    pub origin: &'static str,
}

/// One file of a built-in dataset.
#[derive(Debug)]
pub(crate) struct StandardFile {
    /// Name without `.gz`.
    pub name: &'static str,
    /// SHA-256 of the decompressed content.
    pub sha256: &'static str,
}

/// A built-in dataset that comes as four IDX files.
#[derive(Debug)]
pub(crate) struct Standard {
    pub info: &'static DatasetInfo,
    /// Names of the folders it is found in, below a data folder.
    pub folders: &'static [&'static str],
    /// Base URLs.
    pub mirrors: &'static [&'static str],
    /// Training images and labels, test images and labels.
    pub files: [StandardFile; 4],
}

const DIGITS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

const CLOTHES: &[&str] = &[
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

static BUILTIN: [DatasetInfo; 3] = [
    DatasetInfo {
        name: "mnist-mini",
        summary: "handwritten digits: a balanced part of MNIST, embedded in the program",
        train: 10_000,
        test: 2_000,
        shape: [1, 28, 28],
        classes: DIGITS,
        download: 0,
        licence: "CC BY-SA 3.0",
        origin: "Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
    },
    DatasetInfo {
        name: "mnist",
        summary: "handwritten digits",
        train: 60_000,
        test: 10_000,
        shape: [1, 28, 28],
        classes: DIGITS,
        download: 11_594_722,
        licence: "CC BY-SA 3.0",
        origin: "Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
    },
    DatasetInfo {
        name: "fashion-mnist",
        summary: "photographs of clothes",
        train: 60_000,
        test: 10_000,
        shape: [1, 28, 28],
        classes: CLOTHES,
        download: 30_878_645,
        licence: "MIT",
        origin: "Zalando Research",
    },
];

/// The built-in datasets, the default first.
///
/// ```
/// assert_eq!(vae_data::builtin()[0].name, "mnist-mini");
/// ```
pub fn builtin() -> &'static [DatasetInfo] {
    &BUILTIN
}

pub(crate) const MINI: &DatasetInfo = &BUILTIN[0];

/// Names of the four files.
pub(crate) const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
pub(crate) const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
pub(crate) const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
pub(crate) const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

const fn files(sha256: [&'static str; 4]) -> [StandardFile; 4] {
    let [train_images, train_labels, test_images, test_labels] = sha256;
    [
        StandardFile {
            name: TRAIN_IMAGES,
            sha256: train_images,
        },
        StandardFile {
            name: TRAIN_LABELS,
            sha256: train_labels,
        },
        StandardFile {
            name: TEST_IMAGES,
            sha256: test_images,
        },
        StandardFile {
            name: TEST_LABELS,
            sha256: test_labels,
        },
    ]
}

/// The datasets that are found on disk or downloaded.
pub(crate) static STANDARD: [Standard; 2] = [
    Standard {
        info: &BUILTIN[1],
        folders: &["mnist", "MNIST/raw"],
        mirrors: &[
            "https://storage.googleapis.com/cvdf-datasets/mnist",
            "https://ossci-datasets.s3.amazonaws.com/mnist",
        ],
        files: files([
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ]),
    },
    Standard {
        info: &BUILTIN[2],
        folders: &["fashion-mnist", "FashionMNIST/raw"],
        mirrors: &[
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
        ],
        files: files([
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ]),
    },
];

/// The dataset of this name, if it comes as files.
pub(crate) fn standard(name: &str) -> Option<&'static Standard> {
    STANDARD.iter().find(|standard| standard.info.name == name)
}
