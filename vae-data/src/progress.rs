//! How slow work reports what it does.

/// Receives the progress of downloads and of decoding. Units are bytes for a
/// download and files for decoding.
pub trait Progress: Sync {
    /// Work begins: `what` says which, `total` how many units, if known.
    fn start(&self, what: &str, total: Option<u64>);

    /// `n` more units are done. May be called from several threads.
    fn advance(&self, n: u64);

    /// The work that began last is over.
    fn finish(&self);
}

/// Reports nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _n: u64) {}
    fn finish(&self) {}
}
