//! A real client as a child process: stdin gets how far it may go, stdout has what it believes.
//!
//! The programs are in `tests/sdk`; what they need is installed by `tests/sdk/prepare` into `target/sdk`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde::Deserialize;

use crate::support::{Daemon, eventually, require};

/// What runs a client, and where it is installed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Runtime {
    Node,
    Browser,
    Python,
    Rust,
}

/// A client program and its own arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    pub(super) runtime: Runtime,
    /// Its file below `tests/sdk`; of a built one, below `target/sdk`.
    pub(super) file: &'static str,
    pub(super) arguments: &'static [&'static str],
}

/// What a client believes when it ends.
#[derive(Debug, Deserialize)]
pub(super) struct Belief {
    pub(super) library: String,
    pub(super) version: String,
    /// What it ran in, where that has a version of its own.
    #[serde(default)]
    pub(super) machine: Option<String>,
    /// The calls that it made, by type.
    pub(super) made: BTreeMap<String, u64>,
    /// What its SDK reported as given up, and why.
    pub(super) failed: Vec<String>,
}

/// A running client.
pub(super) struct Client {
    child: Mutex<Child>,
    stdin: Option<ChildStdin>,
    text: Arc<Mutex<Vec<String>>>,
    complained: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts it; prints a line when what it needs is not installed.
    pub(super) fn start(&self, daemon: &Daemon, people: u64) -> Option<Client> {
        let mut command = require(
            &format!("the clients of {} (run tests/sdk/prepare)", self.file),
            self.command(),
        )?;
        command
            .arg(format!("http://{}", daemon.ingest))
            .args(["dev", &people.to_string()])
            .args(self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The daemon is on this machine.
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        let mut child = command.spawn().unwrap();
        Some(Client {
            stdin: child.stdin.take(),
            text: collect(child.stdout.take().unwrap()),
            complained: collect(child.stderr.take().unwrap()),
            child: Mutex::new(child),
        })
    }

    /// How it is run, if it is installed.
    fn command(&self) -> Option<Command> {
        let source = root().join("tests/sdk").join(self.file);
        let target = root().join("target/sdk");
        let node = |folder: &str| {
            let modules = target.join(folder).join("node_modules");
            let mut command = Command::new("node");
            command.arg(&source).env("NODE_PATH", &modules);
            (modules.exists() && has("node")).then_some(command)
        };
        match self.runtime {
            Runtime::Node => node("node"),
            Runtime::Browser => {
                let browser = Path::new("/usr/bin/chromium").exists();
                node("browser").filter(|_| browser)
            }
            Runtime::Python => {
                let packages = target.join("python/packages");
                let mut command = Command::new("python3");
                command.arg(&source).env("PYTHONPATH", &packages);
                (packages.exists() && has("python3")).then_some(command)
            }
            Runtime::Rust => {
                let built = target.join(self.file);
                built.exists().then(|| Command::new(built))
            }
        }
    }
}

impl Client {
    /// Writes a line to it.
    pub(super) fn write_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it has answered `line`.
    pub(super) async fn did(&self, line: &str) {
        let words = format!("{{\"did\":\"{line}\"}}");
        eventually(&format!("the client did {line}"), || async {
            self.assert_well();
            let text = self.text.lock().unwrap();
            text.contains(&words).then_some(())
        })
        .await;
    }

    /// Asserts that it goes on, or came to a good end.
    pub(super) fn assert_well(&self) {
        let ended = self.child.lock().unwrap().try_wait().unwrap();
        if let Some(status) = ended {
            let complained = self.complained.lock().unwrap().join("\n");
            assert!(status.success(), "the client: {status}: {complained}");
        }
    }

    /// Lets it close its SDK: no more commands follow.
    pub(super) fn close(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end, which must be a good one.
    pub(super) async fn ended(mut self) -> Belief {
        self.close();
        eventually("the client reports what it sent, and ends", || async {
            self.assert_well();
            self.child.lock().unwrap().try_wait().unwrap()?;
            // The last line may still be on its way out of the pipe.
            let text = self.text.lock().unwrap();
            text.last().and_then(|text| serde_json::from_str(text).ok())
        })
        .await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended by itself.
        let mut child = self.child.lock().unwrap();
        drop(child.kill());
        drop(child.wait());
    }
}

fn collect(pipe: impl std::io::Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            collected.lock().unwrap().push(line);
        }
    });
    lines
}

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The relay's setting for the snippet's script, where `tests/sdk/prepare` has put it.
pub(super) fn script() -> String {
    let package = "target/sdk/browser/node_modules/@segment/analytics-next";
    let script = root().join(package).join("dist/umd/standalone.js");
    if script.exists() {
        format!("analytics_js = \"{}\"", script.display())
    } else {
        String::new()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
