//! Queries beside what is near them.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use vae_data::Part;
use vae_variants::{Hit, SearchIndex};

use super::Origin;
use crate::{
    commands::using::{Given, Opened},
    output, pictures,
};

/// Queries that are shown, and examples near each.
pub const QUERIES: usize = 16;
const SHOWN: usize = 16;

/// Writes the picture of queries, or says why there is none. Of each: the place of its data, its number there, and what
/// was found.
///
/// # Errors
/// If the queries cannot be read, or the picture cannot be written.
pub fn write(
    opened: &Opened,
    index: &SearchIndex,
    queries: &[Given],
    shown: &[(usize, usize, Vec<Hit<'_>>)],
    path: &Path,
) -> Result<()> {
    let parts: Result<Vec<_>> = (0..index.parts().len())
        .map(|part| reopened(opened, index, part))
        .collect();
    let parts = match parts {
        Ok(parts) => parts,
        Err(error) => {
            opened.note(&format!("no picture: {error:#}"));
            return Ok(());
        }
    };
    let Some((_, _, first)) = shown.first() else {
        return Ok(());
    };
    let near = first.len().min(SHOWN);
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for (place, number, hits) in shown {
        let given = &queries[*place];
        images.extend(given.read(*number)?);
        for hit in &hits[..near] {
            let (part, place) = hit.place;
            images.extend(parts[part].read(place)?);
        }
        let class = given.class_name(*number);
        let name = given.id(*number)?;
        let alike = hits[..near].iter().filter(|hit| hit.class == class).count();
        labels.push(match class.is_empty() {
            true => name,
            false => format!("{name}: {class}\n{alike} of {near} alike"),
        });
    }
    let png = pictures::neighbours(&images, near + 1, opened.model.data(), &labels)?.png;
    output::write(path, |out| Ok(out.write_all(&png)?))?;
    opened.say("picture", path);
    Ok(())
}

/// The examples of a part of the index.
fn reopened(opened: &Opened, index: &SearchIndex, part: usize) -> Result<Given> {
    let part = &index.parts()[part];
    let origin: Origin =
        serde_json::from_str(&part.origin).context("the index does not say where its data are")?;
    let given = opened.data_seeded(&origin.data, Part::All, origin.seed);
    let given = given.context("the data of the index are not where they were")?;
    let is_same = match &origin.fingerprint {
        Some(known) => opened.fingerprint(&origin.data)? == *known,
        None => true,
    };
    ensure!(
        is_same,
        "the data of the index have changed since it was built"
    );
    if given.len() != part.names.len() {
        bail!(
            "the index has {} examples of {}, which has {} now",
            part.names.len(),
            given.name,
            given.len()
        );
    }
    Ok(given)
}
