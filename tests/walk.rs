//! `vae interpolate`, `vae traverse` and `vae denoise`, from outside.

mod common;

use common::{Place, SMALL, assert_same_bytes, assert_says};

/// A folder of 60 images of 8 x 8 pixels in two classes, `dark` with a bright column and `light` with a dark row.
fn write_images(place: &Place, folder: &str, noise: u8) {
    for i in 0..60_usize {
        let (class, at) = (["dark", "light"][i % 2], i / 2 % 8);
        let mut image = image::RgbImage::new(8, 8);
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            let line = if i % 2 == 0 { x } else { y } as usize;
            let on = (line == at) == (i % 2 == 0);
            let hash = (x * 31 + y * 17 + i as u32 * 7) * (x + 3) % 97;
            let noise = u32::from(noise) * hash / 97;
            let level = |full: u32| if on { full - noise } else { noise } as u8;
            pixel.0 = [level(255), level(200), level(150)];
        }
        let path = place.join(&format!("{folder}/{class}/{i:02}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    }
}

fn size(place: &Place, name: &str) -> (u32, u32) {
    image::open(place.join(name))
        .unwrap()
        .to_rgb8()
        .dimensions()
}

fn frames(place: &Place, name: &str) -> Vec<(u32, u32)> {
    use image::{AnimationDecoder, codecs::gif::GifDecoder};
    let file = std::io::BufReader::new(std::fs::File::open(place.join(name)).unwrap());
    let frames = GifDecoder::new(file).unwrap().into_frames();
    let frames = frames.map(|frame| frame.unwrap().buffer().dimensions());
    frames.collect()
}

/// Shape and numbers of a `.npy` file.
fn numbers(place: &Place, name: &str) -> (String, Vec<f32>) {
    let bytes = place.bytes(name);
    let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..length]).into_owned();
    let shape = header.split("'shape': ").nth(1).unwrap();
    let shape = shape.trim_end_matches([' ', ',', '}', '\n']).to_owned();
    let values = bytes[length..].chunks_exact(4);
    let values = values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    (shape, values.collect())
}

fn table(text: &[u8]) -> Vec<Vec<String>> {
    let lines = std::str::from_utf8(text).unwrap().lines();
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[test]
fn images_are_walked_between_and_along_each_latent() {
    let place = Place::new();
    place.run(&format!("--variant beta {SMALL} --out run"));
    place.run("interpolate run 0 3 class:2 class:5 --steps 4 --path spherical --out a.png");
    // Six images of 3 * 28 pixels in two rows, with texts above.
    let (width, height) = size(&place, "a.png");
    assert_eq!(height, 2 * 84 + 4 + 18 + 24);
    assert!(width > 6 * 88 + 24, "{width}");
    place.run("interpolate run 0 3 --steps 4 --out a.gif");
    assert_eq!(frames(&place, "a.gif").len(), 6);
    place.run("interpolate run 0 3 --steps 4 --out a.npy");
    place.run("interpolate run 3 0 --steps 4 --out b.npy");
    let (shape, there) = numbers(&place, "a.npy");
    assert_eq!(shape, "(1, 4, 1, 28, 28, )");
    let (_, back) = numbers(&place, "b.npy");
    assert_eq!(there[..784], back[3 * 784..]);
    assert!(there.iter().all(|value| (0.0..=1.0).contains(value)));

    // An image file, of another size and with colours.
    write_images(&place, "pictures", 0);
    place.run("interpolate run pictures/dark/00.png 0 --out f.png");
    place.run("traverse run --rows 3 --steps 5 --out t.png");
    assert_eq!(size(&place, "t.png").1, 3 * 84 + 2 * 4 + 18 + 24);
    place.run("traverse run 7 --steps 5 --out t.gif");
    assert_eq!(frames(&place, "t.gif").len(), 8);
    let message = place.run("traverse run --out t.csv").stderr;
    assert_says(
        &String::from_utf8_lossy(&message),
        &["mean of the prior", "4 of 4 latents"],
    );
    let rows = table(&place.bytes("t.csv"));
    assert_eq!(rows.len(), 1 + 4 * 9);
    assert_eq!(rows[0][..4], ["latent", "kl", "deviations", "x0"]);
    let kl: Vec<f64> = rows[1..]
        .iter()
        .map(|row| row[1].parse().unwrap())
        .collect();
    assert!(kl.is_sorted_by(|a, b| a >= b), "{kl:?}");
    // The order is that of the evaluation at the end of the training, over the same split.
    let latent = &place.json("run/summary.json")["test"]["latent"]["kl_per_dimension"];
    let highest = latent
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of.as_f64().unwrap());
    let highest = highest.fold(0.0, f64::max);
    assert!((kl[0] - highest).abs() < 1e-3, "{} {highest}", kl[0]);
    for form in ["png", "gif", "npy"] {
        place.run(&format!("traverse run 7 --rows 2 --out again.{form}"));
        place.run(&format!("traverse run 7 --rows 2 --out once.{form}"));
        assert_same_bytes(&place, &format!("again.{form}"), &format!("once.{form}"));
    }

    let says = |args: &str, parts: &[&str]| assert_says(&place.fail(args), parts);
    says("interpolate run 0", &["2 values required"]);
    says("interpolate run 0 1 2", &["3 items", "pairs"]);
    says(
        "interpolate run 0 99999",
        &["99999", "0, 1, 2, 3 and so on", "--split all"],
    );
    says("interpolate run 0 class:x", &["class:x", "0, 1, 2"]);
    says(
        "interpolate run 0 1 --out a.jpg",
        &["a.jpg", ".png, .gif, .csv"],
    );
    says("interpolate run 0 1 --class 3", &["--class", "beta"]);
    says("traverse run --range 0", &["from 0.001"]);
}

#[test]
fn tables_are_walked_between_and_denoised() {
    let place = Place::new();
    place.write_tables();
    place.run(&format!(
        "--variant vae --dataset mixed.csv {SMALL} --out run"
    ));
    place.run("interpolate run 1 4 --dataset mixed.csv --steps 3 --out way.csv");
    let rows = table(&place.bytes("way.csv"));
    assert_eq!(rows[0], ["from", "to", "t", "size", "color", "more", "day"]);
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[2][..3], ["1", "4", "0.5"]);
    assert!(
        ["red", "green", "blue"].contains(&rows[1][4].as_str()),
        "{rows:?}"
    );
    assert!(rows[3][6].starts_with("2024-01-"), "{rows:?}");
    place.run("interpolate run 1 4 2 3 --dataset mixed.csv --out way.png");
    place.run("traverse run --out t.png");
    place.run("traverse run");
    assert_eq!(table(&place.bytes("run/traversal.csv")).len(), 1 + 4 * 9);
    let message = place.fail("traverse run --out t.gif");
    assert_says(&message, &["only images move", ".csv"]);

    let output = place.run("denoise run --dataset mixed.csv --out clean.csv");
    let warning = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_says(
        &warning,
        &["not trained to take noise away", "--variant dae"],
    );
    assert_eq!(warning.matches("not trained").count(), 1, "{warning}");
    let rows = table(&place.bytes("clean.csv"));
    assert_eq!(
        (rows.len(), rows[0].join(",")),
        (601, "size,color,more,day".to_owned())
    );
    let output = place.run("denoise run --noise gaussian:0.5 --scores scores.csv");
    assert_says(
        &String::from_utf8_lossy(&output.stdout),
        &["mean of", "noisy", "cleaned"],
    );
    let scores = table(&place.bytes("scores.csv"));
    assert_eq!(scores[0], ["id", "rmse_noisy", "rmse_cleaned"]);
    place.run("denoise run --noise gaussian:0.5 --out d.png");
    place.run("denoise run --dataset mixed.csv --out clean.parquet");
    let message = place.fail("denoise run --dataset mixed.csv --out clean.gif");
    assert_says(&message, &["clean.gif", ".npy, .csv, .parquet"]);
    let message = place.fail("denoise run --dataset mixed.csv --scores s.csv");
    assert_says(&message, &["--scores", "--clean", "--noise"]);
}

#[test]
fn a_folder_of_images_is_denoised_into_one_of_the_same_names() {
    let place = Place::new();
    write_images(&place, "clean", 0);
    write_images(&place, "noisy", 90);
    place.run(&format!(
        "--variant dae --noise gaussian --noise-level 0.2 --dataset clean {SMALL} --batch-size 20 \
         --out run"
    ).replace("--batch-size 50 ", ""));
    let output =
        place.run("denoise run --dataset noisy --out cleaned --clean clean --scores s.csv");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!errors.contains("not trained"), "{errors}");
    assert_says(
        &String::from_utf8_lossy(&output.stdout),
        &["PSNR", "SSIM", "median 3 x 3", "dB on"],
    );
    for i in 0..60 {
        let name = format!("cleaned/{}/{i:02}.png", ["dark", "light"][i % 2]);
        assert_eq!(size(&place, &name), (8, 8), "{name}");
    }
    let scores = table(&place.bytes("s.csv"));
    assert_eq!(scores.len(), 61);
    assert_eq!(scores[1][0], "dark/00.png");
    // By hand from the files: the PSNR of the first noisy image.
    let pixels = |name: &str| image::open(place.join(name)).unwrap().to_rgb8().into_raw();
    let pairs = pixels("noisy/dark/00.png")
        .into_iter()
        .zip(pixels("clean/dark/00.png"));
    let squares = pairs.map(|(a, b)| ((f64::from(a) - f64::from(b)) / 255.0).powi(2));
    let psnr = -10.0 * (squares.sum::<f64>() / 192.0).log10();
    assert!(
        (scores[1][1].parse::<f64>().unwrap() - psnr).abs() < 1e-3,
        "{psnr}"
    );

    let message = place.fail("denoise run --dataset noisy --out cleaned");
    assert_says(&message, &["cleaned", "already"]);
    place.run("denoise run --dataset noisy --clean clean --out p.png");
    place.run("denoise run --dataset noisy --out a.npy");
    assert_eq!(numbers(&place, "a.npy").0, "(60, 3, 8, 8, )");
    std::fs::remove_file(place.join("clean/dark/04.png")).unwrap();
    let message = place.fail("denoise run --dataset noisy --clean clean");
    assert_says(&message, &["no original of dark/04.png"]);
    for (noise, part) in [
        ("gaussian", "KIND:LEVEL"),
        ("dust:1", "must be one of"),
        ("masking:2", "between 0 and 1"),
    ] {
        assert_says(
            &place.fail(&format!("denoise run --noise {noise}")),
            &[part],
        );
    }
    let left = std::fs::read_dir(place.path()).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let partial: Vec<_> = names.filter(|name| name.contains("partial")).collect();
    assert!(partial.is_empty(), "{partial:?}");
}
