//! Eigenvalues and eigenvectors of a symmetric matrix: Householder's tridiagonal form, then implicit QL (Bowdler, Martin,
//! Reinsch and Wilkinson 1968; `tred2` and `tql2` of EISPACK).

/// Most QL steps for one eigenvalue; two are usual.
const STEPS: usize = 100;

/// Eigenvalues from the largest, and their eigenvectors of length 1, one row each. `matrix` is `[width, width]`, symmetric,
/// and is overwritten.
pub(crate) fn symmetric(matrix: Vec<f64>, width: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (mut diagonal, mut off, mut vectors) = tridiagonal(matrix, width);
    diagonalise(&mut diagonal, &mut off, &mut vectors);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|a, b| diagonal[*b].total_cmp(&diagonal[*a]));
    let values = order.iter().map(|i| diagonal[*i]).collect();
    let vectors = order
        .iter()
        .map(|i| std::mem::take(&mut vectors[*i]))
        .collect();
    (values, vectors)
}

/// Diagonal and off-diagonal of `Q^T matrix Q`, and the rows of `Q^T`.
fn tridiagonal(mut matrix: Vec<f64>, width: usize) -> (Vec<f64>, Vec<f64>, Vec<Vec<f64>>) {
    let mut off = vec![0.0; width];
    let mut reflections: Vec<Vec<f64>> = Vec::new();
    for k in 0..width.saturating_sub(1) {
        let from = k + 1;
        let mut v: Vec<f64> = matrix[k * width + from..(k + 1) * width].to_vec();
        let length = dot(&v, &v).sqrt();
        let value = if v[0] > 0.0 { -length } else { length };
        let straight = v[1..].iter().all(|x| *x == 0.0);
        off[k] = if straight { v[0] } else { value };
        if straight {
            reflections.push(Vec::new());
            continue;
        }
        v[0] -= value;
        let length = dot(&v, &v).sqrt();
        v.iter_mut().for_each(|x| *x /= length);
        // The rest B becomes B - v w^T - w v^T with w = 2 B v - (2 v^T B v) v.
        let rest = |i: usize| (from + i) * width + from..(from + i + 1) * width;
        let mut w: Vec<f64> = (0..v.len())
            .map(|i| 2.0 * dot(&matrix[rest(i)], &v))
            .collect();
        let along = dot(&w, &v);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w -= along * v);
        for i in 0..v.len() {
            let (vi, wi) = (v[i], w[i]);
            for ((b, v), w) in matrix[rest(i)].iter_mut().zip(&v).zip(&w) {
                *b -= vi * w + wi * v;
            }
        }
        reflections.push(v);
    }
    let diagonal = (0..width).map(|i| matrix[i * width + i]).collect();
    drop(matrix);
    let mut vectors: Vec<Vec<f64>> = (0..width)
        .map(|i| (0..width).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    for (k, v) in reflections
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, v)| !v.is_empty())
    {
        for row in &mut vectors[k + 1..] {
            let along = 2.0 * dot(&row[k + 1..], v);
            row[k + 1..]
                .iter_mut()
                .zip(v)
                .for_each(|(q, v)| *q -= along * v);
        }
    }
    (diagonal, off, vectors)
}

fn diagonalise(d: &mut [f64], e: &mut [f64], vectors: &mut [Vec<f64>]) {
    let width = d.len();
    for l in 0..width {
        for _ in 0..STEPS {
            let small = |m: &usize| e[*m].abs() <= f64::EPSILON * (d[*m].abs() + d[*m + 1].abs());
            let m = (l..width - 1).find(small).unwrap_or(width - 1);
            if m == l {
                break;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut whole = true;
            for i in (l..m).rev() {
                let f = s * e[i];
                let b = c * e[i];
                let r = f64::hypot(f, g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    whole = false;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                rotate(vectors, i, s, c);
            }
            if whole {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
}

fn rotate(vectors: &mut [Vec<f64>], i: usize, s: f64, c: f64) {
    let [first, second] = &mut vectors[i..i + 2] else {
        unreachable!("two rows")
    };
    for (a, b) in first.iter_mut().zip(second) {
        let before = *b;
        *b = s * *a + c * before;
        *a = c * *a - s * before;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a_whole, a_rest) = a.as_chunks::<8>();
    let (b_whole, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for i in 0..8 {
            lanes[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: [[2, 1], [1, 2]] has 3 along (1, 1) and 1 along (1, -1).
    #[test]
    fn two_by_hand() {
        let (values, vectors) = symmetric(vec![2.0, 1.0, 1.0, 2.0], 2);
        assert!((values[0] - 3.0).abs() < 1e-15 && (values[1] - 1.0).abs() < 1e-15);
        assert!((vectors[0][0] - vectors[0][1]).abs() < 1e-15);
    }

    #[test]
    fn vectors_are_orthogonal_and_give_the_matrix_back() {
        for width in [1, 2, 3, 17, 40] {
            let entry = |i: usize, j: usize| (((i * j + i + j) * 7919) % 101) as f64 / 50.0 - 1.0;
            // Rows of zeros and a repeated eigenvalue are the special cases.
            let value = |i: usize, j: usize| if i.min(j) % 5 == 3 { 0.0 } else { entry(i, j) };
            let matrix: Vec<f64> = (0..width * width)
                .map(|at| value(at / width, at % width))
                .collect();
            let (values, vectors) = symmetric(matrix.clone(), width);
            for i in 0..width {
                for j in 0..width {
                    let unit = f64::from(u8::from(i == j));
                    assert!(
                        (dot(&vectors[i], &vectors[j]) - unit).abs() < 1e-12,
                        "{width}: {i} {j}"
                    );
                    let back: f64 = (0..width)
                        .map(|k| values[k] * vectors[k][i] * vectors[k][j])
                        .sum();
                    assert!(
                        (back - matrix[i * width + j]).abs() < 1e-11,
                        "{width}: {i} {j}: {back}"
                    );
                }
            }
        }
    }
}
