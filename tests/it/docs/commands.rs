//! The commands: each is listed, each has an example, and every option of an example exists.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{Page, blocks, code_spans, only, shell_lines};

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
