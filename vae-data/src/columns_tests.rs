use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    Binarize, Data, DataConfig, DataShape, DateUnit, MemoryDataset, Scale, Source, Subset,
};

const GAP: f32 = f32::NAN;

fn category(levels: &[&str]) -> ColumnKind {
    let levels = levels.iter().map(|&level| level.to_owned()).collect();
    ColumnKind::Category { levels }
}

fn day() -> ColumnKind {
    let unit = DateUnit::Day;
    ColumnKind::Date { origin: 0, unit }
}

fn columns(kinds: Vec<ColumnKind>) -> Columns {
    Columns {
        kinds,
        unseen: Unseen::Error,
        gaps: false,
    }
}

/// A table whose columns are called `a`, `b` and so on.
fn table<const N: usize>(kinds: [ColumnKind; N], rows: &[[f32; N]]) -> Arc<dyn Dataset> {
    let values = rows.concat();
    let names = ('a'..).take(N).map(String::from).collect();
    let data = MemoryDataset::new(DataShape::new([N]).unwrap(), values).unwrap();
    let data = data.with_columns(names).unwrap();
    Arc::new(data.with_kinds(kinds.to_vec()).unwrap())
}

/// All rows are for training.
fn whole() -> DataConfig {
    DataConfig {
        validation: 0.0,
        test: 0.0,
        scale: Scale::None,
        ..DataConfig::default()
    }
}

fn load(of: Arc<dyn Dataset>, config: &DataConfig) -> Result<Data, DataError> {
    Data::from_source(Source::new("t.csv", of), config, 1)
}

fn row(subset: &Subset, i: usize) -> Vec<f32> {
    let mut row = vec![9.0; subset.shape().features()];
    subset.read(i, &mut row).unwrap();
    row
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// By hand: `c` three times, `a` and `d` twice, `b` once.
#[test]
fn levels_are_in_the_order_of_their_frequency_then_of_the_alphabet() {
    let kinds = [category(&["d", "c", "b", "a"])];
    let rows = [[1.0], [0.0], [3.0], [1.0], [2.0], [3.0], [0.0], [1.0]];
    let data = load(table(kinds, &rows), &whole()).unwrap();
    let columns = data.table.as_deref().unwrap();
    assert_eq!(columns.kinds(), [category(&["c", "a", "d", "b"])]);
    assert!(!columns.has_gaps());
    assert_eq!(
        (data.shape.dims(), &data.columns[..]),
        (&[4][..], &["a".to_owned()][..])
    );
    assert_eq!(row(&data.train, 4), [0.0, 0.0, 0.0, 1.0]);
    columns.check().unwrap();
    let text = serde_json::to_string(columns).unwrap();
    assert_eq!(
        text,
        r#"{"kinds":[{"kind":"category","levels":["c","a","d","b"]}],"unseen":"error","gaps":false}"#
    );
    assert_eq!(&serde_json::from_str::<Columns>(&text).unwrap(), columns);
}

/// Mean 2 and deviation 1 of the observed 1 and 3; in range from 1 to 3.
#[test]
fn numbers_and_dates_are_scaled_by_what_is_observed() {
    let kinds = [ColumnKind::Number, day(), category(&["u", "v"])];
    let rows = [
        [1.0, GAP, 0.0],
        [GAP, 10.0, 1.0],
        [3.0, 14.0, 0.0],
        [GAP, 12.0, GAP],
    ];
    let data = table(kinds, &rows);
    let with = |scale| load(data.clone(), &DataConfig { scale, ..whole() }).unwrap();
    let data = with(Scale::Auto);
    let scaler = data.scaler.as_deref().unwrap();
    assert_eq!(scaler.offset, [2.0, 12.0, 0.0]);
    let deviation = (8.0_f32 / 3.0).sqrt();
    assert_eq!(scaler.scale, [1.0, deviation, 1.0]);
    assert_eq!(bits(&row(&data.train, 0)), bits(&[-1.0, GAP, 1.0, 0.0]));
    assert_eq!(bits(&row(&data.train, 3)), bits(&[GAP, 0.0, GAP, GAP]));
    assert!(data.table.as_deref().unwrap().has_gaps());
    let range = data.range().unwrap();
    assert_eq!(
        bits(&[range.min, range.max]),
        bits(&[-2.0 / deviation, 2.0 / deviation])
    );
    let ranged = with(Scale::MinMax);
    assert_eq!(ranged.scaler.unwrap().scale, [2.0, 4.0, 1.0]);
    assert_eq!(row(&ranged.train, 2), [1.0, 1.0, 1.0, 0.0]);
}

#[test]
fn numbers_with_gaps_are_a_table_and_without_are_none() {
    let data = load(table([ColumnKind::Number], &[[1.0], [GAP]]), &whole()).unwrap();
    assert_eq!(data.table.unwrap().kinds(), [ColumnKind::Number]);
    let plain = MemoryDataset::new(DataShape::flat(1), vec![1.0, 2.0]).unwrap();
    let data = load(Arc::new(plain), &whole()).unwrap();
    assert!(data.table.is_none() && data.train.table().is_none());
}

#[test]
fn only_categories_have_no_range() {
    let data = load(
        table([category(&["u", "v"])], &[[0.0], [1.0], [1.0]]),
        &whole(),
    )
    .unwrap();
    assert_eq!(data.train.range().unwrap(), None);
}

/// The first row is not for training: its level is not learned.
fn with_unseen(unseen: Unseen, levels: [&str; 3]) -> Result<Data, DataError> {
    let rows = [
        [0.0],
        [1.0],
        [2.0],
        [2.0],
        [1.0],
        [2.0],
        [1.0],
        [2.0],
        [1.0],
        [2.0],
    ];
    let of = |indices: std::ops::Range<usize>| table([category(&levels)], &rows[indices]);
    let source = Source {
        test: Some(of(0..2)),
        ..Source::new("t.csv", of(1..10))
    };
    let config = DataConfig { unseen, ..whole() };
    Data::from_source(source, &config, 1)
}

#[test]
fn a_level_that_was_not_seen_is_an_error_or_other() {
    let error = with_unseen(Unseen::Error, ["x", "y", "z"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1, column `a`: the level `x` is not among those of the training split; change it, remove the row, \
         or train with `unseen` (--unseen) set to `other`, which is one more level for all that were not seen"
    );
    let data = with_unseen(Unseen::Other, ["x", "y", "z"]).unwrap();
    let columns = data.table.as_deref().unwrap();
    assert_eq!(columns.kinds(), [category(&["z", "y", "other"])]);
    columns.check().unwrap();
    assert_eq!(row(&data.test, 0), [0.0, 0.0, 1.0]);
    assert_eq!(row(&data.test, 1), [0.0, 1.0, 0.0]);
    let data = with_unseen(Unseen::Other, ["x", "other", "z"]).unwrap();
    assert_eq!(data.table.unwrap().kinds(), [category(&["z", "other"])]);
    assert_eq!(row(&data.test, 0), [0.0, 1.0]);
}

#[test]
fn columns_from_which_nothing_can_be_learned_are_refused() {
    let kinds = [ColumnKind::Number, category(&["u", "v", "w"])];
    let names = table(kinds, &[[1.0, 0.0], [1.0, 1.0], [2.0, 2.0]]);
    assert_eq!(
        load(names, &whole()).unwrap_err().to_string(),
        "t.csv: there is another level in every row of column `b`; leave it out with `drop` (--drop), or name \
         it as `label` (--label) if it is the class"
    );
    let rows: Vec<[f32; 2]> = (0..40)
        .map(|i| [i as f32, if i == 20 { 1.0 } else { GAP }])
        .collect();
    let rare = table([ColumnKind::Number, ColumnKind::Number], &rows);
    let config = DataConfig {
        limit: Some(2),
        ..whole()
    };
    assert_eq!(
        load(rare, &config).unwrap_err().to_string(),
        "t.csv: every cell of the training split is missing in column `b`; leave the column out with `drop` \
         (--drop), or give more rows that have it"
    );
}

#[test]
fn categories_cannot_be_made_binary_and_gaps_stay() {
    let config = DataConfig {
        binarize: Binarize::Threshold,
        ..whole()
    };
    let data = table([category(&["u", "v"])], &[[0.0], [1.0], [1.0]]);
    assert_eq!(
        load(data, &config).unwrap_err().to_string(),
        "`binarize` is `threshold`, but needs values between 0 and 1, and the table has categories: set it to \
         `none`"
    );
    load(table([ColumnKind::Number], &[[0.0], [1.0], [GAP]]), &config).unwrap();
    let error = load(table([ColumnKind::Number], &[[0.0], [2.0], [GAP]]), &config).unwrap_err();
    assert!(error.to_string().contains("reach from 0 to 2"), "{error}");
}

#[test]
fn infinite_cells_are_an_error() {
    let data = table([ColumnKind::Number], &[[0.0], [f32::INFINITY], [GAP]]);
    let config = DataConfig {
        scale: Scale::Standardize,
        ..whole()
    };
    let error = load(data.clone(), &config).unwrap_err().to_string();
    assert!(error.starts_with("example 1, feature 0 is inf"), "{error}");
    let error = load(data, &whole())
        .unwrap()
        .range()
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("example 1, feature 0 is inf"), "{error}");
}

#[test]
fn damage_is_refused() {
    let bad = |columns: Columns| columns.check().unwrap_err().to_string();
    assert!(bad(columns(vec![])).contains("must have a column"));
    assert!(bad(columns(vec![category(&[])])).contains("must have levels, each another"));
    let twice = bad(columns(vec![category(&["a", "b", "a"])]));
    assert_eq!(
        twice,
        "`table` is `[\"a\", \"b\", \"a\"]`, but a category must have levels, each another"
    );
    let other = Columns {
        unseen: Unseen::Other,
        ..columns(vec![category(&["a"])])
    };
    assert!(bad(other).contains("must have the level `other`"));
    let data = MemoryDataset::new(DataShape::flat(2), vec![0.0, 1.0]).unwrap();
    let bad = |kinds| data.clone().with_kinds(kinds).unwrap_err().to_string();
    let number = || ColumnKind::Number;
    assert!(bad(vec![number()]).contains("kinds of columns: expected 2"));
    assert!(bad(vec![number(), category(&["a"])]).contains("an index of one of 1 levels, or NaN"));
    assert!(bad(vec![number(), category(&["a", "a"])]).contains("each level once"));
}

#[test]
fn values_are_written_in_the_units_of_the_data() {
    let columns = columns(vec![ColumnKind::Number, day(), category(&["u", "v"])]);
    let text = |column, value| columns.text(column, value);
    assert_eq!(
        [text(0, 1.5), text(0, -2.0), text(0, GAP)],
        ["1.5", "-2", ""]
    );
    assert_eq!(
        [text(1, 19_782.3), text(1, -1.0), text(1, GAP)],
        ["2024-02-29", "1969-12-31", ""]
    );
    assert_eq!([text(2, 0.0), text(2, 1.0), text(2, GAP)], ["u", "v", ""]);
    assert_eq!([text(2, 2.0), text(2, -1.0), text(3, 0.0)], ["", "", ""]);
    assert_eq!(columns.width(), 4);
}

/// Kinds of columns, and rows of them: numbers, dates or levels, some of them missing.
fn tables() -> impl Strategy<Value = (Vec<ColumnKind>, Vec<f32>)> {
    let column = (0_usize..6, 0_u8..4, -1e6_f32..1e6).prop_map(|(levels, gap, number)| {
        let names: Vec<String> = (0..levels).map(|level| level.to_string()).collect();
        let (kind, value) = match levels {
            0 => (ColumnKind::Number, number),
            5 => (day(), number.round()),
            _ => (
                ColumnKind::Category { levels: names },
                number.abs().round() % levels as f32,
            ),
        };
        (kind, if gap == 0 { GAP } else { value })
    });
    prop::collection::vec(column, 1..9).prop_map(|columns| columns.into_iter().unzip())
}

proptest! {
    #[test]
    fn folding_undoes_expanding((kinds, row) in tables()) {
        let columns = columns(kinds);
        let mut wide = vec![9.0; columns.width()];
        columns.expand(&row, &mut wide);
        let mut folded = vec![9.0; row.len()];
        columns.fold(&wide, &mut folded);
        prop_assert_eq!(bits(&folded), bits(&row));
        // One place of each observed category is 1, the others are 0.
        let mut rest = &wide[..];
        for (kind, value) in columns.kinds().iter().zip(&row) {
            let (places, after) = rest.split_at(kind.width());
            rest = after;
            if value.is_nan() {
                prop_assert!(places.iter().all(|place| place.is_nan()));
            } else if kind.is_category() {
                prop_assert!(places.iter().all(|place| [0.0, 1.0].contains(place)));
                prop_assert_eq!(places.iter().sum::<f32>(), 1.0);
            }
        }
    }

    /// Buffers of any length, and values that no table has.
    #[test]
    fn no_row_panics(
        (kinds, _) in tables(),
        row in prop::collection::vec(prop::num::f32::ANY, 0..12),
        length in 0_usize..40,
    ) {
        let columns = columns(kinds);
        let mut out = vec![0.0; length];
        columns.expand(&row, &mut out);
        columns.fold(&row, &mut out);
        for (column, value) in row.iter().enumerate() {
            columns.text(column, *value);
        }
    }
}
