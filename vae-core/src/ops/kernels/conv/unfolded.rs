//! Convolutions of many channels and few pixels: all images of a batch in one product.
//!
//! The weight of such a layer is large beside an image, and to go through it once for each image takes most of the
//! time. Here every place of the kernel is a row of the values under it, so that a batch of such rows is multiplied
//! at once.

use std::ops::Range;

use super::{Image, Plan};
use crate::ops::kernels::{
    elementwise::add,
    threads::{self, Room, split},
    transpose::transpose_into,
};

/// Values of the rows of a batch that are held at the same time: 4 MiB. Four times as many leave the cache, and with a
/// quarter of them the weight is gone through too often.
const HELD: usize = 1 << 20;
/// Places of the kernel up to which a layer is computed in this way: with more of them the rows take more time than
/// they save.
const FEW: usize = 300;
/// Values of a weight above which it pays.
const LARGE: usize = 1 << 13;

impl Plan {
    /// Whether this is the faster way, which depends on the sizes of the layer alone.
    pub fn is_wide(&self) -> bool {
        let (from, to) = (self.row_length(), self.coarse.channels);
        self.positions() <= FEW && from * to > LARGE
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

    /// Calls `run(values of a row, values of the fine image)` for all that is under the kernel at `position`.
    fn under(&self, position: usize, mut run: impl FnMut(Range<usize>, Range<usize>)) {
        let (kernel, stride) = (self.window.kernel, self.window.stride);
        let corner = [
            position / self.coarse.width * stride,
            position % self.coarse.width * stride,
        ];
        let padding = self.window.padding;
        let Image {
            height,
            width,
            channels,
        } = self.fine;
        // The kernel's rows and columns that lie within the image.
        let within = |corner: usize, size: usize| {
            padding.saturating_sub(corner)..kernel.min((size + padding).saturating_sub(corner))
        };
        let columns = within(corner[1], width);
        let length = columns.len() * channels;
        for y in within(corner[0], height) {
            let place = (y * kernel + columns.start) * channels;
            let pixel = (corner[0] + y - padding) * width + corner[1] + columns.start - padding;
            let pixel = pixel * channels;
            run(place..place + length, pixel..pixel + length);
        }
    }

    /// The rows of a fine image: `[position, kernel, kernel, channel]`.
    pub fn unfold(&self, fine: &[f32], rows: &mut [f32]) {
        for (position, row) in rows.chunks_exact_mut(self.row_length()).enumerate() {
            let mut seen = 0;
            self.under(position, |place, _| seen += place.len());
            if seen < row.len() {
                row.fill(0.0);
            }
            self.under(position, |place, pixels| {
                row[place].copy_from_slice(&fine[pixels]);
            });
        }
    }

    /// The adjoint of [`Plan::unfold`]: each pixel is the sum of what stands for it in the rows.
    pub fn fold(&self, rows: &[f32], fine: &mut [f32]) {
        fine.fill(0.0);
        for (position, row) in rows.chunks_exact(self.row_length()).enumerate() {
            self.under(position, |place, pixels| {
                add(&mut fine[pixels], &row[place]);
            });
        }
    }

    /// Places of the kernel.
    fn area(&self) -> usize {
        self.window.kernel.pow(2)
    }

    /// The weight, by which coarse pixels become rows: `[coarse channel, kernel, kernel, fine channel]`.
    pub fn weight_to_rows(&self, weight: &[f32]) -> Vec<f32> {
        self.swapped(weight, self.area())
    }

    /// The inverse of [`Plan::weight_to_rows`], for a gradient.
    pub fn weight_from_rows(&self, packed: &[f32]) -> Vec<f32> {
        self.swapped(packed, self.fine.channels)
    }

    /// Transposes the part of each coarse channel, which has so many columns.
    fn swapped(&self, weight: &[f32], columns: usize) -> Vec<f32> {
        let length = self.row_length();
        // SAFETY: a transpose has as many values.
        unsafe {
            threads::new_rows(weight.len(), length, length, |first, part| {
                let channels = weight[first * length..].chunks_exact(length);
                for (out, weight) in part.chunks_exact_mut(length).zip(channels) {
                    transpose_into(weight, columns, out);
                }
            })
        }
    }

    /// The weight, by which rows become coarse pixels: `[kernel, kernel, fine channel, coarse channel]`.
    pub fn weight_of_rows(&self, weight: &[f32]) -> Vec<f32> {
        /// Coarse channels of a line of the cache.
        const BAND: usize = 16;
        let (area, fine, coarse) = (self.area(), self.fine.channels, self.coarse.channels);
        let mut room = Room::new(weight.len());
        let out = room.shares();
        threads::each(&split(fine, 1, weight.len()), |_, channels| {
            // What is read, and what is written, lies at distances that share their places in the cache.
            let mut block = vec![0.0; BAND * area];
            for channel in channels {
                for band in (0..coarse).step_by(BAND) {
                    let rows = band..coarse.min(band + BAND);
                    for (block, row) in block.chunks_exact_mut(area).zip(rows.clone()) {
                        block.copy_from_slice(&weight[(row * fine + channel) * area..][..area]);
                    }
                    for place in 0..area {
                        let start = (place * fine + channel) * coarse;
                        // SAFETY: the channels of the threads do not overlap.
                        let out = unsafe { out.part(start + rows.start..start + rows.end) };
                        for (out, block) in out.iter_mut().zip(block.chunks_exact(area)) {
                            *out = block[place];
                        }
                    }
                }
            }
        });
        // SAFETY: every place of every channel was written.
        unsafe { room.filled(weight.len()) }
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
            let expected: Vec<f32> = expected.iter().flat_map(|x| [*x, 10.0 * x]).collect();
            assert_eq!(row, expected);
        }
        let mut back = vec![f32::NAN; fine.len()];
        plan.fold(&rows, &mut back);
        assert_eq!(back, fine, "no pixel is under two places");
    }

    /// A weight whose values tell where they are: `100 coarse + 10 fine + place`.
    #[test]
    fn weights_by_hand() {
        let window = Window {
            kernel: 2,
            stride: 1,
            padding: 0,
        };
        let (fine, coarse) = (3, 11);
        let plan = plan(window, [4, 4], [fine, coarse]);
        let value =
            |coarse: usize, fine: usize, place: usize| (100 * coarse + 10 * fine + place) as f32;
        let weight: Vec<f32> = (0..coarse * fine * 4)
            .map(|i| value(i / 12, i / 4 % 3, i % 4))
            .collect();
        let to_rows = plan.weight_to_rows(&weight);
        let of_rows = plan.weight_of_rows(&weight);
        for i in 0..weight.len() {
            assert_eq!(to_rows[i], value(i / 12, i % 3, i / 3 % 4));
            assert_eq!(of_rows[i], value(i % 11, i / 11 % 3, i / 33));
        }
        assert_eq!(plan.weight_from_rows(&to_rows), weight);
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
