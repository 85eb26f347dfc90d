//! The sentence for events that are refused because the disk is full, for every place that reports it.

use super::size::bytes;

/// The sentence, without its full stop; `None` if there is enough free space, or if the free space is unknown.
pub fn disk_message(free: Option<u64>, min_free: u64) -> Option<String> {
    let free = free.filter(|free| *free < min_free)?;
    Some(format!(
        "new events are refused: {} free on the outbox's disk, outbox.min_free_disk is {}",
        bytes(free),
        bytes(min_free)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_too_full_below_its_bound() {
        let gib = 1 << 30;
        assert_eq!(disk_message(Some(200 * gib), 200 * gib), None);
        assert_eq!(disk_message(None, gib), None);
        let words = "new events are refused: 69 GiB free on the outbox's disk, outbox.min_free_disk is 200 GiB";
        assert_eq!(disk_message(Some(69 * gib), 200 * gib).as_deref(), Some(words));
    }
}
