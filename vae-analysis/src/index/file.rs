//! The file of an index. All numbers are little endian:
//!
//! | bytes | content |
//! | --- | --- |
//! | 8 | `VAEINDEX` |
//! | 8 | length of the header |
//! | | the header, JSON |
//! | 4 each | vectors |
//! | 8 each | ids |
//! | 1 each | levels |
//! | 4 each | the next vector that is equal, or 2^32 - 1 |
//! | 4 each | slots of links |
//! | 32 | SHA-256 of all before |

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::graph::Graph;
use super::{Index, IndexOptions};
use crate::rows::Rows;

const MAGIC: &[u8; 8] = b"VAEINDEX";
const VERSION: u32 = 1;
const HASH: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    width: usize,
    count: usize,
    slots: usize,
    options: IndexOptions,
}

pub(super) fn encode(index: &Index) -> Vec<u8> {
    let header = Header {
        version: VERSION,
        width: index.width,
        count: index.ids.len(),
        slots: index.graph.slots.len(),
        options: index.options,
    };
    let header = serde_json::to_vec(&header).expect("numbers are JSON");
    let mut bytes = MAGIC.to_vec();
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(index.vectors.iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(index.ids.iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(&index.graph.levels);
    bytes.extend(index.graph.equals.iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(index.graph.slots.iter().flat_map(|v| v.to_le_bytes()));
    let hash = Sha256::digest(&bytes);
    bytes.extend(hash);
    bytes
}

/// The index, or what is wrong.
pub(super) fn decode(bytes: &[u8]) -> Result<Index, String> {
    if !bytes.starts_with(MAGIC) {
        return Err("it is not an index of this program".to_owned());
    }
    let (content, hash) = bytes.split_last_chunk::<HASH>().ok_or("it is cut short")?;
    if Sha256::digest(content).as_slice() != hash {
        return Err("its SHA-256 is not that of its content".to_owned());
    }
    let (length, rest) = content[MAGIC.len().min(content.len())..]
        .split_first_chunk::<8>()
        .ok_or("it has no header")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
    let (header, rest) = rest
        .split_at_checked(length)
        .ok_or("its header is cut short")?;
    let header: Header = serde_json::from_slice(header).map_err(|e| format!("its header: {e}"))?;
    let Header {
        version,
        width,
        count,
        slots,
        options,
    } = header;
    if version != VERSION {
        return Err(format!("its version is {version}, not {VERSION}"));
    }
    options.check().map_err(|e| e.to_string())?;
    let numbers = count.checked_mul(width).ok_or("it is too large")?;
    let (vectors, rest) = take(rest, numbers, f32::from_le_bytes)?;
    let (ids, rest) = take(rest, count, u64::from_le_bytes)?;
    let (levels, rest) = take(rest, count, u8::from_le_bytes)?;
    let (equals, rest) = take(rest, count, u32::from_le_bytes)?;
    let (slots, rest) = take(rest, slots, u32::from_le_bytes)?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow its end", rest.len()));
    }
    Rows::new(&vectors, width).map_err(|e| e.to_string())?;
    Ok(Index {
        width,
        options,
        vectors,
        ids,
        graph: Graph::restore(options, levels, equals, slots)?,
    })
}

fn take<const N: usize, T>(
    bytes: &[u8],
    count: usize,
    read: impl Fn([u8; N]) -> T,
) -> Result<(Vec<T>, &[u8]), String> {
    let length = count.checked_mul(N);
    let parts = length.and_then(|length| bytes.split_at_checked(length));
    let (own, rest) = parts.ok_or("it is cut short")?;
    let values = own.as_chunks::<N>().0.iter().map(|chunk| read(*chunk));
    Ok((values.collect(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Index {
        let mut values: Vec<f32> = (0..120).map(|i| ((i * 37) % 101) as f32).collect();
        values.copy_within(0..9, 60); // equal vectors
        let mut index = Index::new(3, IndexOptions::default()).expect("valid");
        let ids: Vec<u64> = (100..140).collect();
        index
            .add(Rows::new(&values, 3).expect("finite"), &ids)
            .expect("one id each");
        index
    }

    /// Also with a hash that fits, as if someone had made it so.
    #[test]
    fn a_damaged_file_is_an_error_and_never_a_panic() {
        let bytes = encode(&small());
        assert_eq!(decode(&bytes).expect("whole"), small());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "cut to {length}");
        }
        let signed = |content: &[u8]| {
            let mut all = content.to_vec();
            all.extend(Sha256::digest(content));
            all
        };
        let content = &bytes[..bytes.len() - HASH];
        for at in 0..content.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x81;
            assert!(decode(&changed).is_err(), "changed at {at}");
            if let Ok(index) = decode(&signed(&changed[..content.len()])) {
                index
                    .search(&[1.0, 2.0, 3.0], 5)
                    .expect("whatever it holds can be searched");
            }
        }
        for length in 0..content.len() {
            assert!(
                decode(&signed(&content[..length])).is_err(),
                "cut to {length}"
            );
        }
    }
}
