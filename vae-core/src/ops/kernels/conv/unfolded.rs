//! Convolutions of many channels and few pixels: all images of a batch in one product.
//!
//! The weight of such a layer is larger than its images, and to go through it once for each image takes most of
//! the time. Here every place of the kernel is a row, of the values under the kernel in the order of the weight,
//! so that the weight and its gradient stay as they are; a batch of such rows is multiplied at once.

use std::ops::Range;

use super::{Image, Plan};

/// Values of the rows of a batch that are held at the same time: 16 MiB.
const HELD: usize = 1 << 22;
/// Places of the kernel up to which a layer is computed in this way: with more of them the rows take more
/// time than they save.
const FEW: usize = 64;
/// Values of a weight from which on it pays.
const LARGE: usize = 1 << 14;

impl Plan {
    /// Whether this is the faster way, which depends on the sizes of the layer alone.
    pub fn is_wide(&self) -> bool {
        let (from, to) = (self.row_length(), self.coarse.channels);
        self.positions() <= FEW && from * to >= LARGE
    }

    /// Rows of an image: one for each pixel of the coarse image.
    pub fn positions(&self) -> usize {
        self.coarse.height * self.coarse.width
    }

    /// Values of a row: those of a coarse channel's part of the weight.
    pub fn row_length(&self) -> usize {
        self.weight_row()
    }

    /// Ranges of images whose rows are held at the same time.
    pub fn pieces(&self, batch: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let most = (HELD / (self.positions() * self.row_length())).max(1);
        let size = batch.div_ceil(batch.div_ceil(most).max(1)).max(1);
        (0..batch)
            .step_by(size)
            .map(move |start| start..batch.min(start + size))
    }

    /// Calls `pixel(place in a row, pixel of the fine image)` for all that is under the kernel at `position`.
    #[inline(always)]
    fn under(&self, position: usize, mut pixel: impl FnMut(usize, usize)) {
        let (kernel, stride) = (self.window.kernel, self.window.stride);
        let corner = [
            position / self.coarse.width * stride,
            position % self.coarse.width * stride,
        ];
        let Image { height, width, .. } = self.fine;
        // The kernel's rows and columns that lie within the image.
        let within = |corner: usize, size: usize| {
            let padding = self.window.padding;
            padding.saturating_sub(corner)..kernel.min((size + padding).saturating_sub(corner))
        };
        let columns = within(corner[1], width);
        for y in within(corner[0], height) {
            let row = (corner[0] + y - self.window.padding) * width;
            for x in columns.clone() {
                pixel(y * kernel + x, row + corner[1] + x - self.window.padding);
            }
        }
    }

    /// The rows of a fine image: `[position, channel, kernel, kernel]`.
    pub fn unfold(&self, fine: &[f32], rows: &mut [f32]) {
        let (channels, area) = (self.fine.channels, self.window.kernel.pow(2));
        for (position, row) in rows.chunks_exact_mut(self.row_length()).enumerate() {
            let mut seen = 0;
            self.under(position, |_, _| seen += 1);
            if seen < area {
                row.fill(0.0);
            }
            self.under(position, |place, pixel| {
                let values = &fine[pixel * channels..][..channels];
                for (out, &value) in row[place..].iter_mut().step_by(area).zip(values) {
                    *out = value;
                }
            });
        }
    }

    /// The adjoint of [`Plan::unfold`]: each pixel is the sum of what stands for it in the rows.
    pub fn fold(&self, rows: &[f32], fine: &mut [f32]) {
        let (channels, area) = (self.fine.channels, self.window.kernel.pow(2));
        fine.fill(0.0);
        for (position, row) in rows.chunks_exact(self.row_length()).enumerate() {
            self.under(position, |place, pixel| {
                let values = &mut fine[pixel * channels..][..channels];
                for (value, &part) in values.iter_mut().zip(row[place..].iter().step_by(area)) {
                    *value += part;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Window;

    fn plan(window: Window, [height, width]: [usize; 2], channels: [usize; 2]) -> Plan {
        let fine = Image {
            height,
            width,
            channels: channels[0],
        };
        let coarse = Image {
            height: window.coarse(height).unwrap(),
            width: window.coarse(width).unwrap(),
            channels: channels[1],
        };
        Plan::new(window, fine, coarse)
    }

    /// By hand: of 2 x 3 pixels with two channels, padded by one, each place of a kernel of 2 with stride 2 sees
    /// one corner or one pair of the second column.
    #[test]
    fn rows_by_hand() {
        let window = Window {
            kernel: 2,
            stride: 2,
            padding: 1,
        };
        let plan = plan(window, [2, 3], [2, 1]);
        // The values of the second channel are ten times those of the first.
        let fine: Vec<f32> = (1..=6).flat_map(|i| [i as f32, 10.0 * i as f32]).collect();
        let mut rows = vec![f32::NAN; 4 * 8];
        plan.unfold(&fine, &mut rows);
        let expected = [
            [0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 2.0, 3.0],
            [0.0, 4.0, 0.0, 0.0],
            [5.0, 6.0, 0.0, 0.0],
        ];
        for (row, expected) in rows.chunks(8).zip(expected) {
            assert_eq!(row[..4], expected);
            assert_eq!(row[4..], expected.map(|value| 10.0 * value));
        }
        let mut back = vec![f32::NAN; fine.len()];
        plan.fold(&rows, &mut back);
        assert_eq!(back, fine, "no pixel is under two places");
    }

    #[test]
    fn pieces_cover_a_batch_once() {
        let window = Window {
            kernel: 4,
            stride: 2,
            padding: 1,
        };
        let plan = plan(window, [16, 16], [64, 128]);
        for batch in [1, 2, 63, 64, 65, 500] {
            let pieces: Vec<_> = plan.pieces(batch).collect();
            let images: Vec<usize> = pieces.iter().cloned().flatten().collect();
            assert_eq!(images, (0..batch).collect::<Vec<_>>());
            let held = plan.positions() * plan.row_length();
            assert!(pieces.iter().all(|piece| piece.len() * held <= HELD));
        }
    }
}
