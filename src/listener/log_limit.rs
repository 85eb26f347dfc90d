//! Logs what may occur many times a second (failures to accept connections, taken slots) once a minute. Pure.

use std::time::Duration;

const EVERY: Duration = Duration::from_mins(1);

/// The occurrences since they were last logged.
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    count: u64,
    logged_at: Option<Duration>,
}

impl LogLimit {
    /// Counts one more. When a line is due, returns how many there were since the last one.
    pub(super) fn count(&mut self, now: Duration) -> Option<u64> {
        self.count += 1;
        let is_due = self.logged_at.is_none_or(|at| now.saturating_sub(at) >= EVERY);
        is_due.then(|| {
            self.logged_at = Some(now);
            std::mem::take(&mut self.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_logged_once_a_minute_with_the_number_of_occurrences() {
        let mut limit = LogLimit::default();
        let logged = (0..1_300).filter_map(|tenth| limit.count(Duration::from_millis(tenth * 100)));
        assert_eq!(logged.collect::<Vec<_>>(), [1, 600, 600]);
    }
}
