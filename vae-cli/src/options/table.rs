//! The flags of the settings that every variant has.

/// Heading of the flags on the run as a whole.
pub const RUN: &str = "Run";
const DATA: &str = "Data";
const MODEL: &str = "Model";
const OBJECTIVE: &str = "Objective";
const TRAINING: &str = "Training";

/// A flag, without dashes; its key; the name of its value; its help; what holds where there is no
/// default value.
pub struct Flag(
    pub &'static str,
    pub &'static str,
    pub &'static str,
    pub &'static str,
    pub &'static str,
);

/// The flags on the run as a whole.
pub const RUN_FLAGS: &[Flag] = &[
    Flag(
        "variant",
        "variant.name",
        "NAME",
        "What to train; see Variants below",
        "",
    ),
    Flag("seed", "seed", "N", "Seed of all randomness", ""),
    Flag(
        "backend",
        "backend",
        "NAME",
        "What computes, see `vae backends`",
        "",
    ),
    Flag(
        "ops",
        "ops",
        "KIND",
        "How flex and ndarray compute: with fused kernels, or with plain tensor operations to \
         check them",
        "",
    ),
    Flag(
        "threads",
        "threads",
        "N",
        "Threads; 0 means one for each core",
        "",
    ),
    Flag(
        "out",
        "out",
        "DIR",
        "Folder of the run, new or empty",
        "a new folder in runs/",
    ),
];

/// The flags of all other settings, under their headings.
pub const GROUPS: &[(&str, &[Flag])] = &[
    (
        DATA,
        &[
            Flag(
                "dataset",
                "data.dataset",
                "NAME|PATH",
                "A name of `vae datasets`, or a folder of images, an IDX, .npy, .npz, .csv or \
                 .tsv file",
                "",
            ),
            Flag(
                "data-dir",
                "data.data_dir",
                "DIR",
                "Where the files of datasets are looked for, and downloaded to",
                "the user's cache folder",
            ),
            Flag(
                "codes-of",
                "codes_of",
                "RUN",
                "Train on the codes that the encoder of an earlier run gives for the data, instead of \
                 on the data; those of a VAE are drawn anew in each epoch",
                "the data themselves",
            ),
            Flag(
                "image-size",
                "data.image_size",
                "H[xW]",
                "Size that the images of a folder are resized to, e.g. 32 or 32x48",
                "their own",
            ),
            Flag(
                "color",
                "data.color",
                "MODE",
                "Channels of the images of a folder",
                "",
            ),
            Flag(
                "label",
                "data.label",
                "COLUMN",
                "Column of a table that holds the class",
                "none",
            ),
            Flag(
                "condition",
                "data.condition",
                "COLUMN,...",
                "Numeric columns of a table to condition on; may be repeated",
                "none",
            ),
            Flag("scale", "data.scale", "MODE", "How features are scaled", ""),
            Flag(
                "validation",
                "data.validation",
                "PART",
                "Part of the examples kept for validation, at least 0 and below 1",
                "",
            ),
            Flag(
                "test",
                "data.test",
                "PART",
                "Part kept for testing where the dataset has no test split of its own",
                "",
            ),
            Flag(
                "binarize",
                "data.binarize",
                "MODE",
                "How values become 0 or 1",
                "",
            ),
            Flag(
                "limit",
                "data.limit",
                "N",
                "Train on only this many examples, chosen at random",
                "all",
            ),
            Flag(
                "labels",
                "data.labels",
                "N",
                "Keep the labels of only this many training examples, of each class as many, and \
                 treat the rest as unlabelled",
                "all",
            ),
            Flag(
                "mirror",
                "data.mirror",
                "URL",
                "Where to download datasets from",
                "the public mirrors",
            ),
            Flag(
                "skip-bad",
                "data.skip_bad",
                "",
                "Skip images that cannot be decoded, with a warning",
                "",
            ),
        ],
    ),
    (
        MODEL,
        &[
            Flag("arch", "model.arch", "KIND", "Kind of network", ""),
            Flag(
                "latent",
                "model.latent",
                "N",
                "Width of the latent code, at least 1",
                "",
            ),
            Flag(
                "hidden",
                "model.hidden",
                "N,...",
                "Widths of the dense hidden layers from the data inwards; '' for none",
                "512,256 for mlp, 256 for conv and resnet",
            ),
            Flag(
                "channels",
                "model.channels",
                "N,...",
                "Channels of the convolutions, each halving the resolution",
                "",
            ),
            Flag(
                "upsample",
                "model.upsample",
                "HOW",
                "How a convolutional decoder doubles the resolution",
                "",
            ),
            Flag(
                "activation",
                "model.activation",
                "NAME",
                "Activation of the hidden layers",
                "",
            ),
            Flag(
                "norm",
                "model.norm",
                "KIND",
                "Normalisation of the hidden layers",
                "",
            ),
            Flag(
                "dropout",
                "model.dropout",
                "P",
                "Probability that a hidden unit is dropped, at least 0 and below 1",
                "",
            ),
            Flag(
                "tied",
                "model.tied",
                "",
                "Let the decoder use the encoder's weights transposed; dense networks only",
                "",
            ),
            Flag(
                "likelihood",
                "model.likelihood",
                "KIND",
                "Distribution of the data given the code",
                "bernoulli for images in [0, 1], gaussian-pixel for codes, else gaussian",
            ),
            Flag(
                "sigma",
                "model.sigma",
                "S",
                "Standard deviation of the gaussian likelihood, above 0",
                "",
            ),
            Flag(
                "prior",
                "model.prior",
                "KIND",
                "Prior over the codes: N(0, I), or learned: a mixture of Gaussians, the posteriors of \
                 pseudo-inputs (VampPrior), or a coupling flow",
                "normal",
            ),
            Flag(
                "prior-components",
                "model.prior_components",
                "N",
                "Components of the mixture prior, or pseudo-inputs of vamp, at least 1",
                "100",
            ),
            Flag(
                "posterior",
                "model.posterior",
                "KIND",
                "Posterior over the codes: a diagonal Gaussian, or one reshaped by an inverse \
                 autoregressive flow",
                "gaussian",
            ),
            Flag(
                "flow-steps",
                "model.flow_steps",
                "N",
                "Steps of a flow, in prior or posterior, at least 1",
                "4",
            ),
            Flag(
                "flow-hidden",
                "model.flow_hidden",
                "N",
                "Width of the hidden layer of a flow's networks, at least 1",
                "64",
            ),
        ],
    ),
    (
        OBJECTIVE,
        &[
            Flag(
                "kl-schedule",
                "objective.kl_schedule",
                "SCHEDULE",
                "Factor of the KL term: a number or a schedule, e.g. \
                 '{ kind = \"linear\", to = 1, until = 0.25 }' to warm up",
                "",
            ),
            Flag(
                "free-bits",
                "objective.free_bits",
                "NATS",
                "Nats that each latent dimension, or each level of hvae, may use free of charge, at least 0",
                "",
            ),
            Flag(
                "capacity",
                "objective.capacity",
                "SCHEDULE",
                "Target of the KL in nats, a number or a schedule",
                "none",
            ),
            Flag(
                "capacity-weight",
                "objective.capacity_weight",
                "W",
                "Weight of the KL's distance from --capacity, at least 0",
                "",
            ),
            Flag(
                "aggressive",
                "objective.aggressive",
                "N",
                "Against a collapse: at first the encoder moves alone, for up to N steps, before each \
                 step of the decoder; 0 for no such lead, 100 in He 2019, 20 for small data",
                "",
            ),
        ],
    ),
    (
        TRAINING,
        &[
            Flag(
                "epochs",
                "train.epochs",
                "N",
                "Passes over the training split",
                "",
            ),
            Flag(
                "max-steps",
                "train.max_steps",
                "N",
                "Stop after this many steps even if epochs are left",
                "none",
            ),
            Flag(
                "batch-size",
                "train.batch_size",
                "N",
                "Examples per step",
                "",
            ),
            Flag(
                "lr",
                "train.lr",
                "SCHEDULE",
                "Learning rate, a number or a schedule",
                "",
            ),
            Flag(
                "optimizer",
                "train.optimizer.kind",
                "KIND",
                "Optimizer; for its own settings --set train.optimizer.beta1=0.5 and the like",
                "",
            ),
            Flag(
                "clip-norm",
                "train.clip_norm",
                "X",
                "Limit of the joint norm of all gradients, above 0",
                "none",
            ),
            Flag(
                "clip-value",
                "train.clip_value",
                "X",
                "Limit of every gradient entry's size, above 0",
                "none",
            ),
            Flag(
                "nll-samples",
                "train.nll_samples",
                "N",
                "Estimate the test data's log-likelihood at the end, from that many codes for each \
                 example; some thousands for a figure to publish",
                "none",
            ),
            Flag(
                "patience",
                "train.patience",
                "N",
                "Stop when the validation loss has not improved for this many epochs, and keep \
                 the best model",
                "none",
            ),
        ],
    ),
];
