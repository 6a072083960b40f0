//! One program, so that the models are compiled once.

mod bound;
mod complete;
mod every_variant;
mod find;
mod own_parts;
mod parity;
mod pca;
mod reads;
mod score;
mod semi;
mod tables;
mod trained;
mod walk;
