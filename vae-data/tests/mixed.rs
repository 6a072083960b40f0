//! Tables of numbers, categories, dates and gaps, from a file to batches.

use std::path::Path;

use proptest::prelude::*;
use vae_data::random::{Stream, rng};
use vae_data::{
    Batcher, ColumnContent, ColumnKind, ColumnRole, Columns, Corruption, CorruptionKind, Data,
    DataConfig, HostBatch, NoProgress, Scale, Unseen, ValueRange, describe, fingerprint, load,
    open,
};

/// `size` (a gap in each third row), `kind`, `born` and the class `class`, in 60 rows.
fn write(dir: &Path) -> DataConfig {
    let row = |i: usize| {
        let size = if i.is_multiple_of(3) {
            String::new()
        } else {
            i.to_string()
        };
        let kind = ["cat", "dog", "dog", "NA"][i % 4];
        format!("{size},{kind},2024-01-{:02},{}\n", 1 + i % 31, i % 2)
    };
    let rows: String = (0..60).map(row).collect();
    let path = dir.join("pets.csv");
    std::fs::write(&path, format!("size,kind,born,class\n{rows}")).unwrap();
    DataConfig {
        label: Some("class".to_owned()),
        ..DataConfig::of(path.display().to_string())
    }
}

fn loaded(change: impl FnOnce(&mut DataConfig)) -> Data {
    let dir = tempfile::tempdir().unwrap();
    let mut config = write(dir.path());
    change(&mut config);
    load(&config, 1, &NoProgress).unwrap()
}

fn batches(batcher: &Batcher) -> Vec<HostBatch> {
    batcher.epoch(0, 0).map(Result::unwrap).collect()
}

#[test]
fn what_is_missing_is_nan() {
    let data = loaded(|_| {});
    assert_eq!((data.shape.features(), data.train.len()), (4, 49));
    assert_eq!(data.columns, ["size", "kind", "born"]);
    let batcher = Batcher::new(data.train.clone(), 7, 3).unwrap().shuffled();
    for batch in batches(&batcher) {
        assert!(batch.target.iter().any(|value| value.is_nan()));
        assert_eq!(batch.corrupted, None);
        for (row, &example) in batch.target.chunks(4).zip(&batch.indices) {
            assert_eq!(row[0].is_nan(), example % 3 == 0, "{example}");
            assert_eq!(row[1].is_nan(), example % 4 == 3, "{example}");
            assert_eq!(row[1].is_nan(), row[2].is_nan());
        }
    }
}

#[test]
fn rows_without_gaps_are_their_own_input() {
    let data = loaded(|config| config.drop = vec!["size".into(), "kind".into()]);
    let table = data.table.as_deref().unwrap();
    assert!(matches!(table.kinds(), [ColumnKind::Date { .. }]) && !table.has_gaps());
    let all = batches(&Batcher::sequential(data.train, 7, 3));
    assert!(all.iter().all(|batch| batch.corrupted.is_none()));
}

#[test]
fn corruption_leaves_gaps() {
    let data = loaded(|_| {});
    for kind in CorruptionKind::ALL {
        let corruption = Corruption::new(*kind, 1.0).unwrap();
        let batcher = Batcher::sequential(data.train.clone(), 49, 3).corrupt(Some(corruption));
        let batch = batches(&batcher).remove(0);
        let pairs = || batch.input().iter().zip(&batch.target);
        assert!(
            pairs().all(|(input, target)| target.is_nan() == input.is_nan()),
            "{kind}"
        );
        assert!(
            pairs().any(|(input, target)| !target.is_nan() && input != target),
            "{kind}"
        );
    }
}

/// Columns of widths 1, 3, 1 and 2, of which the third is a date.
fn four_columns() -> Columns {
    let text = r#"{"kinds": [{"kind": "number"}, {"kind": "category", "levels": ["a", "b", "c"]},
        {"kind": "date", "origin": 0, "unit": "day"}, {"kind": "category", "levels": ["u", "v"]}],
        "unseen": "error", "gaps": false}"#;
    let columns: Columns = serde_json::from_str(text).unwrap();
    columns.check().unwrap();
    columns
}

fn corrupted(kind: CorruptionKind, level: f32, seed: u64) -> Vec<f32> {
    let mut row = vec![5.0, 0.0, 1.0, 0.0, 6.0, 1.0, 0.0];
    let range = ValueRange {
        min: -2.0,
        max: 8.0,
    };
    let corruption = Corruption::new(kind, level).unwrap().with_range(range);
    corruption.apply_to_table(
        &mut row,
        &four_columns(),
        &mut rng(seed, Stream::Corrupt, 0),
    );
    row
}

#[test]
fn corruption_takes_columns_as_a_whole() {
    const WHOLE: [f32; 7] = [5.0, 0.0, 1.0, 0.0, 6.0, 1.0, 0.0];
    let parts = |row: &[f32]| [0..1, 1..4, 4..5, 5..7].map(|places| row[places].to_vec());
    let mut seen = [[false; 7]; 2];
    for seed in 0..200 {
        let noisy = corrupted(CorruptionKind::Gaussian, 0.5, seed);
        assert!(noisy[0] != 5.0 && noisy[4] != 6.0);
        assert_eq!((&noisy[1..4], &noisy[5..]), (&WHOLE[1..4], &WHOLE[5..]));
        for (i, kind) in [CorruptionKind::Masking, CorruptionKind::Block]
            .into_iter()
            .enumerate()
        {
            let row = corrupted(kind, 0.5, seed);
            let cleared = |part: &Vec<f32>| part.iter().all(|value| *value == 0.0);
            let changed: Vec<bool> = parts(&row).iter().map(cleared).collect();
            assert_eq!(changed.iter().filter(|c| **c).count(), 2, "{kind}: {row:?}");
            let kept = parts(&row).into_iter().zip(parts(&WHOLE)).zip(&changed);
            assert!(
                kept.filter(|(_, c)| !**c).all(|((a, b), _)| a == b),
                "{kind}: {row:?}"
            );
            if kind == CorruptionKind::Block {
                let first = changed.iter().position(|c| *c).unwrap();
                assert!(changed[first + 1], "{row:?}");
            }
            (0..4).for_each(|column| seen[i][column] |= changed[column]);
        }
        let row = corrupted(CorruptionKind::SaltPepper, 1.0, seed);
        assert!(
            [-2.0, 8.0].contains(&row[0]) && [-2.0, 8.0].contains(&row[4]),
            "{row:?}"
        );
        for part in [&row[1..4], &row[5..]] {
            assert!(
                part.iter().all(|value| [0.0, 1.0].contains(value)),
                "{row:?}"
            );
            assert_eq!(part.iter().sum::<f32>(), 1.0);
        }
    }
    assert!(
        seen.iter()
            .all(|columns| columns[..4].iter().all(|seen| *seen))
    );
}

#[test]
fn a_report_says_what_is_in_each_column() {
    let dir = tempfile::tempdir().unwrap();
    let text = "size,kind,born,zip,id,age,class\n\
                1,cat,2024-01-31,1010,r1,5,u\n\
                ,dog,2023-12-01,1020,r2,6,\n\
                3,dog,,1010,r3,7,v\n\
                -4,emu,2024-01-01,1010,r4,8,u\n";
    let path = dir.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let config = DataConfig {
        label: Some("class".into()),
        condition: vec!["age".into()],
        categorical: vec!["zip".into()],
        drop: vec!["id".into()],
        ..DataConfig::of(path.display().to_string())
    };
    let report = describe(&config, &NoProgress).unwrap();
    assert_eq!(report.rows, 4);
    let category = |levels, frequent: &[(&str, f64)]| {
        let frequent = frequent
            .iter()
            .map(|(level, share)| ((*level).to_owned(), *share));
        let frequent = frequent.collect();
        ColumnContent::Category { levels, frequent }
    };
    let number = |min, max| ColumnContent::Number { min, max };
    let expected = [
        ("size", ColumnRole::Feature, 0.25, number(-4.0, 3.0)),
        (
            "kind",
            ColumnRole::Feature,
            0.0,
            category(3, &[("dog", 0.5), ("cat", 0.25), ("emu", 0.25)]),
        ),
        (
            "born",
            ColumnRole::Feature,
            0.25,
            ColumnContent::Date {
                first: "2023-12-01".into(),
                last: "2024-01-31".into(),
            },
        ),
        (
            "zip",
            ColumnRole::Feature,
            0.0,
            category(2, &[("1010", 0.75), ("1020", 0.25)]),
        ),
        (
            "class",
            ColumnRole::Label,
            0.25,
            category(2, &[("u", 2.0 / 3.0), ("v", 1.0 / 3.0)]),
        ),
        ("age", ColumnRole::Condition, 0.0, number(5.0, 8.0)),
        ("id", ColumnRole::Dropped, 0.0, ColumnContent::Unread),
    ];
    let found = report.columns.into_iter();
    let found: Vec<_> = found
        .map(|c| (c.name, c.role, c.missing, c.content))
        .collect();
    let expected =
        expected.map(|(name, role, missing, content)| (name.to_owned(), role, missing, content));
    assert_eq!(found, expected);
    let pixels = describe(&DataConfig::default(), &NoProgress).unwrap();
    assert!(pixels.columns.is_empty() && pixels.rows == 10_000);
}

/// What a table without the new settings is known by, as it was before there were these settings.
#[test]
fn settings_count_in_a_fingerprint_when_they_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    std::fs::write(&path, "a,b\n1,2\n3,4\n").unwrap();
    let plain = DataConfig::of(path.display().to_string());
    let print = |change: fn(&mut DataConfig)| {
        let mut config = plain.clone();
        change(&mut config);
        fingerprint(&config).unwrap()
    };
    let prints = [
        print(|_| {}),
        print(|c| c.categorical = vec!["a".into()]),
        print(|c| c.drop = vec!["a".into()]),
        print(|c| c.unseen = Unseen::Other),
        print(|c| c.scale = Scale::None),
    ];
    assert_eq!(prints[0], FINGERPRINT);
    assert_eq!(prints[0], prints[4]);
    assert!(
        (1..4).all(|i| !prints[..i].contains(&prints[i])),
        "{prints:?}"
    );
}

/// By hand: SHA-256 of the length and the text of the SHA-256 of the file, then of `(None, [])`, as ever.
const FINGERPRINT: &str = "a8944f16400add9d63e5097fc3f537c90d810d9a7b21ef181459464b79d4087c";

#[test]
fn readers_of_numbers_have_no_use_for_the_settings_of_tables() {
    for (key, change) in [
        (
            "categorical",
            (|c| c.categorical = vec!["x".into()]) as fn(&mut DataConfig),
        ),
        ("drop", |c| c.drop = vec!["x".into()]),
        ("unseen", |c| c.unseen = Unseen::Other),
    ] {
        let mut config = DataConfig::default();
        change(&mut config);
        let text = open(&config, &NoProgress).err().unwrap().to_string();
        assert!(text.starts_with(&format!("`{key}` is `")), "{text}");
        assert!(
            text.contains("only a CSV file, a TSV file or a Parquet file"),
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a file holds, there is data or an error that names the file.
    #[test]
    fn no_file_panics(text in "([a-c0-9.,\"\n-]|nan|NA|2024-01-01|inf){0,40}") {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, &text).unwrap();
        let config = DataConfig::of(path.display().to_string());
        if let Err(error) = load(&config, 1, &NoProgress) {
            prop_assert!(!error.to_string().is_empty());
        }
        let _ = describe(&config, &NoProgress);
    }
}
