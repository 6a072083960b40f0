//! A program on the library trains the model that `vae train` does.

mod common;

use common::{Place, assert_same_bytes};
use serde::Deserialize;
use vae_core::{ObjectiveConfig, nets::ModelConfig, train::TrainConfig};
use vae_data::{Binarize, DataConfig, NoProgress, load};
use vae_variants::{Backend, Description, Recipe, Vae, Variant};

/// What a run notes of its settings, in the types of the library.
#[derive(Deserialize)]
struct Settings {
    seed: u64,
    data: DataConfig,
    variant: Variant,
    model: ModelConfig,
    objective: ObjectiveConfig,
    train: TrainConfig,
}

/// Nor are the defaults that a table brings.
#[test]
fn a_program_trains_a_table_as_the_command_line_does() {
    let place = Place::new();
    let row = |i: usize| match i % 5 {
        0 => format!("{i},\n"),
        k => format!("{i},{}\n", ["a", "b", "c", "d"][k - 1]),
    };
    let rows: String = (0..80).map(row).collect();
    place.write("t.csv", format!("size,kind\n{rows}"));
    place.run("--dataset t.csv --out run --quiet");
    let file = place.join("t.csv");
    let data = load(&DataConfig::of(file.to_str().unwrap()), 42, &NoProgress).unwrap();
    let recipe = Recipe::of(Vae::default(), &data, 42).unwrap();
    let outcome = recipe.train(Backend::Flex, &mut ()).unwrap();
    outcome.model.save(&place.join("library")).unwrap();
    assert!(place.bytes("run/model.safetensors") == place.bytes("library/model.safetensors"));
    assert_eq!(place.json("run/summary.json")["epochs"], 200);
}

/// Batches, corruption, shares of labels, later stages, the best model of early stopping: nothing of it
/// is known to the command line alone. Byte for byte, in every variant.
#[test]
fn the_same_settings_give_the_same_model_in_every_variant() {
    let place = Place::new();
    for variant in Variant::all() {
        let name = variant.info().name;
        place.run(&format!(
            "--variant {name} --out {name} --hidden 24 --latent 4 --limit 600 --epochs 3 --labels 40 \
             --batch-size 50 --seed 5 --patience 1 --binarize dynamic --quiet"
        ));
        let config = String::from_utf8(place.bytes(&format!("{name}/config.toml"))).unwrap();
        let Settings {
            seed,
            data,
            variant,
            model,
            objective,
            train,
        } = toml::from_str(&config).unwrap();

        let data = load(&data, seed, &NoProgress).unwrap();
        let description =
            Description::new(variant, model, objective, &data, Binarize::Dynamic).unwrap();
        let recipe = Recipe::new(description, &data, train, seed).unwrap();
        let outcome = recipe.train(Backend::Flex, &mut ()).unwrap();
        outcome.model.save(&place.join("library")).unwrap();

        for file in ["model.safetensors", "model.json"] {
            let of = |folder: &str| place.bytes(&format!("{folder}/{file}"));
            assert!(of(name) == of("library"), "{name}: {file} differs");
        }
        // What a program saves can be sampled, without the folder of a run around it.
        if place.join(name).join("samples.png").exists() {
            place.run(&format!("sample {name} --count 3 --seed 5 --out run.npy"));
            place.run("sample library --count 3 --seed 5 --out library.npy");
            assert_same_bytes(&place, "run.npy", "library.npy");
        }
        std::fs::remove_dir_all(place.join("library")).unwrap();
    }
}
