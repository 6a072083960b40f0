//! Makes the files of `mnist-mini` from those of MNIST.
//!
//! ```sh
//! cargo run -p vae-data --example make_mnist_mini -- FOLDER-WITH-MNIST vae-data/assets
//! ```
//!
//! From each class it takes, at random with a fixed seed, 1,000 of the training and 200
//! of the test images, and keeps them in their order. The result depends on nothing else.

use std::error::Error;
use std::path::{Path, PathBuf};

use vae_data::idx::{Idx, encode, gzip};
use vae_data::random::{Stream, rng, shuffle};

const SEED: u64 = 28;

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (folders.next(), folders.next()) else {
        return Err("usage: make_mnist_mini FOLDER-WITH-MNIST OUTPUT-FOLDER".into());
    };
    make(&from, &to, "train", 1000, 0)?;
    make(&from, &to, "t10k", 200, 1)
}

/// Takes `per_class` examples of each class from the files that begin with `split`.
fn make(
    from: &Path,
    to: &Path,
    split: &str,
    per_class: usize,
    index: u64,
) -> Result<(), Box<dyn Error>> {
    let open = |what: &str| Idx::open(&from.join(format!("{split}-{what}-ubyte.gz")));
    let (images, labels) = (open("images-idx3")?, open("labels-idx1")?);

    let mut chosen = Vec::new();
    for class in 0..10 {
        let mut members: Vec<usize> = (0..labels.examples())
            .filter(|&i| labels.values()[i] == class)
            .collect();
        let stream = index * 10 + u64::from(class);
        shuffle(&mut rng(SEED, Stream::Limit, stream), &mut members);
        chosen.extend(members.into_iter().take(per_class));
    }
    chosen.sort_unstable();

    let pixels: Vec<u8> = chosen
        .iter()
        .flat_map(|&i| images.example(i))
        .copied()
        .collect();
    let classes: Vec<u8> = chosen.iter().map(|&i| labels.values()[i]).collect();
    let [_, height, width] = images.dims() else {
        return Err("the images must have three dimensions".into());
    };
    let dims = [chosen.len(), *height, *width];
    let write = |what: &str, bytes: &[u8]| {
        let path = to.join(format!("mnist-mini-{split}-{what}-ubyte.gz"));
        println!("{}: {} bytes", path.display(), bytes.len());
        std::fs::write(path, bytes)
    };
    write("images-idx3", &gzip(&encode(&dims, &pixels)))?;
    write("labels-idx1", &gzip(&encode(&dims[..1], &classes)))?;
    Ok(())
}
