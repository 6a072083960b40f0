//! What each subcommand does.

pub mod backends;
pub mod bench;
pub mod completions;
pub mod config;
pub mod datasets;
mod figures;
pub mod sample;
pub mod train;
pub mod variants;
