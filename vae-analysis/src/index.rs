//! An index of vectors that finds near ones without comparing all: a hierarchical navigable small world graph (Malkov and
//! Yashunin 2018). Distances are Euclidean.

mod file;
mod graph;
mod near;

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check};
use crate::neighbours::nearest;
use crate::rows::Rows;
use graph::Graph;

/// How many candidates a search keeps, unless it is told.
const EFFORT: usize = 64;

/// How an [`Index`] is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexOptions {
    /// Links of a vector on each upper level, twice as many on the lowest: the paper's M, from 2 to 256.
    pub links: usize,
    /// Candidates that are kept while a vector is linked, the paper's efConstruction: more find better links and take
    /// longer.
    pub effort: usize,
    /// From which the levels of the vectors are drawn.
    pub seed: u64,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self {
            links: 16,
            effort: 100,
            seed: 0,
        }
    }
}

impl IndexOptions {
    fn check(&self) -> Result<()> {
        check(
            "links",
            self.links,
            (2..=256).contains(&self.links),
            "from 2 to 256",
        )?;
        check("effort", self.effort, self.effort >= 1, "at least 1")
    }
}

/// A vector that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// What the vector was added with.
    pub id: u64,
    /// Its Euclidean distance from the query.
    pub distance: f32,
}

/// Vectors with their ids, in a graph that leads to the near ones. The same vectors in the same order make the same index,
/// however they were divided among calls of [`add`](Index::add).
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    width: usize,
    options: IndexOptions,
    vectors: Vec<f32>,
    ids: Vec<u64>,
    graph: Graph,
}

impl Index {
    /// Without vectors yet; each has `width` numbers.
    ///
    /// # Errors
    /// If `width` is 0 or an option is out of bounds.
    pub fn new(width: usize, options: IndexOptions) -> Result<Self> {
        check("width", width, width >= 1, "at least 1")?;
        options.check()?;
        Ok(Self {
            width,
            options,
            vectors: Vec::new(),
            ids: Vec::new(),
            graph: Graph::new(options),
        })
    }

    /// Adds `rows`, each with an id; ids need not be distinct.
    ///
    /// # Errors
    /// If the width differs, there is not one id for each row, or there were 2^32 vectors in all.
    pub fn add(&mut self, rows: Rows, ids: &[u64]) -> Result<()> {
        rows.of_width("rows", self.width)?;
        let count = rows.count();
        check(
            "ids",
            format_args!("{} numbers", ids.len()),
            ids.len() == count,
            format_args!("one for each of {count} rows"),
        )?;
        let total = self.ids.len() + count;
        check(
            "rows",
            format_args!("{total} in all"),
            total < u32::MAX as usize,
            "below 2^32 in all",
        )?;
        self.vectors.extend_from_slice(rows.values());
        self.ids.extend_from_slice(ids);
        self.graph
            .extend_to(total, Rows::checked(&self.vectors, self.width));
        Ok(())
    }

    /// The `k` vectors nearest to `query` (`[width]`), from the nearest, or all where there are fewer; approximately, see
    /// [`recall`](Index::recall).
    ///
    /// # Errors
    /// If the width differs, a number is not finite, or `k` is 0.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<Found>> {
        self.search_with(query, k, EFFORT.max(2 * k))
    }

    /// As [`search`](Index::search), keeping `effort` candidates, the paper's ef (at least `k` are kept): more find more of
    /// the nearest and take longer.
    ///
    /// # Errors
    /// As [`search`](Index::search).
    pub fn search_with(&self, query: &[f32], k: usize, effort: usize) -> Result<Vec<Found>> {
        let row = Rows::new(query, self.width)?;
        check(
            "query",
            format_args!("{} rows", row.count()),
            row.count() == 1,
            "one row",
        )?;
        check("k", k, k >= 1, "at least 1")?;
        let found = self.graph.search(query, effort.max(k), self.rows());
        let named = found.into_iter().take(k).map(|(squared, at)| Found {
            id: self.ids[at as usize],
            distance: squared.sqrt(),
        });
        Ok(named.collect())
    }

    /// Share of the true `k` nearest vectors of `queries` that [`search`](Index::search) finds, by comparing with all.
    ///
    /// # Errors
    /// If the width differs, `k` is 0, or the index or `queries` is empty.
    pub fn recall(&self, queries: Rows, k: usize) -> Result<f64> {
        queries.at_least("queries", 1)?;
        let exact = nearest(self.rows(), queries, k)?;
        let rows: Vec<&[f32]> = queries.iter().collect();
        let hits: usize = rows
            .into_par_iter()
            .enumerate()
            .map(|(query, row)| {
                let found = self.graph.search(row, EFFORT.max(2 * k), self.rows());
                // By distance, since of equally far vectors either is right.
                let farthest = exact.distances(query).last().copied().unwrap_or(0.0);
                let near = |(squared, _): &&(f32, u32)| squared.sqrt() <= farthest;
                found.iter().take(exact.k()).filter(near).count()
            })
            .sum();
        Ok(hits as f64 / (queries.count() * exact.k()) as f64)
    }

    /// How many vectors there are.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// Numbers in a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How it is built.
    pub fn options(&self) -> IndexOptions {
        self.options
    }

    /// The ids, in the order in which they were added.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The vectors, in the order in which they were added: `[count, width]`.
    pub fn rows(&self) -> Rows<'_> {
        Rows::checked(&self.vectors, self.width)
    }

    /// Writes all to a file, which is either whole or as it was.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        vae_results::write_atomically(path, |out| out.write_all(&self.to_bytes())).map_err(
            |source| Error::Write {
                path: path.to_owned(),
                source,
            },
        )
    }

    /// Reads what [`save`](Index::save) wrote; it can be searched and extended as before.
    ///
    /// # Errors
    /// If the file cannot be read, or is not whole and unchanged: its SHA-256 is checked, and then each link.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes, path)
    }

    /// All as bytes, such as are in the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        file::encode(self)
    }

    /// The index in such bytes, which are from `path`, for messages.
    ///
    /// # Errors
    /// If they are not whole and unchanged.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        file::decode(bytes).map_err(|why| Error::damaged(path, why))
    }
}
