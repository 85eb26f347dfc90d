//! Finds the other processes that have the outbox open: one of them may use an old snapshot of it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outbox::file::create::{FileId, beside};

/// The time limit of the search.
const BOUND: Duration = Duration::from_secs(2);

/// A process of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// The name of its command; the system truncates it to 15 characters.
    pub name: String,
}

/// The other processes that have the file or its WAL open. Only root sees the processes of other users.
pub(super) async fn of(outbox: PathBuf) -> Vec<Process> {
    let search = tokio::task::spawn_blocking(move || search(&outbox));
    match tokio::time::timeout(BOUND, search).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// The processes as a text for a log message.
pub(super) fn words(processes: &[Process]) -> String {
    let words = processes.iter().map(ToString::to_string);
    words.collect::<Vec<_>>().join(", ")
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

fn search(outbox: &Path) -> Vec<Process> {
    let wal = beside(outbox, "-wal");
    let files = [outbox, wal.as_path()];
    let names: Vec<OsString> = files
        .iter()
        .filter_map(|file| file.file_name().map(OsString::from))
        .collect();
    let files: HashSet<FileId> = files.iter().filter_map(|file| FileId::of(file).ok()).collect();
    // The name is compared first: reading the metadata of every open file could hang on an unreachable network disk.
    let is_ours = |descriptor: &Path| {
        let to = fs::read_link(descriptor).ok();
        let ours = to.is_some_and(|to| names.iter().any(|name| to.file_name() == Some(name)));
        ours && FileId::of(descriptor).is_ok_and(|file| files.contains(&file))
    };
    let mut found: Vec<Process> = entries(Path::new("/proc"))
        .filter_map(|process| {
            let pid: u32 = process.file_name()?.to_str()?.parse().ok()?;
            let open = pid != std::process::id() && entries(&process.join("fd")).any(|descriptor| is_ours(&descriptor));
            let name = open.then(|| fs::read_to_string(process.join("comm")).unwrap_or_default());
            name.map(|name| Process {
                pid,
                name: name.trim().to_owned(),
            })
        })
        .collect();
    found.sort_unstable_by_key(|process| process.pid);
    found
}

/// The entries of a folder; none where it cannot be read.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}
