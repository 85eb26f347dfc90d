//! Colours of words on a terminal, by the common conventions (`NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb`), which
//! `anstream` follows. Colour is never the only sign: the word has the same information.

use std::io;
use std::sync::LazyLock;

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;

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
        Tone::Good => AnsiColor::Green,
        Tone::Note => AnsiColor::Yellow,
        Tone::Bad => AnsiColor::Red,
    };
    let style = colour.on_default();
    format!("{style}{text}{style:#}")
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

static COLOURED: LazyLock<bool> = LazyLock::new(|| AutoStream::choice(&io::stdout()) != ColorChoice::Never);
