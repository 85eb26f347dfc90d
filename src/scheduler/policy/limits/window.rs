//! A sliding window: how many were counted in the last so many milliseconds.
//!
//! It is exact to a cell of time. A cell that crosses the edge of the window is counted whole, so that no span of the
//! window's length ever contains more than was allowed. Its memory is fixed.

use std::collections::VecDeque;

use crate::model::Timestamp;

/// Counts in cells of equal length.
#[derive(Debug, Clone)]
pub(super) struct Window {
    cell: i64,
    /// The newest cell first.
    counts: VecDeque<u32>,
    /// The index of the newest cell, counted from 1970.
    newest: i64,
}

impl Window {
    /// A window of this length, a multiple of the cell's. Both in milliseconds.
    pub(super) fn new(length: u16, cell: u16) -> Self {
        // One more than the window's length needs: what came at the end of the oldest cell leaves the window only then.
        let cells = usize::from(length / cell) + 1;
        Self {
            cell: i64::from(cell),
            counts: VecDeque::from(vec![0; cells]),
            newest: 0,
        }
    }

    /// Counts `n` more.
    pub(super) fn add(&mut self, n: u32, now: Timestamp) {
        self.advance(now);
        if let Some(count) = self.counts.front_mut() {
            *count = count.saturating_add(n);
        }
    }

    /// How many the window contains.
    pub(super) fn used(&self, now: Timestamp) -> u32 {
        let gone = self.cell_of(now).saturating_sub(self.newest).max(0);
        let left = self.counts.len().saturating_sub(index(gone));
        let counts = self.counts.iter().take(left);
        counts.fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// When it contains fewer than `allowed` (at least 1), if nothing is added.
    pub(super) fn below(&self, allowed: u32, now: Timestamp) -> Timestamp {
        let mut held = 0_u32;
        let fit = self.counts.iter().take_while(|count| {
            held = held.saturating_add(**count);
            held < allowed
        });
        let gone = self.counts.len() - fit.count();
        let newest = self.newest.min(self.cell_of(now));
        let at = newest.saturating_add(i64::try_from(gone).unwrap_or(i64::MAX));
        Timestamp::from_millis(at.saturating_mul(self.cell)).max(now)
    }

    /// Makes the current cell the newest. If the clock was set back, the counts are kept and age from there: slightly
    /// too careful, but never blocked until the clock has caught up.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let cell = self.cell_of(now);
        let passed = index(cell.saturating_sub(self.newest).max(0)).min(self.counts.len());
        for _ in 0..passed {
            self.counts.pop_back();
            self.counts.push_front(0);
        }
        self.newest = cell;
    }

    fn cell_of(&self, now: Timestamp) -> i64 {
        now.as_millis().div_euclid(self.cell)
    }
}

fn index(cells: i64) -> usize {
    usize::try_from(cells).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn what_was_counted_leaves_when_all_of_its_cell_is_as_old_as_the_window() {
        let mut window = Window::new(1000, 20);
        window.add(3, at(0));
        window.add(2, at(19));
        window.add(1, at(20));
        assert_eq!(window.used(at(1019)), 6, "the second is 1000 ms old");
        assert_eq!(window.used(at(1020)), 1);
        assert_eq!(window.used(at(1040)), 0);
        assert_eq!(window.used(at(1_000_000)), 0);
    }

    #[test]
    fn it_knows_when_there_is_room_again() {
        let mut window = Window::new(1000, 20);
        window.add(3, at(0));
        window.add(2, at(500));
        for (allowed, free) in [(6, 500), (5, 1020), (3, 1020), (2, 1520), (1, 1520)] {
            assert_eq!(window.below(allowed, at(500)), at(free), "below {allowed}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_keeps_the_counts_and_does_not_stop_them_from_ageing() {
        let mut window = Window::new(1000, 20);
        window.add(4, at(3_600_000));
        window.advance(at(0));
        assert_eq!(window.used(at(0)), 4);
        assert_eq!(window.below(1, at(0)), at(1020));
        assert_eq!(window.used(at(1020)), 0);
    }

    #[test]
    fn no_span_of_its_length_holds_more_than_was_allowed() {
        let mut window = Window::new(1000, 20);
        let mut sent: Vec<i64> = Vec::new();
        for millis in (0..10_000).step_by(7) {
            while window.used(at(millis)) < 5 {
                window.add(1, at(millis));
                sent.push(millis);
            }
        }
        assert!(sent.len() >= 45, "only {}", sent.len());
        for (index, first) in sent.iter().enumerate() {
            let within = sent[index..].iter().filter(|at| **at - first < 1000);
            assert!(within.count() <= 5);
        }
    }
}
