//! The built program as its user runs it: what it prints where, and how it exits. No daemon runs here; outboxes are
//! made through the library and closed again.

mod audit;
mod backup;
mod check;
mod completions;
mod cookbook;
mod demo;
mod discard;
mod escapes;
mod explain;
mod export;
mod files;
mod filters;
mod forget;
mod handwritten;
mod import;
mod prepared;
mod replay;
mod secrets;
mod show;
mod status;
mod tls;
mod usage;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use klaviyo_relay::model::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No command takes nearly as long, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The smallest configuration with a disk that is never too full and ports that are never taken.
const SANDBOX: &str = "klaviyo.endpoint = \"sandbox\"\noutbox.min_free_disk = 0\n\
    admin.listen = \"127.0.0.1:0\"\ningest.listen = \"127.0.0.1:0\"\n\
    [[ingest.sources]]\nname = \"shop\"\nwrite_key = \"wk_shop\"\n";

/// A folder in which commands are run.
struct Bench {
    dir: TempDir,
}

/// A command that came to its end.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Exit code 0 and nothing on stderr.
    fn well(self) -> String {
        assert_eq!((self.code, &*self.err), (0, ""), "{self:?}");
        self.out
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The first line of a command that takes filters, and the numbers of the events it listed: `2 events will be held: 5,
/// 6`.
fn listed(out: &str) -> String {
    let (shown, list) = out.split_once('\n').unwrap();
    let ids = list.lines().map(|line| line.split_whitespace().next().unwrap());
    match ids.collect::<Vec<_>>() {
        none if none.is_empty() => shown.to_owned(),
        ids => format!("{shown}: {}", ids.join(", ")),
    }
}

/// A command's text with each time as `TIME`, except the one at which everything in [`Bench::prepared`] happens.
fn masked(text: &str) -> String {
    let mask = |word: &str| match Timestamp::parse(word.trim_end()) {
        Some(time) if time != prepared::NOW => word.replace(word.trim_end(), "TIME"),
        Some(_) | None => word.to_owned(),
    };
    text.split_inclusive(char::is_whitespace).map(mask).collect()
}

impl Bench {
    /// A folder with the smallest configuration.
    fn new() -> Self {
        Self::with(SANDBOX)
    }

    /// A folder with this configuration.
    fn with(config: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("config.toml"), config).unwrap();
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_on("", arguments)
    }

    fn run_on(&self, stdin: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped());
        finish(command, stdin)
    }

    /// The program in this folder, with nothing of the environment but what it needs.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_klaviyo-relay"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("TMPDIR", self.path());
        command
    }
}

/// Runs a command, its stdout set up, to its end; one that does not end is killed, and fails the test.
fn finish(mut command: Command, stdin: &str) -> Ran {
    let piped = command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_owned();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        // A command that does not read its stdin has closed it.
        drop(input.write_all(stdin.as_bytes()));
        drop(input);
        drop(sender.send(child.wait_with_output()));
    });
    let Ok(output) = ended.recv_timeout(PATIENCE) else {
        kill_process(pid, Signal::KILL).ok();
        panic!("{command:?} did not end");
    };
    let output = output.unwrap();
    Ran {
        code: output.status.code().expect("no signal ended it"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A stand-alone sandbox, ended with this.
struct Sandbox {
    child: Child,
    url: String,
}

impl Sandbox {
    fn start(bench: &Bench, private_key: &str) -> Self {
        let arguments = ["sandbox", "--listen", "127.0.0.1:0", "--private-key", private_key];
        let mut command = bench.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        // From here on it is ended whatever happens.
        let mut sandbox = Self {
            child,
            url: String::new(),
        };
        let (sender, shown) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            drop(BufReader::new(stdout).read_line(&mut line));
            drop(sender.send(line));
        });
        let line = shown.recv_timeout(PATIENCE).expect("the sandbox prints its address");
        let (_, url) = line.trim().rsplit_once(' ').unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        url.clone_into(&mut sandbox.url);
        sandbox
    }

    /// A configuration that sends there.
    fn config(&self, private_key: &str) -> String {
        let Self { url, .. } = self;
        SANDBOX.replace(
            "\"sandbox\"",
            &format!("\"{url}\"\nklaviyo.private_key = \"{private_key}\""),
        )
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
