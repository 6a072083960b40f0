//! What to load, and how to prepare it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::bounds::{self, BELOW_1, finite};
use crate::choices::choices;

choices! {
    /// Channels that images of a folder are decoded to.
    #[derive(Default)]
    Color("color") {
        /// Grey if every image file is grey, else RGB.
        #[default]
        Auto = "auto",
        /// One channel.
        Grey = "grey",
        /// Three channels.
        Rgb = "rgb",
    }
}

choices! {
    /// How features are scaled. The scale is learned on the training split alone.
    #[derive(Default)]
    Scale("scale") {
        /// Tables are standardised; images stay as they are, which for eight-bit
        /// pixels means between 0 and 1.
        #[default]
        Auto = "auto",
        /// Values stay as they are.
        None = "none",
        /// Each feature to between 0 and 1.
        MinMax = "min-max",
        /// Each feature to mean 0 and standard deviation 1.
        Standardize = "standardize",
    }
}

choices! {
    /// How values between 0 and 1 become either 0 or 1.
    #[derive(Default)]
    Binarize("binarize") {
        /// They do not.
        #[default]
        None = "none",
        /// 1 if above 0.5.
        Threshold = "threshold",
        /// 1 with a probability equal to the value; drawn once for each example.
        Static = "static",
        /// As `static`, but drawn afresh in each epoch.
        Dynamic = "dynamic",
    }
}

choices! {
    /// What becomes of a level of a category that the training split does not have.
    #[derive(Default)]
    Unseen("unseen") {
        /// It is an error.
        #[default]
        Error = "error",
        /// It is taken as the level `other`, which every category has then.
        Other = "other",
    }
}

/// Height and width of an image in pixels. Read from `32` (both) or `32x48` (height
/// x width); in files also from the integer 32 and the list `[32, 48]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ImageSizeText", into = "String")]
pub struct ImageSize {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

/// What an image size is.
const SIZE: &str = "a side such as 32, or height x width such as 32x48, from 1 to 8192";

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-bound" = SIZE))]
enum ImageSizeText {
    Text(#[schemars(regex(pattern = r"^ *[1-9][0-9]{0,3} *(x *[1-9][0-9]{0,3} *)?$"))] String),
    Side(#[schemars(range(min = 1, max = 8192))] usize),
    Sides(#[schemars(inner(range(min = 1, max = 8192)))] [usize; 2]),
}

impl ImageSize {
    /// Checks both sides.
    ///
    /// # Errors
    /// [`DataError::Setting`] unless each side is between 1 and 8192.
    pub fn new(height: usize, width: usize) -> Result<Self, DataError> {
        if [height, width].iter().all(|s| (1..=8192).contains(s)) {
            return Ok(Self { height, width });
        }
        Err(Self::error(format!("{height}x{width}")))
    }

    fn error(value: String) -> DataError {
        DataError::setting("image_size", value, format!("must be {SIZE}"))
    }
}

impl FromStr for ImageSize {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let (height, width) = text.split_once('x').unwrap_or((text, text));
        match (height.trim().parse(), width.trim().parse()) {
            (Ok(height), Ok(width)) => Self::new(height, width),
            _ => Err(Self::error(text.to_owned())),
        }
    }
}

impl TryFrom<ImageSizeText> for ImageSize {
    type Error = DataError;

    fn try_from(text: ImageSizeText) -> Result<Self, DataError> {
        match text {
            ImageSizeText::Text(text) => text.parse(),
            ImageSizeText::Side(side) => Self::new(side, side),
            ImageSizeText::Sides([height, width]) => Self::new(height, width),
        }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl From<ImageSize> for String {
    fn from(size: ImageSize) -> Self {
        size.to_string()
    }
}

/// Which data to load and how to prepare it; see [`crate::load`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct DataConfig {
    /// A name of `vae datasets`, or a path. It leads to a folder of images, or to an IDX, .npy, .npz, .csv,
    /// .tsv or .parquet file, and is looked for in the working folder and in `data_dir`.
    #[schemars(extend("x-value" = "NAME|PATH", "x-common" = true))]
    pub dataset: String,
    /// Where the files of datasets are looked for, and downloaded to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-value" = "DIR", "x-bound" = "a path", "x-unset" = "the user's cache folder"))]
    pub data_dir: Option<PathBuf>,
    /// Size that the images of a folder are resized to, e.g. 32 or 32x48; needed if they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-value" = "H[xW]", "x-unset" = "their own"))]
    pub image_size: Option<ImageSize>,
    /// Channels of the images of a folder.
    pub color: Color,
    /// Column of a table that holds the class. Its empty cells mean that the class is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-value" = "COLUMN", "x-unset" = "none"))]
    pub label: Option<String>,
    /// Numeric columns of a table to condition on; may be repeated. They are attributes then, not
    /// features.
    #[schemars(extend("x-value" = "COLUMN,...", "x-unset" = "none"))]
    pub condition: Vec<String>,
    /// Columns of a table whose numbers are names, such as postcodes; may be repeated. A column with any
    /// text but dates is one in any case.
    #[schemars(extend("x-value" = "COLUMN,...", "x-unset" = "those with text"))]
    pub categorical: Vec<String>,
    /// Columns of a table to leave out; may be repeated.
    #[schemars(extend("x-value" = "COLUMN,...", "x-unset" = "none"))]
    pub drop: Vec<String>,
    /// What becomes of a level of a category that the training split does not have.
    pub unseen: Unseen,
    /// How features are scaled. The scale is learned on the training split alone.
    pub scale: Scale,
    /// Part of the examples kept for validation, after the test split is taken away.
    #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
    #[schemars(extend("x-value" = "PART"))]
    pub validation: f64,
    /// Part kept for testing where the dataset has no test split of its own.
    #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
    #[schemars(extend("x-value" = "PART"))]
    pub test: f64,
    /// How values become 0 or 1.
    pub binarize: Binarize,
    /// Train on only this many examples, chosen at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1))]
    #[schemars(extend("x-unset" = "all"))]
    pub limit: Option<usize>,
    /// Keep the labels of only this many training examples, of each class as many, and treat the rest as
    /// unlabelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1))]
    #[schemars(extend("x-unset" = "all"))]
    pub labels: Option<usize>,
    /// Where to download datasets from: the base URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(custom(is_url))]
    #[schemars(extend("x-value" = "URL", "x-unset" = "the public mirrors", "pattern" = "^https?://"))]
    pub mirror: Option<String>,
    /// Skip images that cannot be decoded, with a warning.
    pub skip_bad: bool,
}

fn is_url(mirror: &Option<String>, (): &()) -> garde::Result {
    let starts = |start| mirror.as_ref().is_none_or(|url| url.starts_with(start));
    match starts("http://") || starts("https://") {
        true => Ok(()),
        false => Err(garde::Error::new("must start with http:// or https://")),
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dataset: "mnist-mini".to_owned(),
            data_dir: None,
            mirror: None,
            image_size: None,
            color: Color::Auto,
            skip_bad: false,
            label: None,
            condition: Vec::new(),
            categorical: Vec::new(),
            drop: Vec::new(),
            unseen: Unseen::Error,
            scale: Scale::Auto,
            validation: 0.1,
            test: 0.1,
            binarize: Binarize::None,
            limit: None,
            labels: None,
        }
    }
}

impl DataConfig {
    /// The defaults, for another dataset.
    pub fn of(dataset: impl Into<String>) -> Self {
        Self {
            dataset: dataset.into(),
            ..Self::default()
        }
    }

    /// Checks every setting that can be checked without the data.
    ///
    /// # Errors
    /// [`DataError::Setting`], which names the setting, its value and the bound.
    pub fn check(&self) -> Result<(), DataError> {
        bounds::check(self).map_err(|bad| {
            let bound = match bad.bound.starts_with("must ") {
                true => bad.bound,
                false => format!("must be {}", bad.bound),
            };
            DataError::setting(bad.key, bad.value, bound)
        })?;
        if self.dataset.trim().is_empty() {
            let bound = "must be the name of a dataset or a path";
            return Err(DataError::setting("dataset", &self.dataset, bound));
        }
        if let Some(size) = self.image_size {
            ImageSize::new(size.height, size.width)?;
        }
        if self.binarize != Binarize::None && self.scale == Scale::Standardize {
            let bound = "must be `none` when `scale` is `standardize`: \
                         only values between 0 and 1 can be made binary";
            return Err(DataError::setting("binarize", self.binarize, bound));
        }
        for (i, name) in self.condition.iter().enumerate() {
            if self.condition[..i].contains(name) || self.label.as_ref() == Some(name) {
                let bound = "must name each column once, and not the label column";
                return Err(DataError::setting("condition", name, bound));
            }
        }
        self.check_columns()
    }

    /// Refuses a column of a table that is named for two purposes.
    fn check_columns(&self) -> Result<(), DataError> {
        let label: Vec<String> = self.label.iter().cloned().collect();
        let named: [(&str, &[String]); 4] = [
            ("label", &label),
            ("condition", &self.condition),
            ("categorical", &self.categorical),
            ("drop", &self.drop),
        ];
        for (i, (key, names)) in named.iter().enumerate() {
            for (j, name) in names.iter().enumerate() {
                if names[..j].contains(name) {
                    let bound = "must name each column once";
                    return Err(DataError::setting(*key, name, bound));
                }
                let earlier = named[..i].iter().find(|(_, names)| names.contains(name));
                if let Some((other, _)) = earlier {
                    let bound = format!(
                        "`{other}` (--{other}) names the same column: name it in one of the two"
                    );
                    return Err(DataError::setting(*key, name, bound));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_same() {
        let config: DataConfig = toml::from_str(
            "dataset = 'faces'\nimage_size = '32x48'\nscale = 'min-max'\nbinarize = 'static'",
        )
        .unwrap();
        assert_eq!(
            config.image_size,
            Some(ImageSize {
                height: 32,
                width: 48
            })
        );
        assert_eq!(config.scale, Scale::MinMax);
        let again: DataConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
        let list: DataConfig = toml::from_str("image_size = [8, 9]").unwrap();
        assert_eq!(list.image_size.unwrap().to_string(), "8x9");
        let side: DataConfig = toml::from_str("image_size = 8").unwrap();
        assert_eq!(side.image_size.unwrap().to_string(), "8x8");
    }

    #[test]
    fn refuses_unknown_keys_and_names() {
        assert!(toml::from_str::<DataConfig>("tag = 'x'").is_err());
        assert!(toml::from_str::<DataConfig>("scale = 'minmax'").is_err());
        let error = "minmax".parse::<Scale>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`scale` is `minmax`, but must be one of auto, none, min-max, standardize"
        );
        assert!("0x3".parse::<ImageSize>().is_err());
        assert!("3x".parse::<ImageSize>().is_err());
    }

    #[test]
    fn names_key_value_and_bound() {
        let bad = |change: fn(&mut DataConfig)| {
            let mut config = DataConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(
            bad(|c| c.validation = 1.0),
            "`validation` is `1`, but must be at least 0 and below 1"
        );
        assert!(bad(|c| c.test = f64::NAN).contains("`test` is `NaN`"));
        assert!(bad(|c| c.limit = Some(0)).contains("`limit` is `0`"));
        assert!(bad(|c| c.mirror = Some("x".into())).contains("http://"));
        assert!(bad(|c| c.condition = vec!["a".into(), "a".into()]).contains("`a`"));
        assert_eq!(
            bad(|c| {
                c.label = Some("kind".into());
                c.drop = vec!["id".into(), "kind".into()];
            }),
            "`drop` is `kind`, but `label` (--label) names the same column: name it in one of the two"
        );
        assert_eq!(
            bad(|c| {
                c.categorical = vec!["zip".into()];
                c.drop = vec!["zip".into()];
            }),
            "`drop` is `zip`, but `categorical` (--categorical) names the same column: name it in one of \
             the two"
        );
        assert!(
            bad(|c| {
                c.label = Some("zip".into());
                c.categorical = vec!["zip".into()];
            })
            .starts_with("`categorical` is `zip`, but `label`")
        );
        assert!(
            bad(|c| {
                c.condition = vec!["zip".into()];
                c.drop = vec!["zip".into()];
            })
            .starts_with("`drop` is `zip`, but `condition`")
        );
        assert!(
            bad(|c| c.drop = vec!["a".into(), "a".into()]).ends_with("must name each column once")
        );
        assert!(
            bad(|c| {
                c.binarize = Binarize::Static;
                c.scale = Scale::Standardize;
            })
            .contains("`binarize` is `static`")
        );
        DataConfig::default().check().unwrap();
    }
}
