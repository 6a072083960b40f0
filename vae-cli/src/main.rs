//! The vae binary.
fn main() {}
