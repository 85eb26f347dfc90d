//! Colours of words on a terminal, by the common conventions.
//!
//! No colours if stdout is not a terminal, or `NO_COLOR` is set (<https://no-color.org>), or the terminal is dumb;
//! always colours if `CLICOLOR_FORCE` is set (<https://bixense.com/clicolors>). Colour is never the only sign: the word
//! has the same information.

use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::LazyLock;

/// The meaning of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As expected.
    Good,
    /// Worth knowing.
    Note,
    /// Needs attention.
    Bad,
}

/// The text in the tone's colour, if colours are on.
pub(super) fn tone(tone: Tone, text: &str) -> String {
    if !*COLOURED {
        return text.to_owned();
    }
    let colour = match tone {
        Tone::Good => 32,
        Tone::Note => 33,
        Tone::Bad => 31,
    };
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

/// The tone of a status of an event or a delivery.
pub(super) fn of_status(word: &str) -> Option<Tone> {
    match word {
        "delivered" | "duplicate" | "skipped" | "accepted" => Some(Tone::Good),
        "pending" | "held" | "unknown" | "retry" | "conflict" => Some(Tone::Note),
        "dead" | "rejected" | "refused" | "stopped" => Some(Tone::Bad),
        _ => None,
    }
}

static COLOURED: LazyLock<bool> = LazyLock::new(|| {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let dumb = set("TERM").is_some_and(|term| term == "dumb");
    let able = io::stdout().is_terminal() && !dumb;
    coloured(able, forced, set("NO_COLOR").is_some())
});

fn coloured(able: bool, forced: bool, unwanted: bool) -> bool {
    !unwanted && (forced || able)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_somebody_says_otherwise() {
        for (able, forced, unwanted, expected) in [
            (true, false, false, true),
            (false, false, false, false),
            (true, false, true, false),
            (false, true, false, true),
            (true, true, true, false),
        ] {
            let found = coloured(able, forced, unwanted);
            assert_eq!(found, expected, "{able} {forced} {unwanted}");
        }
    }
}
