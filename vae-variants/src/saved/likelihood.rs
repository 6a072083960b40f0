//! Which likelihood data of a kind get.

use vae_core::{ColumnWidth, Error, LikelihoodConfig, LikelihoodKind, Result, nets::ModelConfig};
use vae_data::{ColumnKind, Columns, Data, Subset, ValueRange};

/// The likelihood in force for some data, which must be of its kind.
pub(super) fn of_data(
    model: &ModelConfig,
    data: &Data,
    range: ValueRange,
) -> Result<LikelihoodConfig> {
    let table = data.table.as_deref();
    let mut likelihood = model.likelihood(&data.shape, range);
    if table.is_some() && model.likelihood.is_none() {
        likelihood.kind = LikelihoodKind::PerColumn;
    }
    if likelihood.kind.is_of_columns() && data.shape.image().is_none() {
        let width = |kind: &ColumnKind| match kind {
            ColumnKind::Category { levels } => ColumnWidth::Levels(levels.len()),
            ColumnKind::Number | ColumnKind::Date { .. } => ColumnWidth::Number,
        };
        likelihood.columns = match table {
            Some(table) => table.kinds().iter().map(width).collect(),
            None => vec![ColumnWidth::Number; data.shape.features()],
        };
        likelihood.mask = table.is_some_and(Columns::has_gaps);
    }
    if let Some(table) = table
        && !likelihood.kind.is_of_columns()
    {
        let kinds = table.kinds();
        let date = |kind: &ColumnKind| matches!(kind, ColumnKind::Date { .. });
        let holds =
            |column: usize, what: &str| format!("column `{}` holds {what}", data.columns[column]);
        let why = match kinds.iter().position(ColumnKind::is_category) {
            Some(column) => holds(column, "categories"),
            None if table.has_gaps() => "cells of the table are missing".to_owned(),
            None => holds(kinds.iter().position(date).unwrap_or(0), "dates"),
        };
        return Err(Error::setting(
            "model.likelihood",
            serde_json::to_string(&likelihood.kind).unwrap_or_default(),
            format!(
                "per-column or student-t, as {why}: leave it out, or such columns out of the data with `drop` (--drop)"
            ),
        ));
    }
    likelihood.check_range(range)?;
    for subset in [&data.train, &data.validation, &data.test] {
        check_values(&likelihood, subset)?;
    }
    Ok(likelihood)
}

/// Refuses values between the ends of the range that a likelihood of whole numbers does not have.
fn check_values(likelihood: &LikelihoodConfig, subset: &Subset) -> Result<()> {
    if likelihood.fits(0.5) {
        return Ok(());
    }
    let mut row = vec![0.0; subset.shape().features()];
    for example in 0..subset.len() {
        subset.read(example, &mut row)?;
        for (feature, &value) in row.iter().enumerate() {
            likelihood.check_value(value).map_err(|error| {
                let named = subset.columns().get(feature);
                let feature = named.map_or_else(
                    || format!("feature {feature}"),
                    |name| format!("column `{name}`"),
                );
                let index = subset.indices()[example];
                Error::Unfit(format!(
                    "{feature} of example {index}, counted from 0: {error}"
                ))
            })?;
        }
    }
    Ok(())
}
