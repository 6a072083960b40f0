//! Times the reading of a table, by itself or with its splits and scales.
//!
//! ```sh
//! cargo run --release -p vae-data --example read_table -- write big.csv 1000000
//! /usr/bin/time -v target/release/examples/read_table read big.csv
//! /usr/bin/time -v target/release/examples/read_table load big.csv
//! ```
//!
//! `write` makes a table of 20 columns: eight of numbers, six of categories, two of dates, four of numbers
//! with gaps. It depends on nothing but the number of rows.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use vae_data::random::{Stream, below, fill_normal, rng};
use vae_data::{DataConfig, NoProgress, load, open};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let begun = Instant::now();
    match arguments[..] {
        ["write", path, rows] => write(Path::new(path), rows.parse()?)?,
        ["read", path] => {
            let source = open(&DataConfig::of(path), &NoProgress)?;
            println!("{} rows", source.train.len());
        }
        ["load", path] => {
            let data = load(&DataConfig::of(path), 1, &NoProgress)?;
            println!("{} rows for training, of {}", data.train.len(), data.shape);
        }
        _ => return Err("usage: read_table write FILE ROWS | read FILE | load FILE".into()),
    }
    println!("{:.2} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn write(path: &Path, rows: u64) -> Result<(), Box<dyn Error>> {
    const LEVELS: [usize; 6] = [2, 3, 7, 30, 200, 1000];
    let mut file = BufWriter::new(File::create(path)?);
    let names = (0..8).map(|i| format!("number{i}"));
    let names = names.chain((0..6).map(|i| format!("category{i}")));
    let names = names.chain((0..2).map(|i| format!("date{i}")));
    let names = names.chain((0..4).map(|i| format!("gaps{i}")));
    writeln!(file, "{}", names.collect::<Vec<_>>().join(","))?;
    for row in 0..rows {
        let mut rng = rng(1, Stream::Other, row);
        let mut numbers = [0.0; 12];
        fill_normal(&mut rng, &mut numbers);
        let mut cells: Vec<String> = numbers[..8].iter().map(|n| format!("{n:.4}")).collect();
        cells.extend(LEVELS.map(|levels| format!("level{}", below(&mut rng, levels))));
        for _ in 0..2 {
            let (month, day) = (1 + below(&mut rng, 12), 1 + below(&mut rng, 28));
            cells.push(format!("20{:02}-{month:02}-{day:02}", below(&mut rng, 25)));
        }
        cells.extend(numbers[8..].iter().map(|number| match below(&mut rng, 10) {
            0 => String::new(),
            _ => format!("{number:.2}"),
        }));
        writeln!(file, "{}", cells.join(","))?;
    }
    Ok(file.flush()?)
}
