//! System calls of a running daemon that fail for a while: strace, attached and taken off again.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{eventually, require};

/// Calls that fail as long as this lives.
pub(crate) struct Fault(Child);

impl Fault {
    /// Has each of `calls` of process `pid` fail with `error` (`EDQUOT`) that is about one of `files`, which are whole
    /// paths. `None` where the machine cannot.
    pub(crate) async fn begin(pid: u32, calls: &str, error: &str, files: &[&Path]) -> Option<Self> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string()]);
        for file in files {
            strace.arg("-P").arg(file);
        }
        let trace = format!("trace={calls}");
        let inject = format!("inject={calls}:error={error}");
        strace.args(["-e", &trace, "-e", &inject]);
        let strace = strace.stderr(Stdio::null()).spawn().ok();
        let mut fault = Self(require("strace", strace)?);
        let attached = eventually("strace is attached", || {
            let ended = fault.0.try_wait().unwrap();
            let attached = ended.map_or_else(|| all_traced(pid).then_some(true), |_| Some(false));
            std::future::ready(attached)
        });
        let attached = attached.await.then_some(());
        require("the right to attach strace to a process", attached).map(|()| fault)
    }

    /// Ends it, and waits until calls work again.
    pub(crate) fn end(self) {
        drop(self);
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        // It may have ended, with the process that it was attached to.
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        drop(self.0.wait());
    }
}

/// Whether each thread of a process is traced.
fn all_traced(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status"));
        // A thread that ended meanwhile does nothing more.
        status.map_or(true, |status| !status.contains("\nTracerPid:\t0\n"))
    })
}
