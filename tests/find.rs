//! `vae features`, `vae search` and `vae map` from outside.

mod common;

use common::{Place, SMALL, assert_same_bytes, assert_says};
use serde_json::Value;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn features_are_probed_and_written() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out run --quiet"));
    let shown = text(place.run("features run --first 400 --quiet").stdout);
    assert_says(
        &shown,
        &[
            "codes",
            "principal components",
            "data",
            "784",
            "10 nearest",
            "tested on",
        ],
    );
    let json = place.run("features run --first 400 --k 3 --format json --out codes.csv --quiet");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["k"], &json["train"]),
        (&Value::from(3), &Value::from(400))
    );
    assert_eq!(json["inputs"].as_array().unwrap().len(), 3);
    let codes = &json["inputs"][0];
    assert_eq!(
        (&codes["inputs"], &codes["width"]),
        (&"codes".into(), &4.into())
    );
    for share in ["linear", "neighbours"] {
        let [low, value, high] =
            ["low", "value", "high"].map(|end| codes[share][end].as_f64().unwrap());
        assert!(
            0.0 <= low && low < value && value < high && high <= 1.0,
            "{share}"
        );
        assert!(value > 0.2, "{share}: {value}, but a guess has 0.1");
    }
    let table = text(place.bytes("codes.csv"));
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("id,split,class,mean_0,mean_1,mean_2,mean_3")
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let of = |split: &str| rows.iter().filter(|row| row[1] == split).count();
    assert_eq!(of("train"), 400);
    assert_eq!(of("test") + 400, rows.len());
    // As `vae encode` writes them.
    place.run("encode run --first 400 --out own.csv --quiet");
    let own = text(place.bytes("own.csv"));
    let tested: String = rows
        .iter()
        .filter(|row| row[1] == "test")
        .map(|row| format!("{},{}\n", row[0], row[2..].join(",")))
        .collect();
    assert_eq!(own.split_once('\n').unwrap().1, tested);
    // Two numbers of each: mean and variance.
    let json =
        place.run("features run --first 300 --values mean,log-variance --format json --quiet");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["inputs"][0]["width"], 8);

    assert_says(
        &place.fail("features run --split train"),
        &["--split train", "test or validation"],
    );
    assert_says(
        &place.fail("features run --values indices"),
        &["--values indices", "log-variance"],
    );
    assert_says(
        &place.fail("features run --out codes.png"),
        &[".csv, .parquet, .npy"],
    );
    place.write_tables();
    place.run("--dataset counts.csv --epochs 1 --out counts --quiet");
    assert_says(&place.fail("features counts"), &["no classes", "--label"]);
    let labelled = text(place.bytes("counts.csv")).replace("a,b", "kind,a,b");
    let labelled = labelled.lines().enumerate().map(|(row, line)| match row {
        0 => format!("{line}\n"),
        row => format!("{},{line}\n", ["even", "odd"][(row - 1) % 2]),
    });
    place.write("labelled.csv", labelled.collect::<String>());
    let found =
        place.run("features counts --dataset labelled.csv --label kind --format json --quiet");
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    // Column d is 0 in even rows and 1 in odd ones.
    assert_eq!(found["inputs"][2]["linear"]["value"], 1.0);
    place.run(&format!("--variant cvae {SMALL} --out cvae --quiet"));
    assert_says(
        &place.fail("features cvae"),
        &["cvae", "told the class", "vae"],
    );
}

#[test]
fn an_index_is_built_asked_and_extended() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out run --quiet"));
    let built = place.run("search run 1");
    assert_says(&text(built.stderr), &["index of 600 codes", "1 queries"]);
    place.run("search run --build");
    let found = place.run("search run 0 7 --k 3");
    assert_says(
        &text(found.stderr),
        &["2 queries", "per second", "search.png"],
    );
    let lines = text(found.stdout);
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines[0], "query,query_class,rank,id,class,distance");
    assert_eq!(lines.len(), 7);
    assert!(lines[1].starts_with("0,") && lines[4].starts_with("7,"));
    let distance = |line: &str| line.rsplit(',').next().unwrap().parse::<f32>().unwrap();
    assert!(distance(lines[1]) <= distance(lines[2]) && distance(lines[2]) <= distance(lines[3]));
    let png = image::load_from_memory(&place.bytes("run/search.png")).unwrap();
    // Four images of 84 pixels each in two rows.
    assert!(png.width() > 5 * 84 && png.height() > 2 * 84);

    // What is in the index is found there, itself first.
    let own = place.run("search run --split train --first 30 --k 1 --out own.csv");
    assert_says(&text(own.stderr), &["30 queries"]);
    let own = text(place.bytes("own.csv"));
    for line in own.lines().skip(1) {
        let cells: Vec<_> = line.split(',').collect();
        assert!(cells[0] == cells[3] && cells[1] == cells[4], "{line}");
        assert!(cells[5].parse::<f32>().unwrap() < 1e-4, "{line}");
    }
    let measured = text(place.run("search run --recall --k 5 --quiet").stdout);
    assert_says(
        &measured,
        &["recall@5", "among 600 codes", "comparing with all"],
    );
    let recall: f64 = measured.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(recall >= 0.95, "{measured}");

    place.run("search run --build --index other.vae --split validation --first 50 --quiet");
    let more = place.run("search run --index other.vae --add mnist-mini --split test --first 20");
    assert_says(&text(more.stderr), &["index of 70 codes"]);
    let both = place.run("search run --index other.vae 3 --k 70 --picture both.png --quiet");
    assert_eq!(text(both.stdout).lines().count(), 71);
    assert!(place.join("both.png").exists());

    assert_says(
        &place.fail("search run --index other.vae 3 --k 71"),
        &["--k 71", "70 codes"],
    );
    assert_says(
        &place.fail("search run no-such-digit"),
        &["no-such-digit", "no file"],
    );
    assert_says(
        &place.fail("search run 1 --out near.npy"),
        &["near.npy", ".csv, .parquet"],
    );
    place.run(&format!("{SMALL} --out another --epochs 3 --quiet"));
    assert_says(
        &place.fail("search another --index run/index.vae 1"),
        &["index.vae", "another model"],
    );
    place.write("damaged.vae", &place.bytes("run/index.vae")[..5000]);
    assert_says(
        &place.fail("search run --index damaged.vae 1"),
        &["damaged.vae", "anew"],
    );
}

/// Rows have the names of a column; where the data are gone there is a table, and a sentence in place of a picture.
#[test]
fn tables_and_files_are_searched() {
    let place = Place::new();
    place.write_tables();
    let rows = text(place.bytes("mixed.csv"));
    let named: String = rows
        .lines()
        .enumerate()
        .map(|(row, line)| match row {
            0 => format!("name,{line}\n"),
            row => format!("row{row},{line}\n"),
        })
        .collect();
    place.write("named.csv", named);
    place.run("--dataset mixed.csv --epochs 2 --out run --quiet");
    place.run("search run --build --dataset named.csv --id name --quiet");
    let found = place.run("search run row5 --dataset named.csv --id name --k 2");
    let lines = text(found.stdout);
    assert_eq!(lines.lines().next(), Some("query,rank,id,distance"));
    assert_says(lines.lines().nth(1).unwrap(), &["row5,1,row5,"]);
    let of_file = place.run("search run named.csv --id name --k 1 --out all.parquet");
    assert_says(&text(of_file.stderr), &["600 queries", "600 neighbours"]);
    assert_says(&place.fail("search run 1 --picture p.png"), &["no images"]);

    place.run(&format!("{SMALL} --out digits --quiet"));
    std::fs::create_dir(place.join("images")).unwrap();
    for (number, grey) in [40_u8, 90, 140, 200].into_iter().enumerate() {
        let image = image::GrayImage::from_fn(28, 28, |x, y| {
            image::Luma([grey.wrapping_add((x * y) as u8)])
        });
        image
            .save(place.join(&format!("images/{number}.png")))
            .unwrap();
    }
    place.run("search digits --build --dataset images --index images.vae --quiet");
    let found = place.run("search digits images/2.png --index images.vae --k 4 --picture near.png");
    assert!(place.join("near.png").exists());
    let lines = text(found.stdout);
    assert_says(lines.lines().nth(1).unwrap(), &["2.png,1,", "2.png,"]);
    std::fs::rename(place.join("images"), place.join("moved")).unwrap();
    let found = place.run("search digits moved/2.png --index images.vae --k 4 --picture gone.png");
    assert_says(&text(found.stderr), &["no picture", "not where they were"]);
    assert_eq!(text(found.stdout).lines().count(), 5);
    assert!(!place.join("gone.png").exists());
}

#[test]
fn maps_are_pictures_and_tables() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out run --quiet"));
    place.run(&format!("{SMALL} --latent 2 --out flat --quiet"));
    let said = text(place.run("map run --most 60").stderr);
    assert_says(&said, &["60 of", "evenly", "map of 60 examples", "map.png"]);
    place.run("map flat --first 200 --out flat.svg --quiet");
    let svg = text(place.bytes("flat.svg"));
    assert!(svg.matches("<circle").count() >= 200 && svg.contains("first number"));
    place.run("map run --method pca --color score --first 200 --out pca.png --quiet");
    place.run("map run --method pca --color none --first 200 --out plain.png --quiet");
    for name in ["run/map.png", "pca.png", "plain.png"] {
        let png = image::load_from_memory(&place.bytes(name)).unwrap();
        assert_eq!(png.width(), 760, "{name}");
    }
    place.run("map run --method pca --color score --first 40 --out scored.csv --quiet");
    place.run("score run --split test --first 40 --unsorted --out scores.csv --quiet");
    let [scored, scores] = ["scored.csv", "scores.csv"].map(|name| text(place.bytes(name)));
    let scored = scored.lines().map(|line| line.rsplit(',').next());
    let scored: Vec<_> = scored.collect();
    let scores: Vec<_> = scores.lines().map(|line| line.split(',').nth(1)).collect();
    assert_eq!(scored.len(), 1 + 40);
    assert_eq!(scored, scores, "the same scores as those of the command");
    place.run("map flat --first 30 --neighbors 4 --out flat.csv --quiet");
    place.run("encode flat --first 30 --out codes.csv --quiet");
    let (map, codes) = (
        text(place.bytes("flat.csv")),
        text(place.bytes("codes.csv")),
    );
    assert_eq!(
        map.lines().next(),
        Some("id,projection_x,projection_y,neighbors,class,error")
    );
    for (map, code) in map.lines().skip(1).zip(codes.lines().skip(1)) {
        let (map, code): (Vec<_>, Vec<_>) = (map.split(',').collect(), code.split(',').collect());
        assert_eq!((map[0], &map[1..3]), (code[0], &code[2..4]));
    }
    let row = map.lines().nth(1).unwrap();
    let json = row.split('"').collect::<Vec<_>>();
    assert_says(row, &["{\"\"ids\"\":[", "\"\"distances\"\":["]);
    assert!(json.len() > 4);
    place.run("map flat --first 30 --neighbors 4 --out flat.parquet --quiet");

    place.run("map flat --decoded --side 5 --quiet");
    let grid = image::load_from_memory(&place.bytes("flat/decoded.png")).unwrap();
    assert!(grid.width() >= 5 * 28 && grid.width() == grid.height());
    place.write_tables();
    place.run("--dataset counts.csv --latent 2 --epochs 1 --out counts --quiet");
    place.run("map counts --decoded --side 3 --out grid.csv --quiet");
    let table = text(place.bytes("grid.csv"));
    assert_says(table.lines().next().unwrap(), &["mean_0,mean_1,a,b,c,d"]);
    assert_eq!(table.lines().count(), 10);
    place.run(&format!(
        "--variant cvae {SMALL} --latent 2 --out cvae --quiet"
    ));
    place.run("map cvae --decoded --side 3 --class 4 --out four.png --quiet");

    assert_says(
        &place.fail("map run --decoded"),
        &["4 numbers", "--latent 2"],
    );
    assert_says(&place.fail("map cvae --decoded"), &["cvae", "--class"]);
    assert_says(
        &place.fail("map run --method codes"),
        &["--method codes", "--latent 2", "tsne"],
    );
    assert_says(
        &place.fail("map counts --color class"),
        &["--color class", "--label"],
    );
    assert_says(
        &place.fail("map run --out map.npy"),
        &["map.npy", ".png, .svg, .csv, .parquet"],
    );
    // The same seed, the same bytes.
    place.run("map run --first 50 --out once.png --quiet");
    place.run("map run --first 50 --out again.png --quiet");
    assert_same_bytes(&place, "once.png", "again.png");
}
