//! What is compared: models and settings.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vae_core::{ObjectiveConfig, nets::ModelConfig};
use vae_data::{Binarize, HostBatch, UNLABELLED};
use vae_variants::Description;

use super::sets::{Images, Sets, first};

/// One model on one batch.
pub struct Case {
    /// Name of the case.
    pub name: &'static str,
    images: Images,
    variant: Value,
    model: Value,
    objective: Value,
    /// Whether the pass is one of training, which matters to dropout.
    pub training: bool,
    /// The stage of the training that the pass belongs to.
    pub stage: usize,
    /// Whether only the first and every other example has a label.
    pub half_labelled: bool,
    /// The noise of the pass in the order in which it is drawn.
    pub draws: Vec<Draw>,
}

/// One draw of noise for each example.
#[derive(Debug, Clone, Copy)]
pub enum Draw {
    /// That many standard normal numbers.
    Normal(usize),
    /// That many uniform numbers.
    Uniform(usize),
}

const LATENT: usize = 8;

impl Case {
    fn new(name: &'static str, variant: Value, images: Images, model: Value) -> Self {
        let gaussian = matches!(variant["name"].as_str(), Some("vae" | "beta" | "cvae"));
        Self {
            name,
            images,
            variant,
            model,
            objective: json!({}),
            training: false,
            stage: 0,
            half_labelled: false,
            draws: if gaussian {
                vec![Draw::Normal(LATENT)]
            } else {
                Vec::new()
            },
        }
    }

    fn objective(self, objective: Value) -> Self {
        Self { objective, ..self }
    }

    /// The model, before its weights.
    pub fn describe(&self, sets: &Sets) -> Description {
        let mut model = json!({"latent": LATENT, "hidden": [64, 32]});
        for (key, value) in self.model.as_object().unwrap() {
            model[key] = value.clone();
        }
        Description::new(
            parse(&self.variant),
            parse::<ModelConfig>(&model),
            parse::<ObjectiveConfig>(&self.objective),
            sets.get(self.images),
            Binarize::None,
        )
        .unwrap()
    }

    /// The examples.
    pub fn batch(&self, sets: &Sets) -> HostBatch {
        let data = sets.get(self.images);
        let mut batch = first(data, Some(&parse(&self.variant)));
        if let (true, Some(labels), Some(condition)) =
            (self.half_labelled, &mut batch.labels, &mut batch.condition)
        {
            let rows = condition.chunks_exact_mut(data.classes.len() + data.attributes.len());
            for (label, row) in labels.iter_mut().zip(rows).skip(1).step_by(2) {
                *label = UNLABELLED;
                row[..data.classes.len()].fill(0.0);
            }
        }
        batch
    }
}

fn parse<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// Every case.
pub fn all() -> Vec<Case> {
    use Images::{Counts, Digits, Odd, OddColour, Table};
    let of = |name: &str| json!({"name": name});
    let digits = |name, variant, model| Case::new(name, variant, Digits, model);
    let vae = |name, model| Case::new(name, of("vae"), Digits, model);
    let conv = |name, variant, images, more: Value| {
        let mut model = json!({"arch": "conv", "channels": [8, 16], "hidden": [32]});
        for (key, value) in more.as_object().unwrap() {
            model[key] = value.clone();
        }
        Case::new(name, variant, images, model)
    };
    let sparse = |name, kind: &str, rest: Value| {
        let mut variant = rest;
        variant["name"] = "sparse".into();
        variant["sparsity"] = kind.into();
        digits(name, variant, json!({}))
    };
    let contractive = |name, hidden: &[usize], activation: &str, code: &str| {
        let variant = json!({
            "name": "contractive", "contraction": 0.1, "jacobian": "exact", "code_activation": code,
        });
        let model = json!({"hidden": hidden, "activation": activation});
        digits(name, variant, model)
    };
    let stochastic = json!({
        "name": "contractive", "jacobian": "stochastic", "code_activation": "sigmoid",
    });
    let dae =
        |noise: &str, level: f64| json!({"name": "dae", "noise": noise, "noise_level": level});

    // A code of the posterior and one of the prior.
    let twice = vec![Draw::Normal(LATENT); 2];
    let iwae = |name, gradient: &str, model| Case {
        training: true,
        // Five codes for each example.
        draws: vec![Draw::Normal(5 * LATENT)],
        ..digits(
            name,
            json!({"name": "iwae", "samples": 5, "gradient": gradient}),
            model,
        )
    };

    let vq = json!({
        "name": "vq", "codes": 32, "code_width": 4, "groups": 6, "commitment": 0.5, "prior_epochs": 0,
    });

    let mut with_prior = vq.clone();
    with_prior["prior_epochs"] = 1.into();
    with_prior["prior_hidden"] = 12.into();

    let likelihood =
        |name, kind: &str, images| Case::new(name, of("vae"), images, json!({"likelihood": kind}));
    let semi = |case: Case| Case {
        half_labelled: true,
        // A code under each of 10 classes.
        draws: vec![Draw::Normal(10 * LATENT)],
        ..case
    };

    vec![
        vae("vae-relu", json!({})),
        vae("vae-linear", json!({"arch": "linear", "hidden": null})),
        vae("vae-gelu", json!({"activation": "gelu"})),
        vae("vae-silu", json!({"activation": "silu"})),
        vae("vae-tanh", json!({"activation": "tanh"})),
        vae("vae-leaky-relu", json!({"activation": "leaky-relu"})),
        vae("vae-sigmoid", json!({"activation": "sigmoid"})),
        vae("vae-layer-norm", json!({"norm": "layer"})),
        vae("vae-batch-norm", json!({"norm": "batch"})),
        Case {
            training: true,
            draws: vec![
                Draw::Uniform(64),
                Draw::Uniform(32),
                Draw::Normal(LATENT),
                Draw::Uniform(32),
                Draw::Uniform(64),
            ],
            ..vae("vae-dropout", json!({"dropout": 0.3}))
        },
        vae(
            "vae-continuous-bernoulli",
            json!({"likelihood": "continuous-bernoulli"}),
        ),
        vae(
            "vae-gaussian",
            json!({"likelihood": "gaussian", "sigma": 0.5}),
        ),
        vae(
            "vae-gaussian-global",
            json!({"likelihood": "gaussian-global"}),
        ),
        vae(
            "vae-gaussian-pixel",
            json!({"likelihood": "gaussian-pixel"}),
        ),
        likelihood("vae-poisson", "poisson", Counts),
        likelihood("vae-negative-binomial", "negative-binomial", Counts),
        likelihood(
            "vae-zero-inflated",
            "zero-inflated-negative-binomial",
            Counts,
        ),
        likelihood("vae-multinomial", "multinomial", Counts),
        likelihood("vae-categorical", "categorical", Odd),
        likelihood("vae-discretized-logistic", "discretized-logistic", Odd),
        conv(
            "vae-discretized-logistic-conv",
            of("vae"),
            OddColour,
            json!({"likelihood": "discretized-logistic"}),
        ),
        Case::new("vae-per-column", of("vae"), Table, json!({})),
        Case::new("ae-per-column", of("ae"), Table, json!({})),
        Case {
            training: true,
            draws: vec![Draw::Normal(5 * LATENT)],
            ..Case::new(
                "iwae-per-column",
                json!({"name": "iwae", "samples": 5}),
                Table,
                json!({}),
            )
        },
        Case::new("dae-per-column", dae("masking", 0.4), Table, json!({})),
        vae("vae-free-bits", json!({})).objective(json!({"free_bits": 0.1})),
        vae("vae-warm-up", json!({})).objective(
            json!({"kl_schedule": {"kind": "linear", "from": 0.1, "to": 1.0, "until": 0.5}}),
        ),
        conv("vae-conv", of("vae"), Digits, json!({})),
        conv(
            "vae-conv-odd",
            of("vae"),
            Odd,
            json!({"activation": "gelu"}),
        ),
        conv(
            "vae-conv-odd-colour-pixel",
            of("vae"),
            OddColour,
            json!({"likelihood": "gaussian-pixel"}),
        ),
        conv(
            "vae-conv-resize",
            of("vae"),
            Digits,
            json!({"upsample": "resize"}),
        ),
        conv(
            "vae-conv-resize-odd",
            of("vae"),
            OddColour,
            json!({"upsample": "resize"}),
        ),
        conv(
            "vae-conv-layer-norm",
            of("vae"),
            Odd,
            json!({"norm": "layer"}),
        ),
        conv(
            "vae-conv-batch-norm",
            of("vae"),
            Odd,
            json!({"norm": "batch"}),
        ),
        conv(
            "vae-resnet",
            of("vae"),
            OddColour,
            json!({"arch": "resnet", "norm": "layer", "activation": "silu"}),
        ),
        conv(
            "vae-resnet-resize",
            of("vae"),
            Digits,
            json!({"arch": "resnet", "upsample": "resize"}),
        ),
        vae(
            "vae-prior-mixture",
            json!({"prior": "mixture", "prior_components": 7}),
        ),
        vae(
            "vae-prior-vamp",
            json!({"prior": "vamp", "prior_components": 9}),
        ),
        conv(
            "vae-prior-vamp-conv",
            of("vae"),
            Odd,
            json!({"prior": "vamp", "prior_components": 5}),
        ),
        vae(
            "vae-prior-flow",
            json!({"prior": "flow", "flow_steps": 3, "flow_hidden": 20}),
        ),
        vae(
            "vae-posterior-flow",
            json!({"posterior": "flow", "flow_steps": 3, "flow_hidden": 20}),
        ),
        digits(
            "beta-both-flow",
            json!({"name": "beta", "beta": 3}),
            json!({"prior": "flow", "posterior": "flow"}),
        ),
        digits("beta", json!({"name": "beta", "beta": 4}), json!({})),
        digits(
            "beta-cosine",
            json!({"name": "beta", "beta": {"kind": "cosine", "from": 1, "to": 8}}),
            json!({}),
        ),
        digits(
            "beta-capacity",
            json!({"name": "beta", "beta": 4}),
            json!({}),
        )
        .objective(json!({"capacity": {"kind": "linear", "to": 25}, "capacity_weight": 30})),
        digits("cvae", of("cvae"), json!({})),
        Case::new("cvae-attributes", of("cvae"), Odd, json!({})),
        conv("cvae-conv", of("cvae"), Digits, json!({})),
        conv(
            "cvae-conv-odd",
            of("cvae"),
            Odd,
            json!({"activation": "silu"}),
        ),
        conv(
            "cvae-conv-prior-vamp",
            of("cvae"),
            Odd,
            json!({"prior": "vamp", "prior_components": 4}),
        ),
        iwae("iwae", "standard", json!({"likelihood": "gaussian-pixel"})),
        iwae("iwae-doubly", "doubly-reparameterized", json!({})),
        iwae("iwae-doubly-warm-up", "doubly-reparameterized", json!({})).objective(
            json!({"kl_schedule": {"kind": "linear", "from": 0.1, "to": 1.0, "until": 0.5}}),
        ),
        iwae(
            "iwae-prior-vamp",
            "standard",
            json!({"prior": "vamp", "prior_components": 6}),
        ),
        iwae(
            "iwae-doubly-prior-mixture",
            "doubly-reparameterized",
            json!({"prior": "mixture", "prior_components": 6}),
        ),
        iwae(
            "iwae-both-flow",
            "standard",
            json!({"prior": "flow", "posterior": "flow", "flow_steps": 2, "flow_hidden": 20}),
        ),
        Case {
            draws: twice.clone(),
            ..digits("vaegan", of("vaegan"), json!({}))
        },
        Case {
            draws: twice.clone(),
            ..digits(
                "vaegan-both-flow",
                of("vaegan"),
                json!({"prior": "flow", "posterior": "flow", "flow_steps": 3, "flow_hidden": 20}),
            )
        },
        Case {
            draws: twice.clone(),
            ..digits(
                "vaegan-minimax",
                json!({
                    "name": "vaegan",
                    "game": "minimax",
                    "gamma": {"kind": "linear", "from": 1, "to": 0.1},
                }),
                json!({"likelihood": "gaussian-pixel", "norm": "layer", "activation": "gelu"}),
            )
        },
        Case {
            draws: twice,
            ..conv("vaegan-conv", of("vaegan"), Odd, json!({}))
        },
        semi(digits("semi", of("semi"), json!({}))),
        semi(Case::new(
            "semi-attributes",
            json!({"name": "semi", "alpha": {"kind": "linear", "from": 1, "to": 0.1}}),
            Odd,
            json!({"likelihood": "gaussian-pixel", "norm": "layer", "activation": "gelu"}),
        )),
        semi(conv("semi-conv", of("semi"), Odd, json!({}))),
        semi(digits(
            "semi-prior-vamp",
            of("semi"),
            json!({"prior": "vamp", "prior_components": 6}),
        )),
        semi(digits(
            "semi-both-flow",
            of("semi"),
            json!({"prior": "flow", "posterior": "flow", "flow_steps": 2, "flow_hidden": 20}),
        )),
        Case {
            // From the top down.
            draws: [4, LATENT].map(Draw::Normal).to_vec(),
            ..digits("hvae", of("hvae"), json!({}))
        },
        Case {
            draws: [3, 7, 5].map(Draw::Normal).to_vec(),
            ..conv(
                "hvae-3-levels-conv",
                json!({"name": "hvae", "levels": 3, "widths": [5, 7, 3], "level_hidden": 24}),
                Odd,
                json!({"activation": "gelu", "norm": "layer"}),
            )
        }
        .objective(json!({"free_bits": 1.5})),
        digits("vq", vq.clone(), json!({})),
        conv("vq-conv", vq.clone(), Odd, json!({"norm": "layer"})),
        Case {
            stage: 1,
            ..digits("vq-index-prior", with_prior.clone(), json!({}))
        },
        Case {
            stage: 1,
            ..conv("vq-index-prior-conv", with_prior, Odd, json!({}))
        },
        conv(
            "vq-resnet",
            vq,
            OddColour,
            json!({"arch": "resnet", "upsample": "resize"}),
        ),
        digits("ae", of("ae"), json!({})),
        digits("ae-tied", of("ae"), json!({"tied": true})),
        digits(
            "ae-tied-layer-norm",
            of("ae"),
            json!({"tied": true, "norm": "layer", "likelihood": "gaussian"}),
        ),
        digits("dae-masking", dae("masking", 0.3), json!({})),
        digits("dae-gaussian", dae("gaussian", 0.2), json!({})),
        digits("dae-salt-pepper", dae("salt-pepper", 0.2), json!({})),
        conv("dae-block-conv", dae("block", 0.25), Digits, json!({})),
        sparse("sparse-kl", "kl", json!({"rho": 0.1, "sparsity_weight": 3})),
        sparse("sparse-l1", "l1", json!({"sparsity_weight": 0.2})),
        sparse("sparse-top-k", "top-k", json!({"k": 3})),
        contractive("contractive-0", &[], "tanh", "sigmoid"),
        contractive("contractive-1-sigmoid", &[40], "sigmoid", "sigmoid"),
        contractive("contractive-1-tanh", &[40], "tanh", "tanh"),
        contractive("contractive-2-sigmoid", &[40, 24], "sigmoid", "sigmoid"),
        contractive("contractive-2-tanh", &[40, 24], "tanh", "sigmoid"),
        contractive("contractive-3-gelu", &[40, 24, 16], "gelu", "identity"),
        Case {
            draws: vec![Draw::Normal(28 * 28)],
            ..digits(
                "contractive-stochastic",
                stochastic.clone(),
                json!({"activation": "tanh"}),
            )
        },
        Case {
            draws: vec![Draw::Normal(28 * 28)],
            ..conv(
                "contractive-stochastic-conv",
                stochastic,
                Digits,
                json!({"activation": "silu"}),
            )
        },
    ]
}
