//! Bad input: a message that names what is wrong and what to do, a failure code, nothing lost.

mod common;

use common::{Place, SMALL, assert_says};

/// A folder of two classes of tiny PNG images.
fn images(place: &Place, count: u8) {
    for i in 0..count {
        let class = ["cat", "dog"][usize::from(i % 2)];
        let path = place.write(&format!("images/{class}/{i}.png"), "");
        image::GrayImage::from_fn(8, 8, |x, y| {
            image::Luma([(x * 30 + y + u32::from(i)) as u8])
        })
        .save(path)
        .unwrap();
    }
}

fn nothing_was_made(place: &Place) {
    assert!(!place.join("run").exists(), "a run folder was made");
    assert!(!place.join("runs").exists(), "a run folder was made");
}

#[test]
fn settings_that_do_not_fit() {
    let place = Place::new();
    for (args, parts) in [
        ("--variant bta", &["bta", "beta"][..]),
        (
            "--variant beta --beta -1",
            &["variant.beta", "-1", "at least 0", "--beta"],
        ),
        (
            "--latent 0",
            &["model.latent", "0", "at least 1", "--latent"],
        ),
        ("--dropout 1", &["model.dropout", "below 1"]),
        (
            "--latent 5000000000",
            &[
                "model.latent",
                "5000000000",
                "at most 4294967296",
                "--latent",
            ],
        ),
        (
            "--hidden 100000000",
            &[
                "too large",
                "2429 GiB",
                "encoder.blocks.0.dense.weight",
                "model.hidden",
            ],
        ),
        (
            "--variant semi --latent 1000000000",
            &[
                "too large",
                "GiB of memory",
                "parts.networks.encoder.head.weight",
            ],
        ),
        (
            "--variant vaegan --arch conv --channels 1000000,1000000",
            &["too large", "encoder.convs.1.weight", "model.channels"],
        ),
        (
            "--variant vq --codes 100000000",
            &["variant.codes", "100000000", "at most 2097152", "--codes"],
        ),
        (
            "--variant vq --set model.prior=\"mixture\"",
            &["model.prior", "mixture", "left out with vq"],
        ),
        (
            "--variant vq --nll-samples 5",
            &["train.nll_samples", "left out with vq", "no likelihood"],
        ),
        ("--dataset no-such-set", &["no-such-set", "mnist-mini"]),
        ("--limit 600 --batch-size 5000", &["5000", "600"]),
        (
            "--variant sparse --sparsity top-k --k 50 --latent 10",
            &["variant.k", "50", "10", "flag --k"],
        ),
        (
            "--arch conv --channels 8,8,8,8,8,8",
            &["model.channels", "28x28", "at most 4"],
        ),
        ("--lr=-0.1", &["train.lr", "-0.1"]),
        (
            "--variant semi --labels 5",
            &["`labels` is `5`", "at least 10", "one for each class"],
        ),
        (
            "--variant semi --labels 9000",
            &["`labels` is `9000`", "of class", "there are only"],
        ),
        (
            "--variant semi --labelled-share 1",
            &["variant.labelled_share", "below 1", "--labelled-share"],
        ),
        (
            "--prior vampp",
            &["--prior", "vampp", "mixture, vamp, flow"],
        ),
        (
            "--posterior point",
            &["--posterior", "point", "gaussian, flow"],
        ),
        (
            "--variant ae --prior vamp",
            &[
                "model.prior",
                "vamp",
                "with ae",
                "vae, beta, cvae",
                "--prior",
            ],
        ),
        (
            "--variant dae --posterior flow",
            &["model.posterior", "flow", "with dae", "iwae"],
        ),
        (
            "--prior mixture --prior-components 0",
            &["model.prior_components", "0", "at least 1"],
        ),
        (
            "--posterior flow --flow-steps 0",
            &["model.flow_steps", "at least 1"],
        ),
        (
            "--posterior flow --prior vamp",
            &["model.prior", "vamp", "model.posterior = \"flow\""],
        ),
        (
            "--prior mixture --free-bits 0.1",
            &["objective.free_bits", "0.1", "model.prior = \"normal\""],
        ),
        (
            "--posterior flow --aggressive 20",
            &["objective.aggressive", "20", "mutual information"],
        ),
        (
            "--variant iwae --posterior flow --gradient doubly-reparameterized",
            &["variant.gradient", "standard", "model.posterior = \"flow\""],
        ),
        ("--codes-of nowhere", &["codes_of", "nowhere", "model.json"]),
        ("--epochs 0", &["train.epochs", "at least 1"]),
        (
            "--validation 0 --patience 2",
            &["train.patience", "validation split", "flag --patience"],
        ),
    ] {
        assert_says(&place.fail(args), parts);
        nothing_was_made(&place);
    }
}

#[test]
fn a_backend_that_is_not_in_this_build() {
    let place = Place::new();
    for backend in ["cuda", "wgpu", "tch"] {
        let output = place.run("backends --format json");
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let entry = list
            .as_array()
            .unwrap()
            .iter()
            .find(|b| b["name"] == backend)
            .unwrap();
        if entry["available"] == false {
            let message = place.fail(&format!("--backend {backend} {SMALL}"));
            assert_says(&message, &[backend, "flex", "--features"]);
            nothing_was_made(&place);
        }
    }
}

#[test]
fn images_that_are_missing_or_broken() {
    let place = Place::new();
    std::fs::create_dir(place.join("empty")).unwrap();
    assert_says(&place.fail("--dataset empty --out run"), &["empty"]);

    images(&place, 40);
    place.write("images/cat/broken.png", "this is no picture");
    let message = place.fail("--dataset images --out run --batch-size 8");
    assert_says(&message, &["broken.png", "--skip-bad"]);
    nothing_was_made(&place);
    place.run("--dataset images --skip-bad --out run --batch-size 8 --epochs 1 --variant cvae");
    assert!(place.join("run/samples.png").exists());
}

#[test]
fn a_truncated_idx_file() {
    let place = Place::new();
    // A header that promises 100 images of 4x4 and holds 3.
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 100, 0, 0, 0, 4, 0, 0, 0, 4];
    bytes.extend([7; 48]);
    place.write("short-images-idx3-ubyte", bytes);
    let message = place.fail("--dataset short-images-idx3-ubyte --out run");
    assert_says(&message, &["short-images-idx3-ubyte", "1616", "64"]);
    nothing_was_made(&place);
}

#[test]
fn a_table_with_holes() {
    let place = Place::new();
    place.write("one.csv", "a,b\n1,2\n");
    let message = place.fail("--dataset one.csv --out run --batch-size 1");
    assert_says(&message, &["one.csv", "no second row"]);
    place.write("t.csv", "a,b\n1,2\n3,inf\n5,6\n");
    let message = place.fail("--dataset t.csv --out run");
    assert_says(&message, &["t.csv", "line 3", "b", "inf"]);
    place.write("t.csv", "a,gone\n1,NA\n3,\n5,null\n");
    let message = place.fail("--dataset t.csv --out run");
    assert_says(&message, &["t.csv", "gone", "missing", "--drop"]);

    place.write("u.csv", "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n");
    assert_says(
        &place.fail("--dataset u.csv --label knd --out run"),
        &["knd", "kind"],
    );
    nothing_was_made(&place);
}

/// Columns of categories, counts that are none, levels that nobody has seen.
#[test]
fn a_table_of_mixed_columns() {
    let place = Place::new();
    let small = "--epochs 1 --batch-size 8 --hidden 8 --latent 2 --quiet";
    let colors = ["red", "green", "blue"];
    let row = |i: usize| format!("{i},{},{}.5,n{i}\n", colors[i % 3], i * 2);
    let rows: String = (0..60).map(row).collect();
    place.write("t.csv", format!("size,color,weight,id\n{rows}"));
    let says = |args: &str, parts: &[&str]| {
        let message = place.fail(&format!("--dataset t.csv {small} {args} --out run"));
        assert_says(&message, parts);
        nothing_was_made(&place);
    };
    says("", &["id", "every row", "--drop", "--label"]);
    let gaussian = ["model.likelihood", "gaussian", "color", "--drop"];
    says("--drop id --likelihood gaussian", &gaussian);
    says("--drop idd", &["idd", "id"]);
    says("--drop id,color --label color", &["color", "drop", "label"]);
    says(
        "--categorical color --label color --drop id",
        &["color", "categorical", "label"],
    );
    let counts = ["poisson", "whole numbers from 0", "weight", "0.5"];
    says("--drop id,color --likelihood poisson", &counts);
    says(
        "--drop id --binarize threshold",
        &["binarize", "categories"],
    );
    says("--drop id --variant vaegan", &["vaegan", "--variant"]);
    let days: String = (1..61)
        .map(|i| format!("{i},2024-01-{:02}\n", 1 + i % 30))
        .collect();
    place.write("days.csv", format!("size,day\n{days}"));
    let dates = ["model.likelihood", "gaussian", "`day` holds dates"];
    says("--dataset days.csv --likelihood gaussian", &dates);

    // One level is seen once, and not in the training.
    let rare = rows
        .replacen("green", "mauve", 1)
        .replacen("n1\n", "n2\n", 1);
    place.write("t.csv", format!("size,color,weight,id\n{rare}"));
    let seeds = (1..40).map(|seed| format!("--drop id --seed {seed}"));
    let outcomes = seeds.map(|seed| {
        let out = place
            .command(&format!("--dataset t.csv {small} {seed} --out s"))
            .output()
            .unwrap();
        let _ = std::fs::remove_dir_all(place.join("s"));
        (seed, out)
    });
    let (seed, refused) = outcomes
        .into_iter()
        .find(|(_, out)| !out.status.success())
        .unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_says(&message, &["mauve", "color", "--unseen"]);
    place.run(&format!(
        "--dataset t.csv {small} {seed} --unseen other --out run"
    ));
}

#[test]
fn data_that_the_likelihood_cannot_hold() {
    let place = Place::new();
    let rows: String = (0..50).map(|i| format!("{i},{}\n", i * 5)).collect();
    place.write("t.csv", format!("a,b\n{rows}"));
    let message =
        place.fail("--dataset t.csv --scale none --likelihood bernoulli --batch-size 8 --out run");
    assert_says(
        &message,
        &[
            "bernoulli",
            "245",
            "--scale min-max",
            "--likelihood gaussian",
        ],
    );
    nothing_was_made(&place);
    place.run(
        "--dataset t.csv --scale min-max --likelihood bernoulli --batch-size 8 --epochs 1 \
         --hidden 8 --latent 1 --out run",
    );
}

#[test]
fn a_conditional_model_without_conditions() {
    let place = Place::new();
    let rows: String = (0..50).map(|i| format!("{i},{}\n", i * 5)).collect();
    place.write("t.csv", format!("a,b\n{rows}"));
    let message = place.fail("--dataset t.csv --variant cvae --batch-size 8 --out run");
    assert_says(&message, &["cvae", "--label", "--condition"]);
    nothing_was_made(&place);
}

#[test]
fn a_class_that_does_not_exist() {
    let place = Place::new();
    place.run(&format!("--variant cvae --out run {SMALL}"));
    for class in ["10", "-1", "seven"] {
        let message = place.fail(&format!("sample run --class={class}"));
        assert_says(&message, &[class, "0 to 9"]);
    }
    place.run(&format!("--variant vae --out plain {SMALL}"));
    assert_says(&place.fail("sample plain --class 1"), &["--class", "vae"]);
    place.run(&format!("--variant ae --out ae {SMALL}"));
    assert_says(&place.fail("sample ae"), &["ae", "no prior"]);
    assert!(!place.join("samples.png").exists());
}

/// A description from elsewhere, or of a later version, and a picture that nothing can write.
#[test]
fn a_model_or_a_file_that_sample_cannot_use() {
    let place = Place::new();
    place.run(&format!("--hidden 16 --out run {SMALL}"));
    for out in ["samples.xyz", "samples", "samples.jpg"] {
        let message = place.fail(&format!("sample run --out {out}"));
        assert_says(&message, &[out, ".png", ".csv", ".npy"]);
        assert!(!place.join(out).exists());
    }
    let json = String::from_utf8(place.bytes("run/model.json")).unwrap();
    for (from, to, parts) in [
        (
            "\"format\": 2",
            "\"format\": 3",
            &["model.json", "has format 3", "up to 2"][..],
        ),
        (
            "\"latent\": 4",
            "\"latent\": 2000000000",
            &["too large", "GiB", "encoder.head.weight"],
        ),
        (
            "\"format\": 2",
            "\"format\": \"two\"",
            &["model.json", "two", "line 2"],
        ),
    ] {
        assert!(json.contains(from), "{json}");
        place.write("run/model.json", json.replace(from, to));
        assert_says(&place.fail("sample run"), parts);
    }
}

#[test]
fn a_folder_that_cannot_be_written() {
    let place = Place::new();
    place.write("file", "in the way");
    let message = place.fail(&format!("--out file/run {SMALL}"));
    assert_says(&message, &["file/run"]);
    assert_eq!(place.bytes("file"), b"in the way");
}

/// A limit on the size of files stands in for a full disk: writes fail in the same place and way.
#[cfg(unix)]
#[test]
fn a_full_disk() {
    let place = Place::new();
    // Enough for the settings, not for a checkpoint: 64 blocks of 512 or 1,024 bytes.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {} --out run --hidden 512 --limit 600 --epochs 1",
        env!("CARGO_BIN_EXE_vae")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(place.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    assert_says(&message, &["checkpoints", ".ckpt"]);
    // Nothing half-written is left, and the run goes on once there is room.
    let left: Vec<_> = std::fs::read_dir(place.join("run/checkpoints"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
    place.run("--resume run --quiet");
    assert!(place.join("run/summary.json").exists());
}

#[test]
fn checkpoints_that_cannot_be_used() {
    let place = Place::new();
    place.run(&format!("--out a {SMALL}"));
    place.run(&format!("--variant ae --out b {SMALL}"));
    std::fs::remove_file(place.join("a/summary.json")).unwrap();
    let good = place.bytes("a/checkpoints/last.ckpt");

    place.write("a/checkpoints/last.ckpt", &good[..good.len() / 3]);
    assert_says(
        &place.fail("--resume a"),
        &["last.ckpt", "not a whole checkpoint"],
    );

    place.write(
        "a/checkpoints/last.ckpt",
        place.bytes("b/checkpoints/last.ckpt"),
    );
    assert_says(
        &place.fail("--resume a"),
        &["last.ckpt", "another model", "ae", "vae"],
    );

    place.write("a/checkpoints/last.ckpt", good);
    place.run("--resume a --quiet");
    assert_says(
        &place.fail("--resume no-such-run"),
        &["no-such-run", "not a run folder"],
    );
}

#[test]
fn configurations_that_cannot_be_read() {
    let place = Place::new();
    place.write("typo.toml", "[train]\nbatchsize = 5\n");
    let message = place.fail("--config typo.toml");
    assert_says(&message, &["batchsize", "train.batch_size", "typo.toml"]);
    place.write("latin.toml", b"# caf\xe9\nseed = 1\n");
    assert_says(&place.fail("--config latin.toml"), &["latin.toml", "UTF-8"]);
    assert_says(&place.fail("--config missing.toml"), &["missing.toml"]);
    nothing_was_made(&place);
}
