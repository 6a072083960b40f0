//! How much memory a program takes.

use std::fs;

/// The most resident memory that a running process had at any time, in MiB, where the system tells it.
pub fn peak(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    parse(&status)
}

fn parse(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_peak() {
        let status = "Name:\tvae\nVmPeak:\t  900000 kB\nVmHWM:\t   99328 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(parse(status), Some(97.0));
        assert_eq!(parse("Name:\tvae\n"), None);
    }
}
