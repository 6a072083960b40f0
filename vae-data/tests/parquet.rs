//! Parquet files that another program wrote ([`write.py`](parquet/write.py)), beside CSV files of
//! the same values.

use std::path::{Path, PathBuf};

use vae_data::{DataConfig, DataError, Dataset, NoProgress, Source, fingerprint, load, readers};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parquet")
        .join(name)
}

fn columns(label: &str, condition: &[&str]) -> DataConfig {
    DataConfig {
        label: Some(label.to_owned()).filter(|label| !label.is_empty()),
        condition: condition.iter().map(|&name| name.to_owned()).collect(),
        ..DataConfig::default()
    }
}

fn open(path: &Path, config: &DataConfig) -> Result<Source, DataError> {
    let reader = readers().iter().find(|reader| reader.recognises(path));
    reader.expect("a reader").open(path, config, &NoProgress)
}

/// Features and attributes of every row.
fn rows(data: &dyn Dataset) -> Vec<(Vec<f32>, Vec<f32>, i32)> {
    let row = |i| {
        let mut features = vec![f32::NAN; data.shape().features()];
        let mut attributes = vec![f32::NAN; data.attributes().len()];
        data.read(i, &mut features).unwrap();
        data.read_attributes(i, &mut attributes);
        (features, attributes, data.label(i))
    };
    (0..data.len()).map(row).collect()
}

/// Every type of number, stored in every way; compressed by every codec that is built in.
#[test]
fn the_values_are_those_of_the_csv_file_in_the_same_order() {
    let types = ["types", "integer_decimals", "plain", "paged"];
    let codecs = ["snappy", "gzip", "zstd", "lz4"];
    let types = types.map(|name| (name, "types.csv", "kind", ["uint8", "boolean"]));
    let codecs = codecs.map(|name| (name, "snappy.csv", "class", ["age", "few"]));
    for (name, csv, label, condition) in types.into_iter().chain(codecs) {
        let config = columns(label, &condition);
        let expected = open(&file(csv), &config).unwrap().train;
        let found = open(&file(&format!("{name}.parquet")), &config).unwrap();
        assert!(!found.pixels && found.test.is_none(), "{name}");
        assert_eq!(found.name, format!("{name}.parquet"));
        let found = found.train;
        assert_eq!(found.columns(), expected.columns(), "{name}");
        assert_eq!(found.attributes(), condition, "{name}");
        assert_eq!(found.classes(), expected.classes(), "{name}");
        assert_eq!(rows(&*found), rows(&*expected), "{name}");
    }
}

/// By hand from `TYPES` in the script: integers at their bounds, rounded to 24 bits.
#[test]
fn numbers_of_every_type_are_features() {
    let data = open(&file("required.parquet"), &columns("", &[]))
        .unwrap()
        .train;
    let rows = rows(&*data);
    let low = [
        -128.0,
        -32_768.0,
        -(2_f32.powi(31)),
        -(2_f32.powi(63)),
        0.0,
        0.0,
        0.0,
        0.0,
    ];
    let high = [
        127.0,
        32_767.0,
        2_f32.powi(31),
        2_f32.powi(63),
        255.0,
        65_535.0,
    ];
    assert_eq!(rows[0].0[..8], low);
    assert_eq!(rows[1].0[..6], high);
    assert_eq!(rows[1].0[6..8], [2_f32.powi(32), 2_f32.powi(64)]);
    assert_eq!(rows[0].0[8..], [0.5, 0.1, 1.0, -123_456.78, -300.0]);
    assert_eq!(rows[5].0[8..], [0.0, 0.0, 0.0, 7.0, 1e20]);
}

#[test]
fn whole_numbers_as_classes_are_sorted_as_numbers() {
    let data = open(&file("numbers_as_classes.parquet"), &columns("c", &[]))
        .unwrap()
        .train;
    assert_eq!(data.classes(), ["-1", "9", "10"]);
    assert_eq!([0, 1, 2, 3].map(|i| data.label(i)), [2, 1, -1, 0]);
    let data = open(&file("types.parquet"), &columns("boolean", &[]))
        .err()
        .unwrap();
    // The text is no class here.
    assert!(
        data.to_string()
            .contains("row 1, column `kind`: not a number `cat`")
    );
    let data = open(&file("required.parquet"), &columns("boolean", &[]))
        .unwrap()
        .train;
    assert_eq!(data.classes(), ["0", "1"]);
}

#[test]
fn faults_name_column_row_and_way_out() {
    let place = file("").display().to_string();
    let error = |name: &str, label: &str, condition: &[&str]| {
        let result = open(
            &file(&format!("{name}.parquet")),
            &columns(label, condition),
        );
        result.err().unwrap().to_string().replace(&place, "")
    };
    let finite = "fill the cell with a finite number, or remove the row or the column";
    for (name, text) in [
        ("null", "row 2, column `x`: an empty cell ``"),
        ("nan", "row 2, column `y`: not a finite number `NaN`"),
        ("infinite", "row 3, column `x`: not a finite number `-inf`"),
        ("large", "row 2, column `x`: not a finite number `1e99`"),
    ] {
        assert_eq!(
            error(name, "", &[]),
            format!("{name}.parquet, {text}; {finite}")
        );
    }
    assert_eq!(
        error("text", "", &[]),
        "text.parquet, row 1, column `kind`: not a number `cat`; exclude the column: name it as \
         `label` (--label) if it is the class, or remove it from the table"
    );
    assert!(error("text", "", &["kind"]).contains("--condition"));
    assert_eq!(
        error("text", "kin", &[]),
        "text.parquet: there is no column `kin`; did you mean `kind`?"
    );
    assert!(error("text", "", &["colour"]).contains("the columns are `x`, `kind`"));
    let names =
        "same_names.parquet: two columns are called `x`; give each column a name of its own";
    assert!(error("same_names", "", &[]).starts_with(names));
    assert_eq!(
        error("floats_as_classes", "c", &[]),
        "floats_as_classes.parquet, row 1, column `c`: neither text nor a whole number `1.0`; \
         `label` (--label) takes a column of text or whole numbers"
    );
    assert!(error("floats_as_classes", "c", &["x"]).contains("no column that is a feature"));
    for (name, column) in [("nested", "list"), ("struct", "point")] {
        assert_eq!(
            error(name, "", &[]),
            format!(
                "{name}.parquet: there are nested values in column `{column}`; write a column of \
                 its own for each value, or remove the column"
            )
        );
    }
    for (name, column, kind) in [
        ("date", "day", "Date"),
        ("nanoseconds", "time", "Timestamp"),
        ("half", "h", "Float16"),
    ] {
        let text = error(name, "", &[]);
        let start =
            format!("there is neither a number nor text in column `{column}`; its type is {kind}");
        assert!(text.contains(&start), "{text}");
    }
    let wide = "row 1, column `d`: not a number `a decimal of more than 38 digits`";
    assert!(error("wide_decimal", "", &[]).contains(wide));
    let bytes = "row 1, column `b`: neither text nor a whole number `bytes that are not UTF-8`";
    assert!(error("bytes", "b", &[]).contains(bytes));
    assert!(error("no_rows", "", &[]).contains("holds no row"));
    assert!(error("one_row", "", &[]).contains("holds no second row"));
    let text = error("brotli", "class", &[]);
    assert!(
        text.contains("snappy, gzip, zstd or lz4, found BROTLI"),
        "{text}"
    );
}

#[test]
fn a_file_is_known_by_its_name_or_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(file("snappy.parquet")).unwrap();
    for name in ["t.pq", "T.PARQUET", "no_ending"] {
        let path = dir.path().join(name);
        std::fs::write(&path, &whole).unwrap();
        let config = DataConfig {
            dataset: path.display().to_string(),
            ..columns("class", &["age"])
        };
        let data = load(&config, 1, &NoProgress).unwrap();
        let sizes = [&data.train, &data.validation, &data.test].map(|split| split.len());
        assert_eq!(
            (sizes, data.columns),
            ([567, 63, 70], vec!["x".to_owned(), "few".to_owned()])
        );
        let other = DataConfig {
            condition: Vec::new(),
            ..config.clone()
        };
        assert_ne!(fingerprint(&config).unwrap(), fingerprint(&other).unwrap());
    }
}

/// Whatever is cut off or changed, there are values or an error that names the file.
#[test]
fn damage_is_an_error_or_another_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.parquet");
    let name = path.display().to_string();
    let config = columns("kind", &[]);
    for whole in ["types", "paged", "plain"] {
        let whole = std::fs::read(file(&format!("{whole}.parquet"))).unwrap();
        for length in (0..whole.len()).step_by(29) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let text = open(&path, &config).err().unwrap().to_string();
            assert!(text.starts_with(&name), "{length}: {text}");
            let mut changed = whole.clone();
            changed[length] ^= 1 << (length % 8);
            std::fs::write(&path, &changed).unwrap();
            if let Err(error) = open(&path, &config) {
                assert!(error.to_string().starts_with(&name), "{length}: {error}");
            }
        }
    }
    std::fs::write(&path, b"hello, this is text").unwrap();
    let text = open(&path, &config).err().unwrap().to_string();
    assert!(
        text.contains("expected a whole Parquet file, found"),
        "{text}"
    );
}
