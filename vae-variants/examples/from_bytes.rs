//! A trained model as bytes in memory, such as a program embeds or receives, to new images: no file is read
//! or written.
//!
//! ```sh
//! cargo run -p vae-variants --example from_bytes
//! ```

use vae_variants::prelude::*;

/// What a program would get by `include_bytes!` or over a network.
fn received() -> Result<ModelBytes, Box<dyn std::error::Error>> {
    let config = DataConfig {
        limit: Some(2000),
        ..DataConfig::default()
    };
    let data = load(&config, 42, &NoProgress)?;
    let outcome = Recipe::of(Cvae::default(), &data, 42)?.train(Backend::Flex, &mut ())?;
    Ok(outcome.model.to_bytes()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bytes = received()?;
    println!("{} bytes", bytes.description.len() + bytes.parameters.len());
    let model = Trained::from_bytes(bytes, Backend::Flex)?;
    let seven = model.condition("7").ok_or("no such class")?;
    let image = model.sample(1, &[seven], 1)?;
    for row in image.chunks(28) {
        let shade = |value: &f32| [' ', '.', 'o', '#'][(value * 3.99) as usize];
        println!("{}", row.iter().map(shade).collect::<String>());
    }
    Ok(())
}
