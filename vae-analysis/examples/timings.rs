//! How long the parts take, on made rows: `cargo run -p vae-analysis --example timings -- [part]`.

use std::time::Instant;

use vae_analysis::*;

/// Rows about ten centres, with a generator that is good enough for that; and the number of each one's centre.
fn rows(count: usize, width: usize, mut state: u64, spread: f32) -> (Vec<f32>, Vec<u32>) {
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let mut normal =
        move || (0..6).map(|_| uniform() - 0.5).sum::<f32>() * std::f32::consts::SQRT_2;
    let centres: Vec<f32> = (0..10 * width)
        .map(|i| ((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0)
        .collect();
    let labels: Vec<u32> = (0..count).map(|i| ((i * 7) % 10) as u32).collect();
    let values = labels
        .iter()
        .flat_map(|l| centres[*l as usize * width..][..width].to_vec());
    let values = values.map(|v| v * spread + normal()).collect();
    (values, labels)
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = run();
    println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    value
}

fn main() -> Result<()> {
    let part = std::env::args().nth(1).unwrap_or_default();
    let wanted = |name: &str| part.is_empty() || part == name;
    if wanted("mixture") {
        let (values, _) = rows(60_000, 10, 1, 2.0);
        let (other, _) = rows(10_000, 10, 2, 2.0);
        let (train, validation) = (Rows::new(&values, 10)?, Rows::new(&other, 10)?);
        let numbers = [1, 2, 5, 10, 20, 50];
        let choice = timed("mixture, 60000 x 10, choose of 1, 2, 5, 10, 20, 50", || {
            Mixture::choose(train, validation, &numbers, 1)
        })?;
        println!("  {:?}", choice.candidates);
    }
    if wanted("index") {
        let (values, _) = rows(60_000, 20, 1, 1.0);
        let ids: Vec<u64> = (0..60_000).collect();
        let mut index = Index::new(20, IndexOptions::default())?;
        timed("index, 60000 x 20, build", || {
            index.add(Rows::new(&values, 20)?, &ids)
        })?;
        let (queries, _) = rows(10_000, 20, 2, 1.0);
        let queries = Rows::new(&queries, 20)?;
        timed("  10000 queries, k 10", || {
            queries
                .iter()
                .try_for_each(|query| index.search(query, 10).map(|_| ()))
        })?;
        println!(
            "  recall@10 {:.4}",
            timed("  recall", || index.recall(queries, 10))?
        );
        let path = std::env::temp_dir().join("vae-analysis-timings.index");
        timed("  save", || index.save(&path))?;
        timed("  load", || Index::load(&path))?;
        let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
        println!("  {bytes} bytes");
        _ = std::fs::remove_file(&path);
    }
    if wanted("tsne") {
        let (values, _) = rows(10_000, 20, 1, 1.0);
        timed("t-SNE, 10000 x 20", || {
            tsne(Rows::new(&values, 20)?, TsneOptions::default(), |_| {
                std::ops::ControlFlow::Continue(())
            })
        })?;
    }
    if wanted("probe") {
        for width in [10, 784] {
            let (values, labels) = rows(60_000, width, 1, 0.3);
            let (other, other_labels) = rows(10_000, width, 2, 0.3);
            let (train, test) = (Rows::new(&values, width)?, Rows::new(&other, width)?);
            let probe = timed(&format!("probe, 60000 x {width}"), || {
                Probe::fit(train, &labels, ProbeOptions::default())
            })?;
            let accuracy = probe.accuracy(test, &other_labels)?;
            println!("  converged {}, {accuracy:?}", probe.converged());
        }
    }
    if wanted("neighbours") {
        let (values, labels) = rows(60_000, 784, 1, 0.3);
        let (other, other_labels) = rows(10_000, 784, 2, 0.3);
        let (train, test) = (Rows::new(&values, 784)?, Rows::new(&other, 784)?);
        let accuracy = timed("neighbours, 10000 of 60000 x 784, k 5", || {
            knn_accuracy((train, &labels), (test, &other_labels), 5)
        })?;
        println!("  {accuracy:?}");
    }
    if wanted("pca") {
        let (values, _) = rows(60_000, 784, 1, 0.3);
        let rows = Rows::new(&values, 784)?;
        let pca = timed("PCA, 60000 x 784, 50 components", || Pca::fit(rows, 50))?;
        timed("  transform", || pca.transform(rows))?;
        let gaussian = timed("Gaussian, 60000 x 784", || Gaussian::fit(rows, 0.0))?;
        timed("  distances", || gaussian.distances(rows))?;
    }
    Ok(())
}
