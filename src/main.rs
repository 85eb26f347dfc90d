//! The program: reads the command line and runs its command.

use std::process::ExitCode;

fn main() -> ExitCode {
    klaviyo_relay::cli::main()
}
