//! `completions` and `man`: shell completions and manual pages, generated from the command line definition.

use std::io;

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, ExitStatus, print_own};

/// Two spellings of the program's name in the bash script: the one it looks up and the one it sets. `clap_complete` 4.6
/// treats a hyphen in a name as the separator before a subcommand, but only in the first (clap-rs/clap#6421).
const MISNAMED: &str = "klaviyo__subcmd__relay";
const NAMED: &str = "klaviyo__relay";

/// Print a completion script for a shell: bash, elvish, fish, powershell or zsh
///
/// Example: klaviyo-relay completions bash > /etc/bash_completion.d/klaviyo-relay
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print a manual page, in roff: of the program, or of one of its commands
///
/// Example: klaviyo-relay man replay | man -l -
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The command; none: the program
    command: Option<String>,
}

pub(super) fn completions(options: &Completions) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    let program = Cli::command();
    let names = program.get_subcommands().map(|command| command.get_name().to_owned());
    let names = PossibleValuesParser::new(names.collect::<Vec<_>>());
    let mut program = program.mut_subcommand("man", |man| {
        man.mut_arg("command", |command| command.value_parser(names))
    });
    clap_complete::generate(options.shell, &mut program, "klaviyo-relay", &mut script);
    let script = String::from_utf8(script)?;
    print_own(&if options.shell == Shell::Bash {
        script.replace(MISNAMED, NAMED)
    } else {
        script
    })?;
    Ok(ExitStatus::Done)
}

pub(super) fn man(options: &Man) -> anyhow::Result<ExitStatus> {
    let mut program = Cli::command();
    program.build();
    let page = match &options.command {
        None => program,
        Some(name) => {
            let Some(command) = program.find_subcommand(name) else {
                bail!("there is no command {name:?}; see klaviyo-relay --help");
            };
            command.clone()
        }
    };
    print_own(&rendered(page)?)?;
    Ok(ExitStatus::Done)
}

fn rendered(command: Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    let done: io::Result<()> = clap_mangen::Man::new(command).render(&mut page);
    done?;
    Ok(String::from_utf8(page)?)
}
