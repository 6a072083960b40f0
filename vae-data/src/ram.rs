//! The memory of this machine, in bytes; nothing where it is not known.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

fn system() -> Option<System> {
    let memory = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory));
    (system.total_memory() > 0).then_some(system)
}

/// All of it.
pub fn total() -> Option<u64> {
    system().map(|system| system.total_memory())
}

/// What this program may still take.
pub fn free() -> Option<u64> {
    let system = system()?;
    // What a container has read from files is given back when it is needed.
    let limits = system.cgroup_limits();
    let within = limits.map(|of| of.total_memory.saturating_sub(of.rss));
    let free = system.available_memory();
    Some(within.map_or(free, |within| within.min(free)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_free_is_a_part_of_all() {
        let (free, total) = (super::free(), super::total());
        assert_eq!(free.is_some(), total.is_some());
        assert!(free.is_none_or(|free| free > 0) && free <= total);
    }
}
