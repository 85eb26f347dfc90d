//! The documents that come from the declarations: `config.toml` as shipped, and the reference of the settings.
//!
//! Both are text of the defaults alone, never of a configuration that was read: that could hold secrets. Uses no other
//! module.

use super::Config;
use super::declare::{Header, Item, ItemKind, Listing, Settings};
use super::setting::{KeyInfo, Reload};

/// How wide comments are.
const COLUMNS: usize = 120;

const FILE_INTRO: [&str; 3] = [
    "klaviyo-relay: every setting, with its default, its unit and what follows from it.",
    "As it stands, this file runs with no Klaviyo account: requests go to a sandbox inside the program, and NOTHING \
     REACHES KLAVIYO. To deliver, set `endpoint` and `private_key` of `[klaviyo]`, and give each source a write key \
     of its own.",
    "`klaviyo-relay check` reports what is wrong with this file.",
];

const VALUES_INTRO: [&str; 5] = [
    "A key that is left out takes its default. Unknown keys and sections are errors.",
    "Durations are text with a unit: \"500ms\", \"30s\", \"10m\", \"24h\", \"30d\".",
    "Sizes are a number of bytes, or text with a unit: \"256KiB\", \"4MiB\", \"1GB\" (KiB = 1024, KB = 1000).",
    "Secrets (`write_key`, `shared_secret`, `private_key`, `token`) can be \"env:NAME\": the value of that \
     environment variable; or \"file:PATH\": what that file holds, without the newline at its end. They are never \
     printed, and only `serve` and `check` read what they refer to.",
    "SIGHUP makes a running daemon read the file again, and the files of its secrets. A change takes effect at once, \
     except where it needs a restart, as one of the environment does.",
];

const REFERENCE_INTRO: [&str; 4] = [
    "The configuration is the file that `--config` names, else the one that the variable `KLAVIYO_RELAY_CONFIG` \
     names, else `config.toml` in the current folder. All mistakes of a file are reported at once, each with the \
     nearest known key. A file with mistakes changes nothing in a running daemon: the log has every one, and \
     `status`, `/readyz`, the page and a metric show it until a file is accepted.",
    "What is in progress at a reload ends with the settings it began with. The log names the keys that changed, and \
     those that need a restart. Events that were mapped before are sent as they were mapped; a `replay` maps them \
     again.",
    "A secret that has quotes around it inside its variable is refused: `docker run --env-file` keeps those that a file has. \
     Of a configuration that is no file on the disk (`--config <(sops -d …)`), give all paths from the root: they are \
     relative to its folder, `/dev/fd`. Another `klaviyo.private_key` is accepted at a reload when Klaviyo answers that it \
     belongs to the same account, for which it needs the scope `accounts:read`; otherwise the former one stays, and the log \
     says why.",
    "This page is generated from the declarations in `src/config`, as `config.toml` is.",
];

impl Config {
    /// `config.toml` as shipped: every key with its documentation and its default.
    pub fn shipped() -> String {
        let mut lines = Vec::new();
        for about in FILE_INTRO {
            lines.extend(comment(about));
            lines.push("#".to_owned());
        }
        lines.extend(VALUES_INTRO.into_iter().flat_map(comment));
        for (Item { key, about, kind }, is_new) in declarations() {
            if is_new {
                let is_outermost = matches!(kind, ItemKind::Section(Header::Sections)) || !key.contains('.');
                lines.extend(vec![String::new(); if is_outermost { 2 } else { 1 }]);
                lines.extend(comment(&about.concat()));
            }
            match kind {
                ItemKind::Section(header) => lines.push(header.of(&key)),
                ItemKind::Setting(info, default) => {
                    let default = default.as_deref();
                    lines.extend(is_new.then(|| comment(&sentence(&info, default))).into_iter().flatten());
                    lines.push(setting(&key, &info, default));
                }
            }
        }
        lines.join("\n") + "\n"
    }

    /// The reference of the settings, in Markdown: which changes need a restart, and what each key means.
    pub fn reference() -> String {
        let mut parts = vec!["# Settings".to_owned()];
        parts.extend(REFERENCE_INTRO.map(|about| wrapped(about, COLUMNS).join("\n")));
        let values = VALUES_INTRO.map(|about| format!("- {}", wrapped(about, COLUMNS - 2).join("\n  ")));
        parts.push(values.join("\n"));
        parts.push("## Defaults, and what a reload changes".to_owned());
        let rows = declarations().into_iter().filter_map(|(item, _)| row(&item));
        let head = "| key | default | a change takes effect |\n|---|---|---|";
        parts.push(rows.fold(head.to_owned(), |table, row| table + "\n" + &row));
        for (Item { key, about, kind }, _) in declarations().into_iter().filter(|(_, is_new)| *is_new) {
            parts.push(match &kind {
                ItemKind::Section(header) => format!("## `{}`", header.of(&key)),
                ItemKind::Setting(..) => format!("### `{key}`"),
            });
            parts.push(wrapped(&about.concat(), COLUMNS).join("\n"));
            if let ItemKind::Setting(info, default) = &kind {
                parts.push(wrapped(&sentence(info, default.as_deref()), COLUMNS).join("\n"));
            }
        }
        parts.join("\n\n") + "\n"
    }
}

/// The declarations, and whether each is the first with its documentation: all families of endpoints have the same
/// keys.
fn declarations() -> Vec<(Item, bool)> {
    let mut listing = Listing::default();
    Config::default().list(&mut listing);
    let mut documented = Vec::new();
    let items = listing.items.into_iter().map(|item| {
        let is_new = !documented.contains(&item.about);
        documented.push(item.about);
        (item, is_new)
    });
    items.collect()
}

/// A key as the shipped file has it.
fn setting(key: &str, info: &KeyInfo, default: Option<&str>) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    match default {
        _ if info.is_map => format!("[{key}]\n# {}", info.examples.join("\n# ")),
        Some(default) => format!("{name} = {default}"),
        None => format!("# {name} = {}", info.examples.concat()),
    }
}

/// What is allowed, the default, and when a change takes effect.
fn sentence(info: &KeyInfo, default: Option<&str>) -> String {
    let default = match default {
        _ if info.required => "Required.".to_owned(),
        Some(default) => format!("Default: {default}."),
        None => "Default: none.".to_owned(),
    };
    let restart = match info.reload {
        Reload::Live => "",
        Reload::Restart => " A change needs a restart.",
        Reload::RestartIf(_) => " A change can need a restart.",
    };
    format!("Allowed: {}. {default}{restart}", info.form)
}

/// A setting's default, and when a change takes effect.
fn row(Item { key, kind, .. }: &Item) -> Option<String> {
    let ItemKind::Setting(info, default) = kind else {
        return None;
    };
    let default = match default {
        _ if info.required => "required".to_owned(),
        Some(default) => format!("`{default}`"),
        None => "none".to_owned(),
    };
    let effect = match info.reload {
        Reload::Live => "on reload",
        Reload::Restart => "**at a restart**",
        Reload::RestartIf(_) => "on reload, or at a restart: see below",
    };
    Some(format!("| `{key}` | {default} | {effect} |"))
}

fn comment(text: &str) -> Vec<String> {
    let lines = wrapped(text, COLUMNS - 2).into_iter();
    lines.map(|line| format!("# {line}")).collect()
}

/// Lines of words, each as full as `columns` allow.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}
