//! Examples that are near others by their codes.
//!
//! A file of an index, with all numbers little endian:
//!
//! | bytes | content |
//! | --- | --- |
//! | 8 | `VAESEARC` |
//! | 32 | SHA-256 of the description |
//! | 8 | length of the description |
//! | | the description, JSON: the model, and where each example is from |
//! | | the codes with their links, [`Index::to_bytes`] |

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vae_analysis::{Index, IndexOptions, Rows, nearest};
use vae_core::{Error, Result, files::write_atomically};

use super::{Examples, Trained};

const MAGIC: &[u8; 8] = b"VAESEARC";
const VERSION: u32 = 1;
const HASH: usize = 32;
/// Codes that are linked between two reports of progress.
const LINKED: usize = 1000;
/// Queries that comparing all with all is timed on, one by one.
const TIMED: usize = 200;

/// The codes of examples, to be searched for near ones, with the names of the examples.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchIndex {
    index: Index,
    about: About,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    version: u32,
    /// Of the model that made the codes.
    fingerprint: String,
    latent: usize,
    parts: Vec<Indexed>,
}

/// The examples that were added at a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indexed {
    /// Where they are from, in the words of whoever added them.
    pub origin: String,
    /// What each is called.
    pub names: Vec<String>,
    /// The name of the class of each, empty where it is not known.
    pub classes: Vec<String>,
}

/// An example that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The name of its class, empty where it is not known.
    pub class: &'a str,
    /// The Euclidean distance of its code from that of the query.
    pub distance: f32,
    /// In which of [`SearchIndex::parts`] it is, and where there.
    pub place: (usize, usize),
}

/// How good and how fast a search is, beside comparing with all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Speed {
    /// Codes that were asked for.
    pub queries: usize,
    /// Neighbours of each.
    pub k: usize,
    /// Share of the true neighbours that are found.
    pub recall: f64,
    /// Queries per second, one after the other on one thread.
    pub single: f64,
    /// Queries per second, on all threads at once.
    pub batch: f64,
    /// Queries per second by comparing with all, one after the other.
    pub exact_single: f64,
    /// Queries per second by comparing with all, all queries at once.
    pub exact_batch: f64,
}

fn unfit(error: vae_analysis::Error) -> Error {
    Error::Unfit(format!("the index: {error}"))
}

impl Trained {
    /// An index of codes of this model, without any yet.
    ///
    /// # Errors
    /// Those of [`Trained::fingerprint`].
    pub fn search_index(&self) -> Result<SearchIndex> {
        let latent = self.latent();
        Ok(SearchIndex {
            index: Index::new(latent, IndexOptions::default()).map_err(unfit)?,
            about: About {
                version: VERSION,
                fingerprint: self.fingerprint()?,
                latent,
                parts: Vec::new(),
            },
        })
    }

    /// Opens the index in a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Corrupt`] if it is damaged or of a later version, and
    /// [`Error::Unfit`] if another model made it.
    pub fn open_index(&self, path: &Path) -> Result<SearchIndex> {
        let corrupt = |why: &str| Error::Corrupt {
            path: path.to_owned(),
            why: why.into(),
        };
        let bytes = fs::read(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| corrupt("it is no index of codes; build one anew"))?;
        let cut = || corrupt("it is cut short; build it anew");
        let (hash, rest) = rest.split_first_chunk::<HASH>().ok_or_else(cut)?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok();
        let parts = length.and_then(|length| rest.split_at_checked(length));
        let (about, index) = parts.ok_or_else(cut)?;
        if Sha256::digest(about).as_slice() != hash {
            return Err(corrupt(
                "its SHA-256 is not that of its content; build it anew",
            ));
        }
        #[derive(Deserialize)]
        struct Written {
            version: u32,
        }
        let damaged = |error| corrupt(&format!("its description: {error}"));
        let Written { version } = serde_json::from_slice(about).map_err(damaged)?;
        if version != VERSION {
            return Err(corrupt(&format!(
                "its version is {version}, and this program reads {VERSION}; build it anew"
            )));
        }
        let about: About = serde_json::from_slice(about).map_err(damaged)?;
        let index = Index::from_bytes(index, path).map_err(|error| corrupt(&format!("{error}")))?;
        if about.fingerprint != self.fingerprint()? || about.latent != self.latent() {
            return Err(Error::Unfit(format!(
                "{} is an index of another model, whose codes mean something else: build one of this model",
                path.display()
            )));
        }
        let count: usize = about.parts.iter().map(|part| part.names.len()).sum();
        let is_whole = |part: &Indexed| part.classes.len() == part.names.len();
        let is_whole = about.parts.iter().all(is_whole) && count == index.count();
        match is_whole
            && index.width() == about.latent
            && index.ids().iter().copied().eq(0..count as u64)
        {
            true => Ok(SearchIndex { index, about }),
            false => Err(corrupt(
                "its codes and its description do not belong together; build it anew",
            )),
        }
    }

    /// Adds the mean codes of examples to an index of this model. `part` says what each is called.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the index is of another model, `part` has not one name and one class for each, or there are
    /// 2^32 codes; those of the data, and [`Error::Stopped`]. The index is as it was before then.
    pub fn add_to(
        &self,
        index: &mut SearchIndex,
        examples: &Examples<'_>,
        part: Indexed,
    ) -> Result<()> {
        let (count, names) = (examples.len(), [part.names.len(), part.classes.len()]);
        if names != [count; 2] {
            let [names, classes] = names;
            return Err(Error::Unfit(format!(
                "{count} examples have {names} names and {classes} classes, and must have one of each"
            )));
        }
        if index.about.fingerprint != self.fingerprint()? {
            return Err(Error::Unfit("the index is one of another model".into()));
        }
        let codes = self.codes(examples)?;
        let (progress, stop) = examples.watched();
        let mut added = index.index.clone();
        progress.start("linking the codes", Some(count as u64));
        let done = codes.chunks(LINKED * self.latent()).try_for_each(|codes| {
            if stop.is_some_and(|stop| stop.load(std::sync::atomic::Ordering::Relaxed)) {
                return Err(Error::Stopped);
            }
            let rows = Rows::new(codes, self.latent()).map_err(unfit)?;
            let first = added.count() as u64;
            let ids: Vec<u64> = (first..first + rows.count() as u64).collect();
            added.add(rows, &ids).map_err(unfit)?;
            progress.advance(rows.count() as u64);
            Ok(())
        });
        progress.finish();
        done?;
        index.index = added;
        index.about.parts.push(part);
        Ok(())
    }
}

impl SearchIndex {
    /// How many codes there are.
    pub fn count(&self) -> usize {
        self.index.count()
    }

    /// What was added, in order.
    pub fn parts(&self) -> &[Indexed] {
        &self.about.parts
    }

    /// The `k` nearest examples for each of `codes`, `[queries, latent]`, from the nearest.
    ///
    /// # Errors
    /// [`Error::Unfit`] if there are fewer than `k` codes, `k` is 0, or a number is not finite.
    pub fn search(&self, codes: &[f32], k: usize) -> Result<Vec<Vec<Hit<'_>>>> {
        let rows = self.queries(codes, k)?;
        let rows: Vec<&[f32]> = rows.iter().collect();
        let found = rows.into_par_iter().map(|code| {
            let found = self.index.search(code, k).map_err(unfit)?;
            Ok(found
                .into_iter()
                .map(|found| self.hit(found.id, found.distance))
                .collect())
        });
        found.collect()
    }

    /// Compares searches for `codes`, `[queries, latent]`, with comparing all, and times both.
    ///
    /// # Errors
    /// Those of [`SearchIndex::search`], and [`Error::Unfit`] without queries.
    pub fn measure(&self, codes: &[f32], k: usize) -> Result<Speed> {
        let rows = self.queries(codes, k)?;
        let all: Vec<&[f32]> = rows.iter().collect();
        let queries = all.len();
        let per_second =
            |queries: usize, took: Duration| queries as f64 / took.as_secs_f64().max(1e-9);
        let recall = self.index.recall(rows, k).map_err(unfit)?;
        let search = |code: &&[f32]| self.index.search(code, k).map(|found| found.len());
        let timed = |work: &dyn Fn() -> vae_analysis::Result<usize>| -> Result<Duration> {
            let start = Instant::now();
            std::hint::black_box(work().map_err(unfit)?);
            Ok(start.elapsed())
        };
        let single = timed(&|| all.iter().map(search).sum())?;
        let batch = timed(&|| all.par_iter().map(search).sum())?;
        let exact = |code: &[f32]| {
            nearest(self.index.rows(), Rows::new(code, rows.width())?, k).map(|found| found.k())
        };
        let few = &all[..queries.min(TIMED)];
        let exact_single = timed(&|| few.iter().map(|code| exact(code)).sum())?;
        let exact_batch = timed(&|| exact(codes))?;
        Ok(Speed {
            queries,
            k,
            recall,
            single: per_second(queries, single),
            batch: per_second(queries, batch),
            exact_single: per_second(few.len(), exact_single),
            exact_batch: per_second(queries, exact_batch),
        })
    }

    /// Writes all to a file, which is either whole or as it was.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let about = serde_json::to_vec(&self.about).expect("texts and numbers are JSON");
        let mut bytes = MAGIC.to_vec();
        bytes.extend(Sha256::digest(&about));
        bytes.extend((about.len() as u64).to_le_bytes());
        bytes.extend(about);
        bytes.extend(self.index.to_bytes());
        write_atomically(path, |out| out.write_all(&bytes))
    }

    fn queries<'a>(&self, codes: &'a [f32], k: usize) -> Result<Rows<'a>> {
        let count = self.count();
        if k > count {
            return Err(Error::Unfit(format!(
                "k is {k}, and the index has {count} codes: ask for at most as many"
            )));
        }
        Rows::new(codes, self.index.width()).map_err(unfit)
    }

    fn hit(&self, id: u64, distance: f32) -> Hit<'_> {
        let (mut part, mut place) = (0, id as usize);
        while place >= self.about.parts[part].names.len() {
            place -= self.about.parts[part].names.len();
            part += 1;
        }
        let of = &self.about.parts[part];
        Hit {
            name: &of.names[place],
            class: &of.classes[place],
            distance,
            place: (part, place),
        }
    }
}
