use std::sync::Arc;

use super::*;
use crate::{ColumnKind, Data, Dataset, DateUnit, NoProgress, UNLABELLED, load};

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
    for (cell, problem) in [
        ("inf", "not a finite number `inf`"),
        ("1e99", "not a finite number `1e99`"),
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
    assert!(error("", None, &[]).contains("holds no"));
    assert!(error("a\nx\n", Some("a"), &[]).contains("holds no column that is a feature"));
    assert!(error("a,b\n1,\n2,\n", Some("b"), &[]).contains("no row has a class"));
}

/// The kind and the cells of the last column, in which a missing cell is `None`.
fn last(text: &str, config: fn(&mut DataConfig)) -> Result<(ColumnKind, Vec<Option<f32>>), String> {
    let mut settings = DataConfig::default();
    config(&mut settings);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let source = CSV.open(&path, &settings, &NoProgress);
    let place = dir.path().display().to_string();
    let data = source.map_err(|e| e.to_string().replace(&place, ""))?.train;
    let kind = data.kinds().last().cloned().unwrap_or(ColumnKind::Number);
    let mut row = vec![0.0; data.shape().features()];
    let cell = |i| {
        data.read(i, &mut row).unwrap();
        row.last().copied().filter(|value| !value.is_nan())
    };
    Ok((kind, (0..data.len()).map(cell).collect()))
}

fn category(levels: &[&str]) -> ColumnKind {
    let levels = levels.iter().map(|&level| level.to_owned()).collect();
    ColumnKind::Category { levels }
}

#[test]
fn every_spelling_of_a_gap_is_missing() {
    for gap in [
        "", "NA", "NaN", "nan", "null", "NULL", "N/A", " NA ", "\"\"",
    ] {
        let (kind, cells) = last(&format!("a,x\n1,2\n1,{gap}\n1,3\n"), |_| {}).unwrap();
        assert_eq!(kind, ColumnKind::Number, "{gap}");
        assert_eq!(cells, [Some(2.0), None, Some(3.0)], "{gap}");
        let (kind, cells) = last(&format!("a,x\n1,{gap}\n1,u\n1,t\n"), |_| {}).unwrap();
        assert_eq!(kind, category(&["t", "u"]), "{gap}");
        assert_eq!(cells, [None, Some(1.0), Some(0.0)], "{gap}");
        let (kind, cells) = last(&format!("a,x\n1,{gap}\n1,1970-01-03\n"), |_| {}).unwrap();
        assert!(matches!(kind, ColumnKind::Date { .. }), "{gap}");
        assert_eq!(cells, [None, Some(2.0)], "{gap}");
    }
    // What merely looks like one is a level.
    for text in ["-", "none", "na", "n/a", "?"] {
        let (kind, _) = last(&format!("a,x\n1,t\n1,{text}\n1,t\n"), |_| {}).unwrap();
        assert!(kind.levels().contains(&text.to_owned()), "{text}");
    }
}

#[test]
fn numbers_without_gaps_have_no_kinds() {
    let table = table("t.csv", "a,b\n1,2\n3,4\n", None, &[]).unwrap();
    assert!(table.kinds().is_empty());
}

/// Text that comes late makes names of the numbers and dates above it, as they are written.
#[test]
fn one_cell_of_text_makes_a_category() {
    let (kind, cells) = last("a,x\n1,1.0\n1,01\n1,NA\n1,inf\n1,t\n1,01\n", |_| {}).unwrap();
    assert_eq!(kind, category(&["01", "1.0", "inf", "t"]));
    assert_eq!(
        cells,
        [Some(1.0), Some(0.0), None, Some(2.0), Some(3.0), Some(0.0)]
    );
    let (kind, _) = last("a,x\n1,2024-01-31\n1,7\n1,7\n", |_| {}).unwrap();
    assert_eq!(kind, category(&["2024-01-31", "7"]));
    let (kind, _) = last("a,x\n1,2024-01-31\n1,2024-02-30\n", |_| {}).unwrap();
    assert_eq!(kind, category(&["2024-01-31", "2024-02-30"]));
    // The other columns are read once.
    let text = "x,a\n1,4\nNA,5\nt,6\n";
    assert_eq!(
        last(text, |_| {}).unwrap().1,
        [Some(4.0), Some(5.0), Some(6.0)]
    );
    let with_all = |config: &mut DataConfig| {
        config.label = Some("l".into());
        config.condition = vec!["c".into()];
    };
    let text = "l,c,x\nu,1,4\nv,2,t\n,3,5\n";
    assert_eq!(last(text, with_all).unwrap().0, category(&["4", "5", "t"]));
}

#[test]
fn dates_are_days_and_times_are_counted_from_the_first() {
    let day = |origin, unit| ColumnKind::Date { origin, unit };
    let (kind, cells) = last("a,x\n1,2000-03-01\n1,1969-12-31\n", |_| {}).unwrap();
    assert_eq!(
        (kind, cells),
        (day(0, DateUnit::Day), vec![Some(11_017.0), Some(-1.0)])
    );
    let midnight = "a,x\n1,2000-03-01T00:00:00\n1,2000-03-02\n";
    assert_eq!(last(midnight, |_| {}).unwrap().0, day(0, DateUnit::Day));
    let (kind, cells) = last("a,x\n1,2000-03-02T12:00:00Z\n1,2000-03-01 06:00\n", |_| {}).unwrap();
    assert_eq!(kind, day(11_017, DateUnit::Minute));
    assert_eq!(cells, [Some(1.5), Some(0.25)]);
    assert_eq!(kind.text(1.5), "2000-03-02T12:00:00");
    let second = "a,x\n1,2000-03-01T00:00:01\n1,2000-03-01T00:00:02.5\n";
    let (kind, cells) = last(second, |_| {}).unwrap();
    assert_eq!(kind, day(11_017, DateUnit::Second));
    assert_eq!(kind.text(cells[0].unwrap()), "2000-03-01T00:00:01");
}

#[test]
fn columns_are_named_as_categories_or_left_out() {
    let names = |config: &mut DataConfig| config.categorical = vec!["x".into()];
    let (kind, cells) = last("a,x\n1,1010\n1,NA\n1,1010\n", names).unwrap();
    assert_eq!(
        (kind, cells),
        (category(&["1010"]), vec![Some(0.0), None, Some(0.0)])
    );
    let without = |config: &mut DataConfig| config.drop = vec!["id".into()];
    let (kind, cells) = last("x,id\n1,u\n2,\n", without).unwrap();
    assert_eq!(
        (kind, cells),
        (ColumnKind::Number, vec![Some(1.0), Some(2.0)])
    );
    for (key, config) in [
        (
            "categorical",
            (|c| c.categorical = vec!["idd".into()]) as fn(&mut DataConfig),
        ),
        ("drop", |c| c.drop = vec!["idd".into()]),
    ] {
        let text = last("x,id\n1,u\n2,v\n", config).unwrap_err();
        let expected = "/t.csv: there is no column `idd`; did you mean `id`?";
        assert_eq!(text, expected, "{key}");
    }
    let all = |config: &mut DataConfig| config.drop = vec!["x".into(), "id".into()];
    let text = last("x,id\n1,u\n2,v\n", all).unwrap_err();
    assert!(text.contains("holds no column that is a feature"), "{text}");
}

#[test]
fn columns_of_no_use_are_refused() {
    let rows = |cell: fn(usize) -> String, count: usize| {
        let rows = (0..count).map(|i| format!("1,{}\n", cell(i)));
        format!("a,x\n{}", rows.collect::<String>())
    };
    last(&rows(|i| format!("t{}", i % 1000), 2000), |_| {}).unwrap();
    let text = last(&rows(|i| format!("t{i}"), 2000), |_| {}).unwrap_err();
    assert_eq!(
        text,
        "/t.csv, line 1002, column `x`: more than 1,000 levels, of which the last is `t1000`; leave the column \
         out with `drop` (--drop), or name it as `label` (--label) if it is the class"
    );
    let slip = |i| match i {
        5 => "1,5".replace(',', "o"),
        i => i.to_string(),
    };
    let text = last(&rows(slip, 2000), |_| {}).unwrap_err();
    assert!(
        text.starts_with(
            "/t.csv, line 7, column `x`: among numbers or dates, and the category that they make has more \
             than 1,000 levels, the text `1o5`; leave"
        ),
        "{text}"
    );
    // Classes may be as many as there are.
    let label = |config: &mut DataConfig| config.label = Some("x".into());
    last(&rows(|i| format!("t{i}"), 2000), label).unwrap();
}

/// It may be what a trained model is asked to fill in.
#[test]
fn a_column_of_which_every_cell_is_missing_is_read_but_not_learned() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    std::fs::write(&path, "x,y\n1,\n2,NA\n3,\n").unwrap();
    let config = DataConfig::of(path.to_str().unwrap());
    let data = CSV.open(&path, &config, &NoProgress).unwrap().train;
    assert_eq!(data.kinds(), [ColumnKind::Number, category(&[])]);
    assert_eq!(
        load(&config, 1, &NoProgress).unwrap_err().to_string(),
        "t.csv: every cell is missing in column `y`; leave the column out with `drop` (--drop)"
    );
}

#[test]
fn a_class_that_is_missing_is_unknown() {
    let text = "x,c\n0,NA\n0,9\n0,null\n0,10\n";
    let data = table("t.csv", text, Some("c"), &[]).unwrap();
    assert_eq!(data.classes(), ["9", "10"]);
    assert_eq!(
        [0, 1, 2, 3].map(|i| data.label(i)),
        [UNLABELLED, 0, UNLABELLED, 1]
    );
}

#[test]
fn a_gap_in_a_condition_is_refused() {
    let text = error("a,b\n1,2\n1,\n", None, &["b"]);
    assert!(
        text.starts_with("/t.csv, line 3, column `b`: an empty cell"),
        "{text}"
    );
    let text = error("a,b\n1,NA\n1,2\n", None, &["b"]);
    assert!(
        text.starts_with("/t.csv, line 2, column `b`: not a number `NA`"),
        "{text}"
    );
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
