//! The documents that come from the declarations: `config.toml` as shipped, and the reference of the settings.
//!
//! Both are text of the defaults alone, never of a configuration that was read: that could hold secrets. Uses no other
//! module.

use super::Config;
use super::declare::{Header, Item, Listing, Settings, What};
use super::setting::{Facts, Reload};

/// How wide comments are.
const COLUMNS: usize = 120;

const ABOUT_THE_FILE: [&str; 3] = [
    "klaviyo-relay: every setting, with its default, its unit and what follows from it.",
    "As it stands, this file runs with no Klaviyo account: requests go to a sandbox inside the program, and NOTHING \
     REACHES KLAVIYO. To deliver, set `endpoint` and `private_key` of `[klaviyo]`, and give each source a write key of \
     its own.",
    "`klaviyo-relay check` says what is wrong with this file.",
];

const ABOUT_VALUES: [&str; 5] = [
    "A key that is left out takes its default. Unknown keys and sections are errors.",
    "Durations are text with a unit: \"500ms\", \"30s\", \"10m\", \"24h\", \"30d\".",
    "Sizes are a number of bytes, or text with a unit: \"256KiB\", \"4MiB\", \"1GB\" (KiB = 1024, KB = 1000).",
    "Secrets (`write_key`, `shared_secret`, `private_key`, `token`) can be \"env:NAME\": the value of that environment \
     variable; or \"file:PATH\": what that file holds, without the newline at its end. They are never printed, and only \
     `serve` and `check` read what they refer to.",
    "SIGHUP makes a running daemon read the file again, and the files of its secrets. A change takes effect at once, \
     except where it needs a restart, as one of the environment does.",
];

const ABOUT_THE_REFERENCE: [&str; 3] = [
    "The configuration is the file that `--config` names, else the one that the variable `KLAVIYO_RELAY_CONFIG` names, \
     else `config.toml` in the current folder. All mistakes of a file are reported at once, each with the nearest known \
     key. A file with mistakes changes nothing in a running daemon: the log has every one, and `status`, `/readyz`, the \
     page and a metric say so until a file is taken.",
    "What is in progress at a reload ends with the settings it began with. The log names the keys that changed, and those \
     that need a restart. Events that were mapped before are sent as they were mapped; a `replay` maps them again.",
    "This page is generated from the declarations in `src/config`, as `config.toml` is.",
];

impl Config {
    /// `config.toml` as shipped: every key with its documentation and its default.
    pub fn shipped() -> String {
        let mut text = String::new();
        for line in ABOUT_THE_FILE {
            comment(&mut text, line);
            text += "#\n";
        }
        for line in ABOUT_VALUES {
            comment(&mut text, line);
        }
        let mut documented = Vec::new();
        for item in declarations() {
            let name = item.key.rsplit('.').next().unwrap_or_default();
            let is_new = !documented.contains(&item.about);
            documented.push(item.about);
            if is_new {
                text += if is_outermost(&item) { "\n\n" } else { "\n" };
                comment(&mut text, &item.about.concat());
            }
            match &item.what {
                What::Section(Header::Section) => text += &format!("[{}]\n", item.key),
                What::Section(Header::Sections) => text += &format!("[[{}]]\n", item.key),
                What::Setting(facts, default) => {
                    if is_new {
                        comment(&mut text, &sentence(facts, default.as_deref()));
                    }
                    text += &setting(&item.key, name, facts, default.as_deref());
                }
            }
        }
        text
    }

    /// The reference of the settings, in Markdown: which changes need a restart, and what each key means.
    pub fn reference() -> String {
        let mut text = "# Settings\n\n".to_owned();
        for line in ABOUT_THE_REFERENCE {
            text += &format!("{}\n\n", wrapped(line, COLUMNS).join("\n"));
        }
        for line in ABOUT_VALUES {
            text += &format!("- {}\n", wrapped(line, COLUMNS - 2).join("\n  "));
        }
        text += "\n## Defaults, and what a reload changes\n\n\
            | key | default | a change takes effect |\n|---|---|---|\n";
        for item in declarations() {
            if let What::Setting(facts, default) = &item.what {
                let (key, default) = (&item.key, default_of(facts, default.as_deref()));
                text += &format!("| `{key}` | {default} | {} |\n", effect(facts.reload));
            }
        }
        let mut documented = Vec::new();
        for item in declarations() {
            if documented.contains(&item.about) {
                continue;
            }
            documented.push(item.about);
            let about = wrapped(&item.about.concat(), COLUMNS).join("\n");
            text += &match &item.what {
                What::Section(Header::Section) => format!("\n## `[{}]`\n\n{about}\n", item.key),
                What::Section(Header::Sections) => format!("\n## `[[{}]]`\n\n{about}\n", item.key),
                What::Setting(facts, default) => {
                    let facts = wrapped(&sentence(facts, default.as_deref()), COLUMNS).join("\n");
                    format!("\n### `{}`\n\n{about}\n\n{facts}\n", item.key)
                }
            };
        }
        text
    }
}

fn declarations() -> Vec<Item> {
    let mut listing = Listing::default();
    Config::default().list(&mut listing);
    listing.items
}

fn is_outermost(item: &Item) -> bool {
    matches!(item.what, What::Section(header) if header == Header::Sections || !item.key.contains('.'))
}

/// A key as the shipped file has it.
fn setting(key: &str, name: &str, facts: &Facts, default: Option<&str>) -> String {
    let examples = facts.examples.iter();
    match default {
        _ if facts.is_map => {
            let examples: String = examples.map(|example| format!("# {example}\n")).collect();
            format!("[{key}]\n{examples}")
        }
        Some(default) => format!("{name} = {default}\n"),
        None => examples.map(|example| format!("# {name} = {example}\n")).collect(),
    }
}

/// What is allowed, the default, and when a change takes effect.
fn sentence(facts: &Facts, default: Option<&str>) -> String {
    let default = match default {
        _ if facts.required => "Required.".to_owned(),
        Some(default) => format!("Default: {default}."),
        None => "Default: none.".to_owned(),
    };
    let restart = match facts.reload {
        Reload::Live => "",
        Reload::Restart => " A change needs a restart.",
        Reload::RestartIf(_) => " A change can need a restart.",
    };
    format!("Allowed: {}. {default}{restart}", facts.form)
}

fn default_of(facts: &Facts, default: Option<&str>) -> String {
    match default {
        _ if facts.required => "required".to_owned(),
        Some(default) => format!("`{default}`"),
        None => "none".to_owned(),
    }
}

const fn effect(reload: Reload) -> &'static str {
    match reload {
        Reload::Live => "on reload",
        Reload::Restart => "**at a restart**",
        Reload::RestartIf(_) => "on reload, or at a restart: see below",
    }
}

fn comment(text: &mut String, of: &str) {
    for line in wrapped(of, COLUMNS - 2) {
        *text += &format!("# {line}\n");
    }
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
