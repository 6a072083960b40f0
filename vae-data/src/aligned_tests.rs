use proptest::prelude::*;

use super::*;
use crate::{Data, DataConfig, DateUnit, MemoryDataset, Scale, Source, Subset};

const GAP: f32 = f32::NAN;

fn category(levels: &[&str]) -> ColumnKind {
    let levels = strings(levels);
    ColumnKind::Category { levels }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn table(names: &[&str], kinds: &[ColumnKind], values: &[f32]) -> Arc<dyn Dataset> {
    let shape = DataShape::new([names.len()]).unwrap();
    let data = MemoryDataset::new(shape, values.to_vec()).unwrap();
    let data = data.with_columns(strings(names)).unwrap();
    Arc::new(data.with_kinds(kinds.to_vec()).unwrap())
}

/// What a model learns from a table without scaling it.
fn learned(data: Arc<dyn Dataset>, unseen: Unseen) -> Data {
    let config = DataConfig {
        validation: 0.0,
        test: 0.0,
        scale: Scale::None,
        unseen,
        ..DataConfig::default()
    };
    Data::from_source(Source::new("t", data), &config, 1).unwrap()
}

fn rows(data: &dyn Dataset) -> Result<Vec<Vec<Option<f32>>>, DataError> {
    let mut row = vec![0.0; data.shape().features()];
    let read = |i| {
        data.read(i, &mut row)?;
        Ok(row
            .iter()
            .copied()
            .map(|v| Some(v).filter(|v| !v.is_nan()))
            .collect())
    };
    (0..data.len()).map(read).collect()
}

/// `size` and `kind`, of whose levels the model knows `dog` and `cat`, in this order.
fn model(unseen: Unseen) -> Data {
    let kinds = [ColumnKind::Number, category(&["cat", "dog"])];
    let values = [1.0, 1.0, 2.0, 0.0, 3.0, 1.0];
    learned(table(&["size", "kind"], &kinds, &values), unseen)
}

#[test]
fn columns_and_levels_are_found_by_name() {
    let model = model(Unseen::Error);
    let kinds = [category(&["dog", "emu", "cat"]), day(0), ColumnKind::Number];
    let values = [2.0, 5.0, 1.5, GAP, 6.0, GAP, 0.0, GAP, 2.5];
    let data = table(&["kind", "born", "size"], &kinds, &values);
    let columns = model.table.as_deref().unwrap();
    let found = aligned(data.clone(), &model.columns, Some(columns)).unwrap();
    assert_eq!(found.columns(), ["size", "kind"]);
    assert_eq!(
        found.kinds(),
        [ColumnKind::Number, category(&["dog", "cat"])]
    );
    let expected = [[Some(1.5), Some(1.0)], [None, None], [Some(2.5), Some(0.0)]];
    assert_eq!(rows(&*found).unwrap(), expected);
    // As examples for the model.
    let subset = Subset::new(data, vec![2, 0]).unwrap();
    let subset = subset
        .aligned(&model.columns, model.table.as_ref())
        .unwrap();
    let mut row = [0.0; 3];
    subset.read(0, &mut row).unwrap();
    assert_eq!((row, subset.shape().dims()), ([2.5, 1.0, 0.0], &[3][..]));
    subset.read(1, &mut row).unwrap();
    assert_eq!(row, [1.5, 0.0, 1.0]);
}

fn day(origin: i32) -> ColumnKind {
    let unit = DateUnit::Day;
    ColumnKind::Date { origin, unit }
}

#[test]
fn an_unseen_level_is_named_or_other() {
    let kinds = [ColumnKind::Number, category(&["dog", "emu"])];
    let data = table(&["size", "kind"], &kinds, &[1.0, 0.0, 2.0, 1.0, 3.0, GAP]);
    let read = |unseen| {
        let model = model(unseen);
        let data = aligned(data.clone(), &model.columns, model.table.as_deref());
        rows(&*data.unwrap())
    };
    let error = read(Unseen::Error).unwrap_err().to_string();
    let start = "row 2, column `kind`: the level `emu` is not among those of the training split";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(
        read(Unseen::Other).unwrap(),
        [
            [Some(1.0), Some(0.0)],
            [Some(2.0), Some(2.0)],
            [Some(3.0), None]
        ]
    );
}

/// As when a column is to be filled in.
#[test]
fn a_column_of_which_every_cell_is_missing_fits_everywhere() {
    let none = category(&[]);
    let data = table(&["kind", "size"], &[none.clone(), none], &[GAP; 4]);
    let model = model(Unseen::Error);
    let found = aligned(data.clone(), &model.columns, model.table.as_deref()).unwrap();
    assert_eq!(rows(&*found).unwrap(), [[None, None], [None, None]]);
    let found = aligned(data, &strings(&["size"]), None).unwrap();
    let error = rows(&*found).unwrap_err().to_string();
    assert!(
        error.starts_with("row 1, column `size`: the cell is missing"),
        "{error}"
    );
}

#[test]
fn columns_that_do_not_fit_are_named() {
    let model = model(Unseen::Error);
    let error = |names: &[&str], kinds: &[ColumnKind]| {
        let data = table(names, kinds, &vec![0.0; names.len()]);
        let result = aligned(data, &model.columns, model.table.as_deref());
        result.err().unwrap().to_string()
    };
    let two = [ColumnKind::Number, category(&["dog"])];
    assert_eq!(
        error(&["sizes", "kind"], &two),
        "column `size`: the model takes it, and the data have none of that name; did you mean `sizes`?"
    );
    assert!(error(&["x", "kind"], &two).ends_with("the columns are `x`, `kind`"));
    assert_eq!(
        error(&["size", "kind"], &[ColumnKind::Number, ColumnKind::Number]),
        "column `kind`: it holds numbers, and categories are needed; name it as `categorical` (--categorical) \
         if its values are names"
    );
    assert_eq!(
        error(&["size", "kind"], &[day(0), category(&["dog"])]),
        "column `size`: it holds dates, and numbers are needed; look for cells that are not numbers"
    );
}

#[test]
fn a_model_of_numbers_takes_numbers_alone() {
    let names = strings(&["x", "y"]);
    let number = ColumnKind::Number;
    let gaps = table(
        &["z", "y", "x"],
        &vec![number.clone(); 3],
        &[GAP, 1.0, 2.0, 3.0, GAP, 4.0],
    );
    let found = aligned(gaps, &names, None).unwrap();
    assert!(found.kinds().is_empty());
    let mut row = [0.0; 2];
    found.read(0, &mut row).unwrap();
    assert_eq!(row, [2.0, 1.0]);
    assert_eq!(
        found.read(1, &mut row).unwrap_err().to_string(),
        "row 2, column `y`: the cell is missing, and the model was trained on data without missing cells; fill \
         it with a number, or remove the row"
    );
    let text = table(&["x", "y"], &[number, category(&["u"])], &[1.0, 0.0]);
    let error = aligned(text, &names, None).err().unwrap().to_string();
    assert!(
        error.starts_with("column `y`: it holds categories, and numbers are needed"),
        "{error}"
    );
    let plain = MemoryDataset::new(DataShape::flat(2), vec![1.0, 2.0]).unwrap();
    let plain: Arc<dyn Dataset> = Arc::new(plain);
    let same = aligned(plain.clone(), &names, None).unwrap();
    assert!(Arc::ptr_eq(&plain, &same));
    let three = strings(&["x", "y", "z"]);
    let error = aligned(plain, &three, None).err().unwrap().to_string();
    assert!(
        error.contains("columns: expected 3 values, found 2"),
        "{error}"
    );
}

#[test]
fn the_table_of_a_model_takes_the_place_of_what_was_learned() {
    let model = model(Unseen::Other);
    let kinds = [category(&["emu", "dog"]), ColumnKind::Number];
    let data = table(&["kind", "size"], &kinds, &[0.0, 5.0, 1.0, 6.0, 0.0, 7.0]);
    let own = learned(data, Unseen::Error);
    assert_eq!(
        own.table.as_deref().unwrap().kinds()[0],
        category(&["emu", "dog"])
    );
    let data = own.aligned(&model.columns, model.table.as_ref()).unwrap();
    assert_eq!((&data.columns, &data.shape), (&model.columns, &model.shape));
    let mut row = [0.0; 4];
    data.train.read(0, &mut row).unwrap();
    assert_eq!(row, [5.0, 0.0, 0.0, 1.0]);
    data.train.read(1, &mut row).unwrap();
    assert_eq!(row, [6.0, 1.0, 0.0, 0.0]);
    // A scaler of a model is for its columns.
    let scaler = crate::Scaler {
        kind: Scale::Standardize,
        offset: vec![1.0, 0.0],
        scale: vec![2.0, 1.0],
    };
    let data = data.rescaled(Some(scaler), None).unwrap();
    data.train.read(1, &mut row).unwrap();
    assert_eq!(row, [2.5, 1.0, 0.0, 0.0]);
}

#[test]
fn days_are_counted_from_the_day_of_the_model() {
    let model = learned(table(&["t"], &[day(100)], &[1.0, 2.0]), Unseen::Error);
    let data = table(&["t"], &[day(90)], &[0.25, 12.0]);
    let data = aligned(data, &model.columns, model.table.as_deref()).unwrap();
    assert_eq!(rows(&*data).unwrap(), [[Some(-9.75)], [Some(2.0)]]);
}

proptest! {
    /// Whatever the order of columns and levels, the rows are the same.
    #[test]
    fn the_order_of_columns_and_levels_does_not_matter(
        cells in prop::collection::vec((-9_i8..9, 0_usize..3, 0_usize..4), 8..30), seed: u64,
    ) {
        let levels = [vec!["a", "b", "c"], vec!["k", "l", "m", "n"]];
        let first = [ColumnKind::Number, category(&levels[0]), category(&levels[1])];
        let values: Vec<f32> = cells
            .iter()
            .flat_map(|&(number, a, b)| [f32::from(number), a as f32, b as f32])
            .collect();
        let one = table(&["x", "y", "z"], &first, &values);

        let mut rng = crate::rng(seed, crate::Stream::Other, 0);
        let orders = [3, 3, 4].map(|n| crate::random::permutation(&mut rng, n));
        let level = |of: usize, place: u32| levels[of][place as usize];
        let shuffled = |of: usize| {
            let order = orders[of + 1].iter();
            category(&order.map(|&place| level(of, place)).collect::<Vec<_>>())
        };
        let kinds = [ColumnKind::Number, shuffled(0), shuffled(1)];
        let index = |of: usize, level: usize| {
            orders[of + 1].iter().position(|&place| place as usize == level).unwrap() as f32
        };
        let values: Vec<f32> = cells
            .iter()
            .flat_map(|&(number, a, b)| {
                let row = [f32::from(number), index(0, a), index(1, b)];
                orders[0].iter().map(|&place| row[place as usize]).collect::<Vec<_>>()
            })
            .collect();
        let names = orders[0].iter().map(|&place| ["x", "y", "z"][place as usize]);
        let kinds = orders[0].iter().map(|&place| kinds[place as usize].clone());
        let (names, kinds): (Vec<_>, Vec<_>) = (names.collect(), kinds.collect());
        let two = table(&names, &kinds, &values);

        let config = DataConfig { scale: Scale::None, validation: 0.0, test: 0.0, ..DataConfig::default() };
        let Ok(model) = Data::from_source(Source::new("t", one.clone()), &config, 1) else {
            return Ok(());
        };
        let columns = model.table.as_deref();
        let one = aligned(one, &model.columns, columns).unwrap();
        let two = aligned(two, &model.columns, columns).unwrap();
        prop_assert_eq!(rows(&*one).unwrap(), rows(&*two).unwrap());
    }
}
