//! Rows for the tests.

/// Rows about `centres`, one after the other, with the standard deviation `spread`; and the number of each one's centre.
pub fn blobs(count: usize, centres: &[&[f32]], spread: f32, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut state = seed;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    // Twelve uniform numbers less six have variance 1.
    let mut normal = move || (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
    let labels: Vec<u32> = (0..count).map(|i| (i % centres.len()) as u32).collect();
    let values = labels
        .iter()
        .flat_map(|l| centres[*l as usize].iter().copied());
    (values.map(|v| v + spread * normal()).collect(), labels)
}
