//! `vae complete`: what is given stays, what is missing is filled, and what cannot be is refused.

mod common;

use std::path::Path;

use common::{Place, SMALL, assert_same_bytes, assert_says};
use image::{GrayImage, Luma};

/// Writes a mask, white in the rows from `first` on.
fn write_mask(path: &Path, (width, height): (u32, u32), first: u32) {
    let level = |_, row: u32| Luma([if row >= first { 255 } else { 0 }]);
    GrayImage::from_fn(width, height, level).save(path).unwrap();
}

fn cells(place: &Place, name: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(place.bytes(name)).unwrap();
    let lines = text.lines();
    let cells = lines.map(|line| line.split(',').map(str::to_owned).collect());
    cells.collect()
}

fn is_gap(cell: &str) -> bool {
    cell.is_empty() || cell == "NA"
}

/// The numbers of an array of NumPy, and its header.
fn numbers(bytes: &[u8]) -> (String, Vec<f32>) {
    let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let numbers = bytes[length..].chunks_exact(4);
    let numbers = numbers.map(|of| f32::from_le_bytes(of.try_into().unwrap()));
    (
        String::from_utf8_lossy(&bytes[10..length]).into_owned(),
        numbers.collect(),
    )
}

#[test]
fn the_empty_cells_of_a_table_are_filled() {
    let place = Place::new();
    place.write_tables();
    place.run("--dataset mixed.csv --out run --epochs 3 --threads 1 --hidden 16");
    let output = place.run("complete run --dataset mixed.csv --out filled.csv --steps 50");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_says(&said, &["270 values", "importance", "filled.csv"]);
    let (given, filled) = (cells(&place, "mixed.csv"), cells(&place, "filled.csv"));
    assert_eq!(given[0], filled[0]);
    assert_eq!(given.len(), filled.len());
    let mut gaps = 0;
    for (given, filled) in given.iter().zip(&filled).skip(1) {
        for (column, (given, filled)) in given.iter().zip(filled).enumerate() {
            if is_gap(given) {
                gaps += 1;
                match column {
                    1 => assert!(["red", "green", "blue"].contains(&filled.as_str())),
                    _ => assert!(filled.parse::<f32>().unwrap().is_finite(), "{filled}"),
                }
            } else if let Ok(number) = given.parse::<f32>() {
                assert_eq!(number.to_bits(), filled.parse::<f32>().unwrap().to_bits());
            } else {
                assert_eq!(given, filled);
            }
        }
    }
    assert_eq!(gaps, 120 + 150);

    // Several completions, with names first; columns of another order, and one that the model does not know.
    let mut other = "name,more,new,color,day,size\n".to_owned();
    for (row, cells) in given.iter().enumerate().skip(1).take(40) {
        let (size, color, more, day) = (&cells[0], &cells[1], &cells[2], &cells[3]);
        other += &format!("row{row},{more},7,{color},{day},{size}\n");
    }
    place.write("other.csv", other);
    let draws = "complete run --dataset other.csv --id name --samples 3 --steps 50 --out";
    for out in ["draws.csv", "again.csv"] {
        place.run(&format!("{draws} {out}"));
    }
    assert_same_bytes(&place, "draws.csv", "again.csv");
    let drawn = cells(&place, "draws.csv");
    let names = ["name", "completion", "more", "new", "color", "day", "size"];
    assert_eq!(drawn[0], names);
    assert_eq!(drawn.len(), 1 + 3 * 40);
    assert_eq!((&*drawn[1][0], &*drawn[1][1]), ("row1", "1"));
    assert_eq!((&*drawn[5][0], &*drawn[5][1]), ("row2", "2"));
    // The first row lacks `more`.
    let more: Vec<&str> = (1..4).map(|row| &*drawn[row][2]).collect();
    assert!(more[0] != more[1] && more[1] != more[2], "{more:?}");
    place.run(&format!("{draws} draws.parquet"));
    let report = place.run("datasets draws.parquet");
    assert_says(&String::from_utf8_lossy(&report.stdout), &names);

    let error = place.fail("complete run --dataset filled.csv --out x.csv");
    assert_says(&error, &["nothing is missing in filled.csv", "NaN"]);
    let error = place.fail("complete run --dataset mixed.csv --hide lower");
    assert_says(&error, &["--hide", "for images", "empty"]);
    let error = place.fail("complete run --dataset mixed.csv --out x.png");
    assert_says(&error, &["x.png", ".csv", ".parquet"]);
    let error = place.fail("complete run --dataset mixed.csv --out x.npy");
    assert_says(&error, &["color", ".csv"]);
    assert!(!place.join("x.csv").exists() && !place.join("x.npy").exists());
}

/// A model that saw no gaps takes them to complete, and numbers become an array.
#[test]
fn a_model_that_saw_no_gaps_fills_them() {
    let place = Place::new();
    let (mut whole, mut gaps) = ("a,b\n".to_owned(), "b,a\n".to_owned());
    for i in 0..400_u32 {
        let a = f64::from(i * i % 97) / 10.0;
        let b = 3.0 * a + f64::from(i % 3);
        whole += &format!("{a},{b}\n");
        gaps += &match i % 2 {
            0 => format!("{b},\n"),
            _ => format!(",{a}\n"),
        };
    }
    place.write("whole.csv", whole);
    place.write("gaps.csv", gaps);
    place.run("--dataset whole.csv --variant ae --out ae --epochs 2 --threads 1 --hidden 16");
    place.run("--dataset whole.csv --out run --epochs 60 --threads 1 --hidden 16 --batch-size 40");
    for run in ["run", "ae"] {
        place.run(&format!(
            "complete {run} --dataset gaps.csv --out {run}.npy"
        ));
        let (header, found) = numbers(&place.bytes(&format!("{run}.npy")));
        assert!(header.contains("(400, 2, )"), "{header}");
        assert!(found.iter().all(|value| value.is_finite()));
        assert_eq!(found[3], 0.1);
    }
    let error = place.fail("complete ae --dataset gaps.csv --method metropolis");
    assert_says(&error, &["metropolis", "ae", "vae, beta", "gibbs"]);
    let error = place.fail("complete ae --dataset gaps.csv --samples 2");
    assert_says(&error, &["ae", "--draw mean"]);
    let error = place.fail("complete run --dataset gaps.csv --method importance");
    assert_says(&error, &["importance", "per-column"]);
}

#[test]
fn a_part_of_images_is_completed() {
    let place = Place::new();
    place.run(&format!("--out run {SMALL}"));
    place.run("complete run --hide lower --steps 4");
    assert!(place.join("run/complete.png").exists());
    place.run("complete run --hide lower --steps 4 --first 20 --out lower.npy");
    write_mask(&place.join("mask.png"), (28, 28), 14);
    place.run("complete run --mask mask.png --steps 4 --first 20 --out mask.npy");
    assert_same_bytes(&place, "lower.npy", "mask.npy");
    place.run("complete run --hide upper --steps 4 --first 20 --out upper.npy");
    let [(header, lower), (_, upper)] =
        ["lower.npy", "upper.npy"].map(|name| numbers(&place.bytes(name)));
    assert!(header.contains("(20, 1, 28, 28, )"), "{header}");
    // What is given is an eight-bit pixel, to the last bit.
    for (image, other) in lower.chunks(784).zip(upper.chunks(784)) {
        let given = image[..392].iter().chain(&other[392..]);
        for value in given {
            let level = (value * 255.0).round();
            assert_eq!(value.to_bits(), (level / 255.0).to_bits());
        }
        assert!(image[392..].iter().all(|value| (0.0..=1.0).contains(value)));
    }

    place.run("complete run --hide 4,8,20x10 --samples 2 --steps 4 --first 3 --out images");
    let mut names: Vec<_> = std::fs::read_dir(place.join("images")).unwrap().collect();
    assert_eq!(names.len(), 6);
    let file = names.pop().unwrap().unwrap().path();
    assert_eq!(
        image::open(&file).unwrap().to_luma8().dimensions(),
        (28, 28)
    );
    // A folder of images has names of its own, and needs no array in memory.
    place.run("complete run --dataset images --hide left --steps 2 --out again");
    for name in std::fs::read_dir(place.join("images")).unwrap() {
        assert!(place.join("again").join(name.unwrap().file_name()).exists());
    }
    let picture = "complete run --hide left --samples 3 --method gibbs --steps 4 --out several.png";
    place.run(picture);

    write_mask(&place.join("large.png"), (32, 28), 14);
    write_mask(&place.join("white.png"), (28, 28), 0);
    write_mask(&place.join("black.png"), (28, 28), 28);
    for (args, parts) in [
        ("--mask large.png", &["32x28", "28x28"][..]),
        (
            "--mask white.png",
            &["white.png hides everything", "vae sample"],
        ),
        ("--mask black.png", &["black.png hides nothing"]),
        ("--mask none.png", &["none.png"]),
        ("--hide 0,0,28x28", &["hides everything", "vae sample"]),
        ("--hide 20,0,10x2", &["20,0,10x2", "28x28"]),
        ("--hide middle", &["middle", "X,Y,WxH"]),
        ("--hide left --mask mask.png", &["cannot be used with"]),
        ("", &["--hide lower", "--mask"]),
        ("--hide left --out images", &["images", "new or empty"]),
        ("--hide left --out x.csv", &["x.csv", ".png", ".npy"]),
        (
            "--hide left --method importance",
            &["importance", "per-column"],
        ),
        ("--hide left --steps 0", &["--steps"]),
    ] {
        assert_says(&place.fail(&format!("complete run {args}")), parts);
    }
    assert!(!place.join("x.csv").exists());
}
