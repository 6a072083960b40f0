//! What every program here has in common: its arguments, and the turns of `turns.py`.

use std::io::BufRead;
use std::time::Instant;

/// Sizes of the VAE and of its training.
pub struct Work {
    pub hidden: usize,
    pub latent: usize,
    pub batch: usize,
    pub steps: usize,
    pub threads: usize,
}

/// Pixels of an image.
pub const FEATURES: usize = 784;
/// Images in memory.
pub const IMAGES: usize = 9000;

impl Work {
    /// From `--hidden N` and so on.
    pub fn from_arguments() -> Self {
        let mut work = Self {
            hidden: 512,
            latent: 20,
            batch: 128,
            steps: 100,
            threads: 2,
        };
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        for pair in arguments.chunks(2) {
            let value = pair.get(1).and_then(|value| value.parse().ok());
            let value: usize = value.unwrap_or_else(|| panic!("{} needs a number", pair[0]));
            match pair[0].as_str() {
                "--hidden" => work.hidden = value,
                "--latent" => work.latent = value,
                "--batch-size" => work.batch = value,
                "--steps" => work.steps = value,
                "--threads" => work.threads = value,
                other => panic!("no argument is called {other}"),
            }
        }
        work
    }

    /// Number of images in memory.
    pub fn images_in_memory(&self) -> usize {
        IMAGES.max(2 * self.batch)
    }

    /// The images of a step's batch, all over the memory as those of a shuffled epoch.
    pub fn indices(&self, step: usize) -> Vec<i64> {
        /// A prime: every image is met before one comes again.
        const STRIDE: usize = 7919;
        let first = step * self.batch;
        let image = |place: usize| (place * STRIDE % self.images_in_memory()) as i64;
        (first..first + self.batch).map(image).collect()
    }

    /// Noise for images: uniform between 0 and 1.
    pub fn images(&self) -> Vec<f32> {
        let mut state = 1_u32;
        let count = self.images_in_memory() * FEATURES;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        (0..count).map(|_| next()).collect()
    }

    /// Warms up and says so; then, for each line of the standard input, prints the median and the
    /// least time of `steps` calls in milliseconds.
    pub fn take_turns(&self, mut step: impl FnMut(usize)) {
        let mut done = 0;
        let mut time = || {
            let started = Instant::now();
            step(done);
            done += 1;
            1e3 * started.elapsed().as_secs_f64()
        };
        time();
        println!("{{\"first_step\": true}}");
        for _ in 0..20 {
            time();
        }
        println!("{{\"ready\": true}}");
        for _ in std::io::stdin().lock().lines() {
            let mut times: Vec<f64> = (0..self.steps).map(|_| time()).collect();
            times.sort_by(f64::total_cmp);
            println!(
                "{{\"median_ms\": {}, \"min_ms\": {}, \"steps\": {}}}",
                times[times.len() / 2],
                times[0],
                times.len()
            );
        }
    }
}
