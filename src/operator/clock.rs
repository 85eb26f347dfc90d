//! Problems of the machine's clock, in the same words for every place that reports them.

use std::time::Duration;

use crate::outbox::ClockTrouble;

/// The stable code.
pub const fn clock_code(trouble: ClockTrouble) -> &'static str {
    match trouble {
        ClockTrouble::Leapt { .. } => "clock_leapt",
    }
}

/// The problem and what to do, in a sentence without its full stop.
pub fn clock_message(trouble: ClockTrouble) -> String {
    match trouble {
        ClockTrouble::Leapt { ahead } => format!(
            "the machine's clock is {} ahead of the time that passed: it leapt, or no daemon ran for so long; nothing is \
             removed or given up for its age until it has stood by it; set it, if it is wrong",
            span(ahead)
        ),
    }
}

/// In days from two days on, otherwise in hours.
fn span(span: Duration) -> String {
    let hours = span.as_secs() / 3600;
    if hours >= 48 {
        format!("{} days", hours / 24)
    } else {
        format!("{hours} h")
    }
}
