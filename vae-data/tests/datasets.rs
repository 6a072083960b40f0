//! Built-in datasets, files on disk, and fingerprints, through the public interface.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use vae_data::idx::{encode, gzip};
use vae_data::{DataConfig, DataError, NoProgress, Scale, builtin, fingerprint, load};

/// Writes an IDX set that is named like MNIST: `train` and `test` images of 2 x 3.
fn write_set(folder: &Path, train: u8, test: u8, packed: bool) {
    std::fs::create_dir_all(folder).unwrap();
    for (split, n) in [("train", train), ("t10k", test)] {
        let images = encode(&[n.into(), 2, 3], &vec![n; usize::from(n) * 6]);
        let labels = encode(&[n.into()], &(0..n).map(|i| i % 4).collect::<Vec<u8>>());
        for (what, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
            let name = format!("{split}-{what}-ubyte");
            if packed {
                std::fs::write(folder.join(name + ".gz"), gzip(&bytes)).unwrap();
            } else {
                std::fs::write(folder.join(name), bytes).unwrap();
            }
        }
    }
}

fn of_path(path: &Path) -> DataConfig {
    DataConfig::of(path.to_str().unwrap())
}

#[test]
fn mnist_mini_is_whole_and_balanced() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let mut all = Sha256::new();
    let mut size = 0;
    for name in [
        "train-images-idx3",
        "train-labels-idx1",
        "t10k-images-idx3",
        "t10k-labels-idx1",
    ] {
        let bytes = std::fs::read(assets.join(format!("mnist-mini-{name}-ubyte.gz"))).unwrap();
        size += bytes.len();
        all.update(bytes);
    }
    assert!(size < 2_500_000, "{size}");
    let hash: String = all.finalize().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hash, MINI_SHA256);

    let config = DataConfig {
        validation: 0.0,
        ..DataConfig::default()
    };
    let data = load(&config, 0, &NoProgress).unwrap();
    assert_eq!(data.shape.dims(), [1, 28, 28]);
    assert_eq!((data.train.len(), data.test.len()), (10_000, 2_000));
    assert_eq!(data.classes.len(), 10);
    for (subset, each) in [(&data.train, 1000), (&data.test, 200)] {
        let mut counts = [0; 10];
        (0..subset.len()).for_each(|i| counts[subset.label(i) as usize] += 1);
        assert_eq!(counts, [each; 10]);
    }
    let range = data.range().unwrap();
    assert_eq!((range.min, range.max), (0.0, 1.0));
    assert_eq!(data.licence.as_deref(), Some("CC BY-SA 3.0"));
    assert!(data.scaler.is_none());
}

const MINI_SHA256: &str = "bf91129e0df70be97af7544a18626400191708fea943f0f929fcf92119e6adf7";

#[test]
fn validation_is_taken_from_the_training_examples() {
    let data = load(&DataConfig::default(), 1, &NoProgress).unwrap();
    let sizes = [data.train.len(), data.validation.len(), data.test.len()];
    assert_eq!(sizes, [9_000, 1_000, 2_000]);
    let again = load(&DataConfig::default(), 1, &NoProgress).unwrap();
    assert_eq!(data.train.indices(), again.train.indices());
    let other = load(&DataConfig::default(), 2, &NoProgress).unwrap();
    assert_ne!(data.train.indices(), other.train.indices());
}

#[test]
fn a_users_own_set_under_a_standard_name_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, packed) in [("a", false), ("b/mnist", true)] {
        let folder = dir.path().join(folder);
        write_set(&folder, 20, 8, packed);
    }
    let mut prints = Vec::new();
    for data_dir in ["a", "b"] {
        let config = DataConfig {
            data_dir: Some(dir.path().join(data_dir)),
            ..DataConfig::of("mnist")
        };
        let data = load(&config, 0, &NoProgress).unwrap();
        let sizes = [data.train.len(), data.validation.len(), data.test.len()];
        assert_eq!(
            (sizes, data.shape.to_string()),
            ([18, 2, 8], "1x2x3".to_owned())
        );
        prints.push(fingerprint(&config).unwrap());
    }
    assert_eq!(
        prints[0], prints[1],
        "compressed or not, the data is the same"
    );
}

#[test]
fn idx_paths_are_accepted() {
    let dir = tempfile::tempdir().unwrap();
    write_set(dir.path(), 20, 8, true);
    let data = load(&of_path(dir.path()), 0, &NoProgress).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (18, 8));
    assert_eq!(data.classes, ["0", "1", "2", "3"]);
    let one = dir.path().join("t10k-images-idx3-ubyte.gz");
    let data = load(&of_path(&one), 0, &NoProgress).unwrap();
    assert_eq!(
        (data.train.len(), data.test.len(), data.classes.len()),
        (6, 1, 4)
    );
    std::fs::remove_file(dir.path().join("t10k-labels-idx1-ubyte.gz")).unwrap();
    let data = load(&of_path(&one), 0, &NoProgress).unwrap();
    assert!(data.classes.is_empty());
}

#[test]
fn unreachable_mirrors_tell_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = DataConfig {
        data_dir: Some(dir.path().to_owned()),
        mirror: Some(format!("http://{closed}/nothing")),
        ..DataConfig::of("fashion-mnist")
    };
    // Where the system has the files, nothing is downloaded.
    if let Err(error) = load(&config, 0, &NoProgress) {
        let text = error.to_string();
        assert!(matches!(error, DataError::Download { .. }), "{text}");
        assert!(text.contains(&format!(
            "http://{closed}/nothing/train-images-idx3-ubyte.gz"
        )));
        assert!(text.contains("--data-dir"), "{text}");
    }
}

#[test]
fn a_path_that_is_no_dataset_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = |name: &str, bytes: &[u8]| {
        let path: PathBuf = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        load(&of_path(&path), 0, &NoProgress)
            .unwrap_err()
            .to_string()
    };
    let readers = "a .npy file, a .npz file, a CSV file, a TSV file, a Parquet file, an IDX file \
                   or images (a file or a folder)";
    assert!(error("notes.txt", b"hello").contains(readers));
    assert!(error("photo.png", b"x").contains("cannot be decoded"));
    assert!(error("short", &[0, 0, 8, 3]).contains("truncated"));
    assert!(error("broken.npy", b"x").contains("numpy.save"));
}

#[test]
fn fingerprints_tell_data_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    std::fs::write(&path, "a,b\n1,2\n3,4\n").unwrap();
    let config = of_path(&path);
    let first = fingerprint(&config).unwrap();
    assert_eq!(first.len(), 64);
    assert_eq!(first, fingerprint(&config).unwrap());
    // What is done with the data later does not matter; what is taken from it does.
    let scaled = DataConfig {
        scale: Scale::MinMax,
        validation: 0.3,
        ..config.clone()
    };
    assert_eq!(first, fingerprint(&scaled).unwrap());
    let labelled = DataConfig {
        label: Some("b".to_owned()),
        ..config.clone()
    };
    assert_ne!(first, fingerprint(&labelled).unwrap());
    let moved = dir.path().join("moved.csv");
    std::fs::copy(&path, &moved).unwrap();
    assert_eq!(first, fingerprint(&of_path(&moved)).unwrap());
    std::fs::write(&path, "a,b\n1,2\n3,5\n").unwrap();
    assert_ne!(first, fingerprint(&config).unwrap());

    let mini = fingerprint(&DataConfig::default()).unwrap();
    assert_eq!(
        mini,
        fingerprint(&DataConfig::of(builtin()[0].name)).unwrap()
    );
    assert!(fingerprint(&DataConfig::of("nothing")).is_err());
}

/// Runs are resumed on the data that they began with: what a fingerprint is made of must not
/// change. By Python's hashlib: SHA-256 over each text after its length in eight bytes, the lowest
/// first. The texts of a file are the SHA-256 of its content and, where its reader has a use for
/// some, the settings; an image has its name in front; no file of labels is the empty text.
#[test]
fn fingerprints_are_what_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let of = |path: &Path, label: Option<&str>| {
        let label = label.map(str::to_owned);
        let config = DataConfig {
            label,
            ..of_path(path)
        };
        fingerprint(&config).unwrap()
    };
    let table = write("t.csv", b"a,b\n1,2\n3,4\n");
    assert_eq!(
        of(&table, Some("b")),
        "ba4f955a6e7d6ec9faebd0565234511598db0230d5ec09959655d2c49c093b0e"
    );
    write("images/cat/1.png", b"one");
    write("images/dog/2.png", b"two");
    assert_eq!(
        of(&dir.path().join("images"), None),
        "b470b26d32ad835710996bab4440a037310bb16dcd24ca35f39f0e8360b5bd93"
    );
    let images = write("some-idx", &encode(&[2, 1, 1], &[5, 6]));
    assert_eq!(
        of(&images, None),
        "70f8fcb018cf17d950c6a162b743dc4f23d0d39542eb66ccde9476dcf396f462"
    );
    assert_eq!(
        of(&write("x.npy", b"x"), None),
        "2de843422a0c01a48d247fae4071e0090e0db352a8cbb66abe7d943ebb28411f"
    );
}
