//! Trained models in use: every command on every variant, and what it writes.

mod common;

use common::{Place, assert_says};
use vae_variants::Variant;

/// Small networks on a few images.
const IMAGES: &str =
    "--hidden 16 --latent 2 --limit 200 --epochs 1 --batch-size 50 --threads 1 --seed 5 --quiet";

/// Columns that move together, one of which is a category; two rows that stand out; the last column says which.
fn table() -> String {
    let mut text = "a,b,kind,c,odd\n".to_owned();
    for i in 0..300_u32 {
        let (x, y) = (
            f64::from(i * 37 % 100) / 50.0 - 1.0,
            f64::from(i * i % 17) / 8.0 - 1.0,
        );
        let odd = i % 150 == 7;
        let b = if odd { -40.0 } else { 2.0 * x + 0.1 * y };
        let kind = ["red", "green", "blue"][(i % 3) as usize];
        text += &format!("{x:.3},{b:.3},{kind},{:.3},{}\n", x * y, i32::from(odd));
    }
    text
}

fn lines(place: &Place, name: &str) -> Vec<String> {
    let text = String::from_utf8(place.bytes(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Each works, or refuses with a reason that names the variant or what to do.
#[test]
fn every_command_on_every_variant() {
    let place = Place::new();
    let deterministic = ["ae", "dae", "sparse", "contractive"];
    for variant in Variant::all() {
        let name = variant.info().name;
        place.run(&format!("--variant {name} {IMAGES} --out {name}"));
        let is_point = deterministic.contains(&name);
        let has_codebook = name == "vq";
        for (args, refusal) in [
            ("info RUN", None),
            ("reconstruct RUN --first 20 --out RUN/r.csv", None),
            ("reconstruct RUN --first 20", None),
            (
                "encode RUN --first 20 --values mean,sample --out RUN/codes.csv",
                None,
            ),
            ("decode RUN RUN/codes.csv --out RUN/decoded.npy", None),
            ("sample RUN --count 4", is_point.then_some("--sampler gmm")),
            (
                "sample RUN --count 4 --sampler gmm --first 100",
                has_codebook.then_some("codebook"),
            ),
            (
                "sample RUN --augment 2 --first 5 --out RUN/more",
                (is_point || has_codebook).then_some("no distribution"),
            ),
            ("score RUN --first 30", None),
            (
                "score RUN --measure nll --first 30",
                (is_point || has_codebook).then_some("likelihood of data"),
            ),
            ("score RUN --measure elbo --first 30", None),
            ("score RUN --measure neighbours --first 30", None),
            ("interpolate RUN 0 1 --out RUN/way.gif", None),
            ("traverse RUN --steps 3 --rows 2", None),
            ("denoise RUN --noise gaussian:0.3 --first 20", None),
            (
                "complete RUN --hide lower --first 5 --steps 8 --out RUN/completed.npy",
                None,
            ),
            (
                "complete RUN --hide lower --first 5 --steps 8 --method metropolis --out RUN/again.npy",
                (is_point || has_codebook || name == "hvae").then_some("metropolis"),
            ),
            (
                "features RUN --first 100",
                (name == "cvae").then_some("class"),
            ),
            ("search RUN --build --out RUN/near.csv 0 1", None),
            ("map RUN --first 60 --method pca", None),
            (
                "features RUN --first 60 --k 3",
                (name == "cvae").then_some("is told the class"),
            ),
            ("search RUN --build --first 100", None),
            ("search RUN 0 1 --k 3 --out RUN/near.csv", None),
            ("map RUN --first 60 --out RUN/map.csv", None),
            ("map RUN --first 60 --method pca --color score", None),
            ("map RUN --first 60 --method pca --color error", None),
            (
                "map RUN --decoded --side 3",
                match name {
                    "vq" => Some("codebook"),
                    "cvae" | "semi" => Some("--class"),
                    _ => None,
                },
            ),
        ] {
            let args = args.replace("RUN", name);
            match refusal {
                None => drop(place.run(&args)),
                Some(reason) => assert_says(&place.fail(&args), &[reason]),
            }
        }
        assert_eq!(lines(&place, &format!("{name}/codes.csv")).len(), 21);
        assert_eq!(lines(&place, &format!("{name}/scores.csv")).len(), 31);
        assert_eq!(lines(&place, &format!("{name}/near.csv")).len(), 7);
        assert_eq!(lines(&place, &format!("{name}/map.csv")).len(), 61);
    }
}

/// What is read back is what was written, and the codes lead to the reconstructions.
#[test]
fn codes_there_and_back() {
    let place = Place::new();
    place.run(&format!("--variant vae {IMAGES} --out run"));
    for form in ["csv", "parquet", "npy"] {
        place.run(&format!("encode run --first 40 --out codes.{form}"));
        place.run(&format!("decode run codes.{form} --out decoded-{form}.npy"));
    }
    place.run("reconstruct run --first 40 --out reconstructed.npy");
    let expected = place.bytes("reconstructed.npy");
    for form in ["csv", "parquet", "npy"] {
        assert!(
            place.bytes(&format!("decoded-{form}.npy")) == expected,
            "{form}"
        );
    }
    let message = place.fail("decode run reconstructed.npy");
    assert_says(&message, &["reconstructed.npy", "2 numbers"]);
    assert_says(
        &place.fail("encode run --out codes.png"),
        &["codes.png", ".csv, .parquet, .npy"],
    );
    assert_says(
        &place.fail("encode run --values levels"),
        &["levels", "log-variance"],
    );
}

/// No tuning and no labels: the rows that stand out come first, and the column that is odd in them.
#[test]
fn anomalies_of_a_table() {
    let place = Place::new();
    place.write("t.csv", table());
    place.run("--preset anomaly --dataset t.csv --label odd --threads 1 --out run --quiet");
    let output = place.run("score run --dataset t.csv --out scores.csv");
    assert_says(
        &String::from_utf8_lossy(&output.stderr),
        &["AUROC 1.0000", "are called anomalies"],
    );
    let rows = lines(&place, "scores.csv");
    assert_eq!(rows[0], "id,score,anomaly,a,b,kind,c");
    assert_eq!(rows.len(), 301);
    for row in &rows[1..3] {
        let cells: Vec<&str> = row.split(',').collect();
        assert!(["7", "157"].contains(&cells[0]), "{row}");
        assert_eq!(cells[2], "1", "{row}");
        let parts: Vec<f32> = cells[3..]
            .iter()
            .map(|cell| cell.parse().unwrap())
            .collect();
        assert!(parts[1] > 0.5, "{row}");
        assert!((parts.iter().sum::<f32>() - 1.0).abs() < 1e-3, "{row}");
    }
    for picture in ["scores-roc.png", "scores-distribution.png"] {
        assert!(place.join(picture).exists(), "{picture}");
    }
    // New data without the label, in another order of columns, from another kind of file.
    place.write(
        "new.csv",
        "kind,c,b,a
red,0,1,0.5
blue,0,-40,0.5
",
    );
    place.run("score run --dataset new.csv --unsorted --out new-scores.csv --quiet");
    let rows = lines(&place, "new-scores.csv");
    assert!(
        rows[1].split(',').nth(2) == Some("0") && rows[2].split(',').nth(2) == Some("1"),
        "{rows:?}"
    );
    place.write("one.csv", "kind,c,b,a\nred,0,1,0.5\n");
    place.run("score run --dataset one.csv --out one-score.csv --quiet");
    assert_eq!(lines(&place, "one-score.csv").len(), 2);
    place.write("less.csv", "kind,c,a\nred,0,0.5\n");
    assert_says(
        &place.fail("score run --dataset less.csv"),
        &["`b`", "none of that name"],
    );
}

/// Variations keep their labels, in a layout that training reads.
#[test]
fn augmented_data_are_read_again() {
    let place = Place::new();
    place.run(&format!("--variant vae {IMAGES} --out run"));
    place.run("sample run --augment 3 --first 20 --out more --quiet");
    let output = place.run("--dataset more --epochs 1 --hidden 8 --batch-size 10 --out again");
    assert_says(
        &String::from_utf8_lossy(&output.stderr),
        &["training", "1x28x28"],
    );
    assert_says(
        &place.fail("sample run --augment 3 --out more"),
        &["more", "new or empty"],
    );
    place.write("t.csv", table());
    place.run("--dataset t.csv --label kind --epochs 1 --hidden 8 --out table --quiet");
    place.run("sample table --augment 2 --out more.csv --quiet");
    let rows = lines(&place, "more.csv");
    assert_eq!(rows[0], "a,b,c,odd,kind");
    assert!(
        rows[1..]
            .iter()
            .all(|row| row.ends_with("red") || row.ends_with("green") || row.ends_with("blue"))
    );
}

#[test]
fn bad_input_of_a_used_model() {
    let place = Place::new();
    place.run(&format!("--variant vae {IMAGES} --out run"));
    for i in 0..3_u8 {
        let path = place.write(&format!("large/{i}.png"), "");
        image::GrayImage::from_pixel(30, 20, image::Luma([40 * i]))
            .save(path)
            .unwrap();
    }
    assert_says(
        &place.fail("encode run --dataset large"),
        &["1x20x30", "1x28x28", "--resize"],
    );
    place.run("reconstruct run --dataset large --resize --out large.csv --quiet");
    let rows = lines(&place, "large.csv");
    assert!(
        rows[1].starts_with("0.png,") || rows[1].contains(".png"),
        "{rows:?}"
    );
    place.run("encode run --dataset large/1.png --resize --out one.csv --quiet");
    assert_eq!(lines(&place, "one.csv").len(), 2);
    for (args, parts) in [
        (
            "sample run --count 1000000 --out many.png",
            &["many.png", "1000000 images", "fewer", ".npy"][..],
        ),
        (
            "encode nowhere",
            &["nowhere is not the folder of a run"][..],
        ),
        (
            "sample run --temperature=-1",
            &["temperature", "from 0 to 10"],
        ),
        ("reconstruct run --out r.gif", &["r.gif", ".png"]),
        ("reconstruct run --corrupted", &["--corrupted", "vae"]),
        (
            "score run --normal 17",
            &["--normal 17", "the classes are 0, 1"],
        ),
        (
            "encode run --dataset mnist-mini --split test --id x",
            &["--id x"],
        ),
        ("score run --dataset absent.csv", &["absent.csv"]),
        ("decode run nothing.npy", &["nothing.npy"]),
    ] {
        assert_says(&place.fail(args), parts);
    }
    // A later version of the model.
    let model = String::from_utf8(place.bytes("run/model.json")).unwrap();
    place.write(
        "run/model.json",
        model.replacen("\"format\": 2", "\"format\": 99", 1),
    );
    assert_says(&place.fail("encode run"), &["99"]);
}

/// A full disk in the middle, by the device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let place = Place::new();
    place.run(&format!("--variant vae {IMAGES} --out run"));
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut command = place.command("encode run --split train --out -");
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_says(&message, &["cannot write -", "No space left"]);
}

/// In the middle of work that would take minutes: once nothing but the signal is waited for.
#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_half_written() {
    use std::io::{BufRead, BufReader, Read};

    let place = Place::new();
    place.run(&format!("--variant vae {IMAGES} --out run"));
    place.write("kept.csv", "as it was");
    let works = [
        "sample run --count 4000000 --out kept.csv",
        "sample run --count 4000000 --out -",
        "decode run many.npy --draw sample --out kept.csv",
        "map run --split all --method tsne --out new.parquet",
    ];
    // 1,000,000 codes of two numbers.
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 2), }";
    let mut codes = b"\x93NUMPY\x01\0\x76\0".to_vec();
    codes.extend(format!("{header:<117}\n").bytes());
    codes.resize(codes.len() + 8_000_000, 0);
    place.write("many.npy", codes);
    let before = files(&place);
    for work in works {
        let mut command = place.command(work);
        let mut child = command
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let began = ["drawing", "decoding", "t-SNE"];
        let line = said.find(|line| {
            began
                .iter()
                .any(|word| line.as_ref().unwrap().contains(word))
        });
        assert!(line.is_some(), "{work}");
        let mut kill = std::process::Command::new("kill");
        let sent = kill.args(["-INT", &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        assert_says(&said.next().unwrap().unwrap(), &["stopping"]);
        // What waits for a reader goes on.
        let mut written = Vec::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut written)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{work}");
        assert_eq!(files(&place), before, "{work}");
        assert_eq!(place.bytes("kept.csv"), b"as it was");
    }
}

/// The names of all files in the folder, in order.
fn files(place: &Place) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(place.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}
