//! The commands: each is listed, each has an example, and every option of an example exists.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use clap::{Arg, Command as Clap, CommandFactory as _};
use klaviyo_relay::cli::Cli;
use tempfile::TempDir;

use super::{Page, assert_is_generated, blocks, code_spans, only, shell_lines};

const PROGRAM: &str = env!("CARGO_BIN_EXE_klaviyo-relay");

#[test]
fn every_command_and_option_of_the_manual_exists() {
    let help = program(&["--help"]);
    let listed = help.split_once("Commands:").unwrap().1;
    let listed = listed.split_once("Options:").unwrap().0;
    let first_word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut commands: BTreeSet<String> = listed.lines().filter_map(first_word).collect();
    assert!(commands.remove("help"));
    let documented: BTreeSet<String> = Page::read("docs/operate/commands.md")
        .rows("## Every command")
        .iter()
        .filter_map(|row| only(code_spans(&row[0])))
        .collect();
    assert_eq!(documented, commands);

    let helps: BTreeMap<&String, String> = commands
        .iter()
        .map(|command| (command, program(&["help", command])))
        .collect();
    let mut used = BTreeSet::new();
    for line in shell_lines() {
        let Some((_, call)) = line.split_once("klaviyo-relay ") else {
            continue;
        };
        let call = call.split('#').next().unwrap_or(call);
        let mut words = call.split_whitespace().peekable();
        if words.next_if_eq(&"--config").is_some() {
            words.next();
        }
        let command = words.next().unwrap().to_owned();
        let help = helps
            .get(&command)
            .unwrap_or_else(|| panic!("there is no {command}: {line}"));
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(
                help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
                "{command} has no {option}: {line}"
            );
        }
        used.insert(command);
    }
    assert_eq!(used, commands, "the manual has an example of each command");
}

#[test]
fn the_example_of_explain_prints_what_the_manual_shows() {
    let lines = shell_lines();
    let line = lines
        .iter()
        .find(|line| line.ends_with("klaviyo-relay explain"))
        .unwrap();
    let call = line.split('\'').nth(1).unwrap();
    let folder = TempDir::new().unwrap();
    let mut explain = Command::new(PROGRAM);
    explain.arg("explain").current_dir(folder.path());
    explain.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = explain.spawn().unwrap();
    running.stdin.take().unwrap().write_all(call.as_bytes()).unwrap();
    let printed = text_of(&running.wait_with_output().unwrap());
    let shown = blocks("text");
    assert!(shown.contains(&printed), "the manual does not show\n{printed}");
}

/// The command line as pages show it: each command, its usage, an example, its arguments and options.
#[test]
fn the_reference_of_the_commands_is_their_help() {
    let mut program = Cli::command();
    program.build();
    let commands: Vec<&Clap> = program
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .collect();
    assert!(commands.len() >= 15, "only {} commands", commands.len());
    let mut page =
        "# Commands\n\n<!-- Generated from the command line by a test: change the help texts in src/cli. -->\n\n\
        `klaviyo-relay [--config FILE] COMMAND`. "
            .to_owned();
    page += &program.get_after_help().unwrap().to_string();
    page += "\n\nEvery command also takes:\n\n| option | meaning |\n|---|---|\n";
    let of_all = program.get_arguments().filter(|argument| is_of_every_command(argument));
    page.extend(of_all.map(row));
    let filters = filters(&commands);
    page += "\n## Filters\n\n`replay`, `hold`, `release`, `discard` and `export` take the same filters, and an event must meet \
        all that are given:\n\n| filter | meaning |\n|---|---|\n";
    page += &filters.concat();
    for command in commands {
        page += &section(command, &filters);
    }
    assert_is_generated("docs/reference/commands.md", &page);
}

/// The rows of what an option or argument of a command means.
fn rows(command: &Clap) -> Vec<String> {
    let arguments = command.get_arguments();
    let own = arguments.filter(|argument| !is_of_every_command(argument));
    own.map(row).collect()
}

/// The rows of the options that all commands with filters have.
fn filters(commands: &[&Clap]) -> Vec<String> {
    let named = |name: &str| rows(commands.iter().find(|command| command.get_name() == name).unwrap());
    let mut filters = named("hold");
    for other in ["replay", "release", "discard", "export"] {
        let other = named(other);
        filters.retain(|row| other.contains(row));
    }
    assert!(filters.len() >= 10, "only {filters:?}");
    filters
}

fn section(command: &Clap, filters: &[String]) -> String {
    let mut section = format!("\n## {}\n", command.get_name());
    let about = command.get_long_about().or(command.get_about()).unwrap().to_string();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap();
    let mut examples = String::new();
    for paragraph in about.split("\n\n") {
        match paragraph.strip_prefix("Example: ") {
            Some(example) => examples.extend([example, "\n"]),
            None => section.extend(["\n", paragraph.trim_end_matches('.'), ".\n"]),
        }
    }
    section.extend(["\n```sh\n# ", usage, "\n", &examples, "```\n"]);
    let mut rows = rows(command);
    if filters.iter().all(|filter| rows.contains(filter)) {
        rows.retain(|row| !filters.contains(row));
        rows.push("| [filters](#filters) | which events |\n".to_owned());
    }
    if !rows.is_empty() {
        section += "\n| argument or option | meaning |\n|---|---|\n";
        section += &rows.concat();
    }
    section
}

fn is_of_every_command(argument: &Arg) -> bool {
    ["config", "help", "version"].contains(&argument.get_id().as_str())
}

fn row(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).unwrap();
    let mut meaning = help.to_string().replace('\n', " ").replace('|', "\\|");
    if argument.get_action().takes_values() {
        let values = argument.get_possible_values();
        let values: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        if !values.is_empty() {
            meaning.extend([". One of `", &values.join("`, `"), "`"]);
        }
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        if !defaults.is_empty() {
            meaning.extend([". Default: `", &defaults.join(" "), "`"]);
        }
    }
    if argument.is_required_set() {
        meaning += ". Required";
    }
    format!("| `{argument}` | {meaning} |\n")
}

pub(super) fn answer_of(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{what}\n{complaint}");
    text_of(&output)
}

fn program(arguments: &[&str]) -> String {
    answer_of(Command::new(PROGRAM).args(arguments), &arguments.join(" "))
}

fn text_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
