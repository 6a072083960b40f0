use std::sync::Arc;

use super::*;
use crate::{Data, Dataset, NoProgress, UNLABELLED, load};

/// Writes a table and reads it.
fn table(
    name: &str,
    text: &str,
    label: Option<&str>,
    condition: &[&str],
) -> Result<Arc<dyn Dataset>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let config = DataConfig {
        label: label.map(str::to_owned),
        condition: condition.iter().map(|&c| c.to_owned()).collect(),
        ..DataConfig::default()
    };
    let place = dir.path().display().to_string();
    let reader = [&CSV, &TSV]
        .into_iter()
        .find(|reader| reader.recognises(&path));
    let result = reader.unwrap().open(&path, &config, &NoProgress);
    result
        .map(|source| source.train)
        .map_err(|e| e.to_string().replace(&place, ""))
}

fn error(text: &str, label: Option<&str>, condition: &[&str]) -> String {
    table("t.csv", text, label, condition).err().unwrap()
}

#[test]
fn columns_are_told_apart_by_name() {
    let text = "size,kind,age,mass\n1,cat,10,2.5\n3, dog ,20,4e0\n5,,30,\"-6\"\n";
    let table = table("t.csv", text, Some("kind"), &["age"]).unwrap();
    assert_eq!((table.len(), table.shape().features()), (3, 2));
    assert_eq!(table.classes(), ["cat", "dog"]);
    assert_eq!([0, 1, 2].map(|i| table.label(i)), [0, 1, UNLABELLED]);
    let (mut row, mut age) = ([0.0; 2], [0.0]);
    table.read(2, &mut row).unwrap();
    table.read_attributes(2, &mut age);
    assert_eq!((row, age), ([5.0, -6.0], [30.0]));
}

#[test]
fn tabs_separate_the_cells_of_tsv() {
    let table = table("t.tsv", "a\tb\n1\t2\n3\t4\n", None, &[]).unwrap();
    assert_eq!(table.shape().features(), 2);
    assert!(table.classes().is_empty());
}

#[test]
fn whole_numbers_as_classes_are_sorted_as_numbers() {
    let text = "x,c\n0,10\n0,9\n0,-1\n";
    assert_eq!(
        table("t.csv", text, Some("c"), &[]).unwrap().classes(),
        ["-1", "9", "10"]
    );
}

#[test]
fn faults_name_line_column_and_way_out() {
    let text = error("a,kind\n1,2\n3,cat\n", None, &[]);
    assert!(
        text.starts_with("/t.csv, line 3, column `kind`: not a number `cat`; "),
        "{text}"
    );
    assert!(text.contains("--label"), "{text}");
    for (cell, problem) in [
        ("nan", "not a finite number `nan`"),
        ("inf", "not a finite number `inf`"),
        ("1e99", "not a finite number `1e99`"),
        ("", "an empty cell"),
    ] {
        let text = error(&format!("a,b\n1,2\n1,2\n3,{cell}\n"), None, &[]);
        assert!(
            text.contains("line 4, column `b`") && text.contains(problem),
            "{text}"
        );
    }
    let text = error("a,b\n1,x\n", None, &["b"]);
    assert!(text.contains("--condition"), "{text}");
    let text = error("a,species\n1,x\n", Some("specie"), &[]);
    assert_eq!(
        text,
        "/t.csv: there is no column `specie`; did you mean `species`?"
    );
    let text = error("a,b\n1,x\n", Some("colour"), &[]);
    assert!(text.contains("the columns are `a`, `b`"), "{text}");
    assert!(error("a,a\n1,2\n", None, &[]).contains("two columns are called `a`"));
    assert!(error("a,b\n1\n", None, &[]).contains("found 1 in line 2"));
    assert!(error("a,b\n", None, &[]).contains("holds no row"));
    assert!(error("a,b\n1,2\n", None, &[]).contains("/t.csv holds no second row"));
    assert!(error("", None, &[]).contains("holds no"));
    assert!(error("a\nx\n", Some("a"), &[]).contains("holds no column that is a feature"));
    assert!(error("a,b\n1,\n2,\n", Some("b"), &[]).contains("no row has a class"));
}

#[test]
fn tables_are_standardised_by_their_training_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    let rows: Vec<String> = (0..40).map(|i| format!("{i},7,{}", 2 * i)).collect();
    std::fs::write(&path, format!("x,same,age\n{}\n", rows.join("\n"))).unwrap();
    let config = DataConfig {
        condition: vec!["age".to_owned()],
        ..DataConfig::of(path.to_str().unwrap())
    };
    let data: Data = load(&config, 3, &NoProgress).unwrap();
    let sizes = [&data.train, &data.validation, &data.test].map(|s| s.len());
    assert_eq!(sizes, [32, 4, 4]);
    let scaler = data.scaler.unwrap();
    let train: Vec<f64> = data.train.indices().iter().map(|&i| f64::from(i)).collect();
    let mean = train.iter().sum::<f64>() / 32.0;
    let variance = train.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 32.0;
    assert!((f64::from(scaler.offset[0]) - mean).abs() < 1e-5);
    assert!((f64::from(scaler.scale[0]) - variance.sqrt()).abs() < 1e-5);
    assert_eq!((scaler.offset[1], scaler.scale[1]), (7.0, 1.0));
    let ages = data.attribute_scaler.unwrap();
    assert!((f64::from(ages.offset[0]) - 2.0 * mean).abs() < 1e-4);
    let (mut row, mut age) = ([0.0; 2], [0.0]);
    data.test.read(0, &mut row).unwrap();
    data.test.read_condition(0, &mut age).unwrap();
    // Both columns are the same but for a factor, which the scale takes away.
    assert!((row[0] - age[0]).abs() < 1e-5);
    assert_eq!(row[1], 0.0);
}
