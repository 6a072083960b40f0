//! Parquet files that another program wrote ([`write.py`](parquet/write.py)), beside CSV files of
//! the same values.

use std::path::{Path, PathBuf};

use vae_data::{
    ColumnKind, DataConfig, DataError, Dataset, DateUnit, NoProgress, Source, fingerprint, load,
    readers,
};

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
    assert_eq!(
        error("null", "", &["x"]),
        format!("null.parquet, row 2, column `x`: an empty cell ``; {finite}")
    );
    assert_eq!(
        error("nan", "", &["y"]),
        format!("nan.parquet, row 2, column `y`: not a finite number `NaN`; {finite}")
    );
    for (name, text) in [
        ("infinite", "row 3, column `x`: not a finite number `-inf`"),
        ("large", "row 2, column `x`: not a finite number `1e99`"),
    ] {
        assert_eq!(
            error(name, "", &[]),
            format!("{name}.parquet, {text}; {finite}")
        );
    }
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
                 its own for each value, or leave it out with `drop` (--drop)"
            )
        );
        let config = DataConfig {
            drop: vec![column.to_owned()],
            ..columns("", &[])
        };
        let data = open(&file(&format!("{name}.parquet")), &config)
            .unwrap()
            .train;
        assert_eq!(data.columns(), ["x"]);
    }
    assert!(
        error("half", "", &[]).contains(
            "there is neither a number, text nor a date in column `h`; its type is Float16: write it as \
             numbers, or leave it out with `drop` (--drop)"
        )
    );
    assert!(error("date", "", &["day"]).contains("row 1, column `day`: not a number `2020-01-01`"));
    assert!(error("date", "day", &[]).contains("column `day`: neither text nor a whole number"));
    let wide = "row 1, column `d`: neither a number nor text `a decimal of more than 38 digits`";
    assert!(error("wide_decimal", "", &[]).contains(wide));
    let bytes = "row 1, column `b`: neither text nor a whole number `bytes that are not UTF-8`";
    assert!(error("bytes", "b", &[]).contains(bytes));
    assert!(error("no_rows", "", &[]).contains("holds no row"));
    let text = error("brotli", "class", &[]);
    assert!(
        text.contains("snappy, gzip, zstd or lz4, found BROTLI"),
        "{text}"
    );
}

fn category(levels: &[&str]) -> ColumnKind {
    let levels = levels.iter().map(|&level| level.to_owned()).collect();
    ColumnKind::Category { levels }
}

/// By hand from `MIXED` in the script: 2024-01-31 is day 19,753.
#[test]
fn the_same_mixed_table_is_equal_in_every_kind_of_file() {
    let config = DataConfig {
        categorical: vec!["zip".to_owned()],
        ..columns("", &[])
    };
    let date = |origin, unit| ColumnKind::Date { origin, unit };
    let kinds = [
        ColumnKind::Number,
        ColumnKind::Number,
        category(&["cat", "dog", "emu, big"]),
        category(&["false", "true"]),
        date(0, DateUnit::Day),
        date(19_753, DateUnit::Minute),
        date(19_753, DateUnit::Second),
        date(0, DateUnit::Day),
        category(&["1010", "1020"]),
    ];
    let first = [
        1.5,
        1.0,
        0.0,
        1.0,
        11_017.0,
        0.520_833_3,
        0.520_891_2,
        19_753.0,
        0.0,
    ];
    let missing: Vec<usize> = vec![0, 5];
    for name in [
        "mixed.csv",
        "mixed.tsv",
        "mixed.parquet",
        "mixed_groups.parquet",
    ] {
        let data = open(&file(name), &config).unwrap().train;
        assert_eq!(data.kinds(), kinds, "{name}");
        let rows = rows(&*data);
        assert_eq!(rows[0].0, first, "{name}");
        let gaps = rows[1]
            .0
            .iter()
            .enumerate()
            .filter(|(_, cell)| cell.is_nan());
        assert_eq!(gaps.map(|(i, _)| i).collect::<Vec<_>>(), missing, "{name}");
        let text = |row: usize, column: usize| kinds[column].text(rows[row].0[column]);
        assert_eq!(text(3, 5), "2024-02-01T06:45:00", "{name}");
        assert_eq!(text(0, 6), "2024-01-31T12:30:05", "{name}");
        assert_eq!([text(1, 4), text(2, 4)], ["1969-12-31", ""], "{name}");
        let bits = |data: &dyn Dataset| {
            let rows = crate::rows(data).into_iter();
            rows.map(|(row, ..)| row.into_iter().map(f32::to_bits).collect())
                .collect::<Vec<Vec<_>>>()
        };
        let csv = open(&file("mixed.csv"), &config).unwrap().train;
        assert_eq!(bits(&*data), bits(&*csv), "{name}");
    }
}

/// Text is not a number, though it may look like one.
#[test]
fn columns_of_text_are_categories() {
    let data = open(&file("text.parquet"), &columns("", &[]))
        .unwrap()
        .train;
    assert_eq!(data.kinds(), [ColumnKind::Number, category(&["3", "cat"])]);
    assert_eq!(rows(&*data)[0].0, [1.0, 1.0]);
    let data = open(&file("required.parquet"), &columns("", &[]))
        .unwrap()
        .train;
    assert_eq!(data.kinds()[10], category(&["false", "true"]));
    let data = open(&file("nothing.parquet"), &columns("", &[]))
        .unwrap()
        .train;
    assert_eq!(data.kinds(), [ColumnKind::Number, category(&[])]);
    assert!(rows(&*data)[1].0[1].is_nan());
    // Numbers that are names are written as whole numbers, as they are in CSV.
    let config = DataConfig {
        categorical: vec!["c".to_owned()],
        ..columns("", &[])
    };
    let data = open(&file("floats_as_classes.parquet"), &config)
        .unwrap()
        .train;
    assert_eq!(data.kinds()[1], category(&["1", "2"]));
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
