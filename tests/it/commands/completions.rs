//! `completions` and `man`: for every shell and every command, without a configuration.

use std::process::Command;

use super::Bench;
use crate::support::require;

#[test]
fn every_shell_has_a_script_that_names_the_commands() {
    let bench = Bench::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = bench.run(&["completions", shell]).well();
        for command in ["serve", "replay", "forget", "sent-to"] {
            assert!(script.contains(command), "{shell} has no {command}");
        }
    }
    assert_eq!(bench.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    let bench = Bench::new();
    let script = bench.run(&["completions", "bash"]).well();
    std::fs::write(bench.path().join("complete.bash"), script).unwrap();
    let completed = |line: &[&str]| {
        let (last, words) = (line.len() - 1, line.join(" "));
        let before = line[last - 1];
        let script = format!(
            "source complete.bash; COMP_WORDS=({words}); COMP_CWORD={last}; COMPREPLY=(); \
             of=$(complete -p klaviyo-relay); of=${{of#*-F }}; ${{of%% *}} klaviyo-relay '{}' '{before}'; \
             echo ${{COMPREPLY[@]}}",
            line[last]
        );
        let bash = Command::new("bash")
            .args(["-c", &script])
            .current_dir(bench.path())
            .output();
        let text = require("bash", bash.ok())?;
        assert!(text.status.success(), "{text:?}");
        Some(String::from_utf8(text.stdout).unwrap().trim().to_owned())
    };
    for (line, expected) in [
        (&["klaviyo-relay", "repl"][..], "replay"),
        (&["klaviyo-relay", "replay", "--stat"], "--status"),
        (&["klaviyo-relay", "hold", "--status", "d"], "delivered dead"),
        (&["klaviyo-relay", "export", "--type", "i"], "identify"),
        (&["klaviyo-relay", "completions", "z"], "zsh"),
        (&["klaviyo-relay", "man", "back"], "backup"),
        (&["klaviyo-relay", "explain", "--side", "s"], "server"),
    ] {
        let Some(text) = completed(line) else { return };
        assert_eq!(text, expected, "{line:?}");
    }
}

#[test]
fn every_command_has_a_page() {
    let bench = Bench::new();
    let page = bench.run(&["man"]).well();
    assert!(page.contains(".TH klaviyo-relay 1"), "{page}");
    let help = bench.run(&["--help"]).well();
    let commands = help.split_once("Commands:").unwrap().1;
    let commands = commands.split_once("Options:").unwrap().0;
    let mut pages = 0;
    for command in commands.lines().filter_map(|line| line.split_whitespace().next()) {
        if command == "help" {
            continue;
        }
        let page = bench.run(&["man", command]).well();
        assert!(page.contains(&format!(".TH klaviyo-relay-{command} 1")), "{page}");
        pages += 1;
    }
    assert!(pages >= 19, "{pages}");
    let ran = bench.run(&["man", "nothing"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(
        ran.err.starts_with("error: there is no command \"nothing\""),
        "{}",
        ran.err
    );
}
