//! Whole runs of the binary: what they leave behind.

mod common;

use common::{Place, SMALL, assert_same_bytes, assert_says};

const FILES: [&str; 10] = [
    "config.toml",
    "curves.png",
    "curves.svg",
    "metrics.jsonl",
    "model.json",
    "model.safetensors",
    "reconstructions.png",
    "summary.json",
    "checkpoints/last.ckpt",
    "checkpoints/best.ckpt",
];

fn names() -> Vec<String> {
    let place = Place::new();
    let output = place.run("variants --format json");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = list.as_array().unwrap().iter();
    names
        .map(|variant| variant["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_variant_trains_and_leaves_a_whole_folder() {
    let place = Place::new();
    let names = names();
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        let output = place.run(&format!("--variant {name} --out {name} {SMALL}"));
        for file in FILES {
            assert!(place.join(&name).join(file).is_file(), "{name}: {file}");
        }
        let summary = place.json(&format!("{name}/summary.json"));
        assert_eq!(summary["variant"], name.as_str());
        assert_eq!(summary["seed"], 5);
        let all_rows = place.metrics(&name);
        let epochs = all_rows.len();
        assert_eq!(
            (&summary["epochs"], &summary["steps"]),
            (&epochs.into(), &(12 * epochs).into())
        );
        for key in ["loss", "reconstruction"] {
            assert!(
                summary["test"][key].as_f64().unwrap().is_finite(),
                "{name}: {key}"
            );
        }
        for key in ["parameters", "train_samples_per_second", "seconds"] {
            assert!(summary[key].as_f64().unwrap() > 0.0, "{name}: {key}");
        }
        let is_generative = place.join(&name).join("samples.png").exists();
        let has_prior = ["kl", "index_nll"].map(|key| summary["test"][key].is_number());
        assert_eq!(is_generative, has_prior.contains(&true), "{name}");
        assert_says(
            &String::from_utf8_lossy(&output.stdout),
            &["reconstruction", "test", "run folder:"],
        );
        // Those of the main training, which may not be the last.
        let rows: Vec<_> = all_rows
            .iter()
            .filter(|row| row["stage"].is_null())
            .collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(summary["train"], rows[1]["train"], "{name}");
        for row in &rows {
            for key in [
                "epoch",
                "step",
                "seconds",
                "lr",
                "train",
                "validation",
                "weights",
            ] {
                assert!(!row[key].is_null(), "{name}: {key} in {row}");
            }
        }
        // In a game no loss need fall, but what comes out comes closer to what went in.
        let measure = match &rows[0]["train"]["discriminator.loss"] {
            serde_json::Value::Null => "loss",
            _ => "squared_error",
        };
        let (first, last) = (&rows[0]["train"][measure], &rows[1]["train"][measure]);
        assert!(
            last.as_f64() < first.as_f64(),
            "{name}: {first} then {last}"
        );
    }
}

/// The examples of the help, and every other way each variant can be set, take a few steps.
#[test]
fn examples_and_options_of_every_variant_train() {
    let place = Place::new();
    let output = place.run("variants --format json");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let examples = list
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["example"].as_str().unwrap());
    let more = [
        "--variant sparse --sparsity l1",
        "--variant sparse --sparsity top-k --k 20",
        "--variant contractive --jacobian stochastic",
        "--variant contractive --arch conv",
        "--variant cvae --arch conv",
        "--variant ae --tied",
        "--variant ae --arch linear --likelihood gaussian",
        "--variant beta --capacity 25 --capacity-weight 1000",
        "--variant vae --free-bits 0.1",
        "--variant cvae --aggressive 4",
        "--variant iwae --samples 3 --gradient doubly-reparameterized --nll-samples 20",
        "--variant vae --arch conv --upsample resize --norm batch",
        "--variant vae --likelihood continuous-bernoulli",
        "--variant vae --likelihood gaussian-global",
        "--variant vae --likelihood gaussian-pixel --optimizer adamw",
        "--variant vae --optimizer sgd --lr 1e-5 --clip-value 1",
        "--variant vae --optimizer rmsprop --patience 1",
        "--variant vaegan --arch conv --gamma 0.1",
        "--variant semi --labels 20 --alpha 0 --arch conv",
        "--variant semi --baseline=false --free-bits 0.1",
        "--variant vq --codes 40 --prior-epochs 0 --restart 0 --decay 0",
        "--variant vq --arch conv --norm batch --prior-epochs 1 --prior-hidden 9 --patience 1",
        "--preset semi --labels 30",
        "--preset conv",
        "--preset sparse-overcomplete",
        "--preset contractive",
    ];
    for (number, args) in examples.chain(more).enumerate() {
        place.run(&format!(
            "{args} --limit 300 --max-steps 3 --out run-{number} --quiet"
        ));
        let summary = place.json(&format!("run-{number}/summary.json"));
        assert!(
            summary["test"]["loss"].as_f64().unwrap().is_finite(),
            "{args}"
        );
    }
}

/// With noise this strong, the best that a plain VAE can do is to leave its code unused (Lucas 2019).
#[test]
fn a_collapsed_code_is_rescued() {
    let place = Place::new();
    let active = |name: &str, more: &str| {
        place.run(&format!(
            "--variant vae --likelihood gaussian --sigma 2.5 --limit 2000 --epochs 8 --hidden 64 \
             --latent 10 {more} --out {name} --quiet"
        ));
        let summary = place.json(&format!("{name}/summary.json"));
        summary["test"]["latent"]["active_units"].as_u64().unwrap()
    };
    assert_eq!(active("plain", ""), 0);
    assert!(active("free-bits", "--free-bits 0.5") >= 8);
    assert!(active("capacity", "--capacity 5") >= 4);
}

#[test]
fn the_configuration_of_a_run_repeats_it() {
    let place = Place::new();
    place.run(&format!("--variant beta --beta 4 --out first {SMALL}"));
    place.run("--config first/config.toml --out second");
    assert_same_bytes(
        &place,
        "first/model.safetensors",
        "second/model.safetensors",
    );
}

#[test]
fn two_runs_never_share_a_folder() {
    let place = Place::new();
    place.run(&format!("--out mine {SMALL}"));
    let before = place.bytes("mine/summary.json");
    let message = place.fail(&format!("--out mine {SMALL}"));
    assert_says(&message, &["mine already holds files", "--out", "--resume"]);
    assert_eq!(before, place.bytes("mine/summary.json"));
    // Without --out, each run finds a folder of its own.
    place.run(SMALL);
    place.run(SMALL);
    for run in ["vae-mnist-mini-1", "vae-mnist-mini-2"] {
        assert!(place.join("runs").join(run).join("summary.json").exists());
    }
}

/// The weight of each term is logged beside it, and `loss` is their weighted sum.
#[test]
fn terms_add_up_with_their_weights() {
    let place = Place::new();
    place.run(&format!("--variant beta --beta 4 --out run {SMALL}"));
    for row in place.metrics("run") {
        assert_eq!(row["weights"]["kl"], 4.0);
        for split in ["train", "validation"] {
            let value = |key: &str| row[split][key].as_f64().unwrap();
            let sum = value("reconstruction") + 4.0 * value("kl");
            assert!((value("loss") - sum).abs() < 1e-4 * sum, "{row}");
        }
        let kl: f64 = row["latent"]["kl_per_dimension"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap())
            .sum();
        assert!((kl - row["validation"]["kl"].as_f64().unwrap()).abs() < 1e-4);
    }
}

/// The log and the files say which terms are Monte Carlo estimates.
#[test]
fn a_kl_without_closed_form_is_called_an_estimate() {
    let place = Place::new();
    for (prior, expected) in [("normal", false), ("mixture", true)] {
        let output = place.run(&format!("--prior {prior} --out {prior} {SMALL}"));
        let [out, log] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        let estimates = match expected {
            true => serde_json::json!(["kl"]),
            false => serde_json::Value::Null,
        };
        assert_eq!(out.contains("kl (Monte Carlo)"), expected, "{out}");
        assert_eq!(
            log.matches("no closed form: kl").count(),
            usize::from(expected),
            "{log}"
        );
        assert_eq!(
            place.json(&format!("{prior}/summary.json"))["estimates"],
            estimates
        );
        for row in place.metrics(prior) {
            assert_eq!(row["estimates"], estimates);
        }
    }
}

#[test]
fn a_denoising_run_states_its_corruption() {
    let place = Place::new();
    place.run(&format!(
        "--variant dae --noise salt-pepper --noise-level 0.25 --out run {SMALL}"
    ));
    let summary = place.json("run/summary.json");
    assert_eq!(summary["corruption"], "salt-pepper 0.25");
    let (noisy, clean) = (&summary["test"]["loss"], &summary["test_clean"]["loss"]);
    assert!(
        clean.is_number() && clean != noisy,
        "clean {clean}, noisy {noisy}"
    );
}

/// Numbers, categories, dates and gaps in a file come back as such.
#[test]
fn a_table_of_mixed_columns_is_shown_learned_and_sampled() {
    let place = Place::new();
    let colors = ["red", "a, b", "blue"];
    let row = |i: usize| {
        let gap = if i.is_multiple_of(5) {
            "NA".to_owned()
        } else {
            (i % 7).to_string()
        };
        let day = 1 + i % 28;
        format!("{i}.5,\"{}\",{gap},2024-01-{day:02}\n", colors[i % 3])
    };
    let rows: String = (0..200).map(row).collect();
    place.write("t.csv", format!("size,color,count,day\n{rows}"));
    let output = place.run("datasets t.csv");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let parts = [
        "category",
        "a, b 34 %",
        "20.0 %",
        "2024-01-01 to 2024-01-28",
        "0.5 to 199.5",
        "200 rows",
    ];
    assert_says(&shown, &parts);
    let output = place.run("datasets t.csv --drop day --categorical count --format json");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["columns"][2]["levels"], 7);
    assert_eq!(report["columns"][3]["role"], "dropped");

    place.run("--dataset t.csv --epochs 2 --batch-size 16 --hidden 8 --latent 2 --out run --quiet");
    assert_eq!(place.json("run/summary.json")["likelihood"], "per-column");
    for picture in ["samples.svg", "reconstructions.svg"] {
        let svg = String::from_utf8(place.bytes(&format!("run/{picture}"))).unwrap();
        assert_says(&svg, &["red", "blue", "count (", "% missing"]);
    }
    place.run("sample run --count 40 --out samples.csv");
    let text = String::from_utf8(place.bytes("samples.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("size,color,count,day"));
    assert_eq!(lines.clone().count(), 40);
    assert!(text.contains("\"a, b\""), "{text}");
    assert!(
        lines.all(|line| line.contains(",20") && line.split('-').count() >= 3),
        "{text}"
    );
    // Such a table can be learned in turn, and its model continues where it stood.
    place.run(
        "--dataset samples.csv --epochs 1 --batch-size 8 --hidden 8 --latent 2 --out again --quiet",
    );
    place.run("--dataset t.csv --codes-of run --epochs 1 --batch-size 16 --hidden 8 --latent 1 --out codes --quiet");
    place.run("sample codes --count 5 --out codes.csv");
    assert!(
        String::from_utf8(place.bytes("codes.csv"))
            .unwrap()
            .starts_with("size,color,count,day")
    );
}

#[test]
fn a_table_is_learned_and_sampled_in_its_own_units() {
    let place = Place::new();
    let mut table = String::from("height,weight,group\n");
    for i in 0..300 {
        let (a, b) = (f64::from(i % 17), f64::from(i % 23));
        table += &format!(
            "{},{},{}\n",
            150.0 + 2.0 * a,
            40.0 + a + b,
            ["x", "y"][i as usize % 2]
        );
    }
    place.write("people.csv", table);
    place.run(
        "--dataset people.csv --label group --variant cvae --hidden 16 --latent 2 --epochs 3 \
         --out run",
    );
    assert_eq!(place.json("run/summary.json")["likelihood"], "gaussian");
    assert!(place.join("run/samples.png").exists());
    place.run("sample run --class y --count 50 --out new.csv");
    let text = std::fs::read_to_string(place.join("new.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("height,weight"));
    let heights: Vec<f64> = lines
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(heights.len(), 50);
    let mean = heights.iter().sum::<f64>() / 50.0;
    assert!((140.0..190.0).contains(&mean), "{mean}");
}

#[test]
fn sampling_shows_every_sample_it_was_asked_for() {
    let place = Place::new();
    place.run(&format!("--variant cvae --out run {SMALL}"));
    let output = place.run("sample run --class 7 --count 33 --out seven.png");
    assert_says(
        &String::from_utf8_lossy(&output.stderr),
        &["33 samples written to seven.png"],
    );
    assert!(image::open(place.join("seven.png")).is_ok());
    // The same seed gives the same picture.
    place.run("sample run --class 7 --count 33 --out again.png");
    assert_same_bytes(&place, "seven.png", "again.png");
    let message = place.fail("sample run --class 12");
    assert_says(&message, &["--class 12", "0 to 9"]);
}

/// M2 alone, and on the codes of a VAE (M1+M2).
#[test]
fn a_few_labels_are_learned_from() {
    let place = Place::new();
    let semi = "--variant semi --labels 100 --hidden 32 --latent 4 --limit 1500 --epochs 6 \
                --batch-size 50 --lr 5e-3 --threads 1 --seed 6";
    place.run(&format!("{semi} --out alone"));
    place.run("--variant vae --hidden 64 --latent 10 --limit 3000 --epochs 6 --seed 5 --out first");
    let output = place.run(&format!("{semi} --codes-of first --out codes"));
    assert_says(
        &String::from_utf8_lossy(&output.stdout),
        &["accuracy (test):", "baseline"],
    );
    for run in ["alone", "codes"] {
        let test = &place.json(&format!("{run}/summary.json"))["test"];
        for name in ["accuracy", "baseline.accuracy"] {
            let accuracy = test[name].as_f64().unwrap();
            assert!(
                (0.3..=1.0).contains(&accuracy),
                "{run}: {name} is {accuracy}"
            );
        }
        for picture in ["samples.png", "styles.png", "reconstructions.png"] {
            assert!(
                image::open(place.join(run).join(picture)).is_ok(),
                "{run}: {picture}"
            );
        }
    }
    assert_eq!(
        place.json("codes/summary.json")["likelihood"],
        "gaussian-pixel"
    );
    // The run has all it needs: it does not look for the other one again.
    std::fs::remove_dir_all(place.join("first")).unwrap();
    place.run("sample codes --count 3 --out digits.npy");
    let array = place.bytes("digits.npy");
    let header = String::from_utf8_lossy(&array[..128]).into_owned();
    assert!(header.contains("'shape': (30, 1, 28, 28, )"), "{header}");
    assert_eq!(array.len(), 128 + 4 * 30 * 784);
}

/// Without labels there is no class to learn, and with few of them only their examples count.
#[test]
fn a_label_column_may_be_partly_empty() {
    let place = Place::new();
    let mut table = String::from("a,b,group\n");
    for i in 0..400 {
        let class = ["x", "y"][i % 2];
        let shift = if class == "x" { 3.0 } else { -3.0 };
        let noise = |i: usize| (i * 7919 % 100) as f64 / 50.0 - 1.0;
        let label = if i % 10 < 2 { class } else { "" };
        table += &format!("{},{},{label}\n", shift + noise(i), noise(i + 31));
    }
    place.write("points.csv", table);
    place.run(
        "--dataset points.csv --label group --variant semi --hidden 16 --latent 2 --epochs 20 \
         --batch-size 32 --out run",
    );
    let test = &place.json("run/summary.json")["test"];
    assert_eq!(test["accuracy"], 1.0, "{test}");
}

#[test]
fn json_logs_are_json() {
    let place = Place::new();
    let output = place.run(&format!("--out run --log-format json {SMALL}"));
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let epochs = lines
        .iter()
        .filter(|line| line["fields"]["message"] == "epoch done");
    assert_eq!(epochs.count(), 2);
}

#[test]
fn quiet_is_quiet() {
    let place = Place::new();
    let output = place.run(&format!("--out run --quiet {SMALL}"));
    assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0));
}

#[test]
fn bench_times_steps_and_writes_nothing() {
    let place = Place::new();
    let bench = "bench --limit 600 --hidden 16 --batch-size 50 --rounds 2 --steps 3";
    let output = place.run(bench);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "vae on mnist-mini: flex backend, fast",
        "a step takes",
        "samples/s",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // Without standard input there is no turn to wait for.
    let output = place.run(&format!("{bench} --format json --turns"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["first_step"], true, "{text}");
    let rows: Vec<_> = lines
        .iter()
        .filter(|line| line.get("median_ms").is_some())
        .collect();
    assert_eq!(rows.len(), 2, "{text}");
    for row in rows {
        let value = |key: &str| row[key].as_f64().unwrap();
        assert_eq!(value("steps"), 3.0);
        assert!(value("median_ms") >= value("min_ms") && value("floor_ms") > 0.0);
    }
    for work in ["encode", "importance"] {
        let output = place.run(&format!("{bench} --work {work}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("a batch takes") && !text.contains("matrix products"),
            "{text}"
        );
    }
    let error = place.fail(&format!("{bench} --work importance --variant ae"));
    assert_says(
        &error,
        &[
            "--work importance",
            "Gaussian posterior",
            "ae has not",
            "--variant vae",
        ],
    );
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
