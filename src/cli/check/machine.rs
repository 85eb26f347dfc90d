//! Checks the machine: disk, ports, connections, and file permissions.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;

use super::Finding;
use crate::app::{Shares, reachable};
use crate::config::Config;
use crate::operator::Problem;
use crate::outbox::{daemon_of, fleeting, free_bytes, free_inodes};

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

pub(super) fn disk(config: &Config) -> Finding {
    if free_inodes(&config.outbox.path) == Some(0) {
        return Finding::Wrong(
            "disk: no inode is free, so no file can be made (df -i shows them): delete files".to_owned(),
        );
    }
    let free = free_bytes(&config.outbox.path);
    if let Some(problem) = Problem::disk(free, config.outbox.min_free_disk) {
        return Finding::Wrong(format!("disk: {}", problem.message));
    }
    match free {
        Some(free) => Finding::Well(format!("disk: {} MiB free", free >> 20)),
        None => Finding::Wrong("disk: the outbox's folder does not exist; make it".to_owned()),
    }
}

/// Reports a file system on which data does not last.
pub(super) fn durability(config: &Config) -> Option<Finding> {
    let path = &config.outbox.path;
    fleeting(path).map(|why| {
        Finding::Note(format!(
            "durability: what is stored in {} does not last: {why}; give the outbox a disk or a volume",
            path.display()
        ))
    })
}

/// Reports outbox files that other users may read: they contain personal data.
pub(super) fn modes(config: &Config) -> Option<Finding> {
    let files = ["", "-wal", "-shm"].map(|end| {
        let mut name = config.outbox.path.clone().into_os_string();
        name.push(end);
        name
    });
    let open: Vec<String> = files
        .iter()
        .filter(|file| fs::metadata(file).is_ok_and(|file| file.permissions().mode() & OTHERS != 0))
        .map(|file| file.to_string_lossy().into_owned())
        .collect();
    if open.is_empty() {
        return None;
    }
    Some(Finding::Note(format!(
        "files: others may read personal data in {0}; chmod 600 {0}, and run the daemon with umask 077",
        open.join(" ")
    )))
}

/// How many connections the limit of open files allows.
pub(super) fn connections(config: &Config) -> Finding {
    let shares = Shares::of(reachable(), config);
    let Shares {
        files,
        kept,
        ingest,
        admin,
        ..
    } = shares;
    let words = format!(
        "connections: {ingest} at once on ingest and {admin} on admin, of {files} open files, {kept} of them kept for \
         the outbox and deliveries"
    );
    if shares.are_few() {
        let advice = "raise the hard limit (LimitNOFILE= of systemd, ulimit -Hn)";
        return Finding::Note(format!("{words}; {advice}"));
    }
    Finding::Well(words)
}

/// Whether the daemon can listen on the configured addresses, or already does.
pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let ports = [
        ("ingest.listen", config.ingest.listen),
        ("admin.listen", config.admin.listen),
    ];
    if let Some(process) = daemon_of(&config.outbox.path) {
        return vec![Finding::Well(format!(
            "ports: the daemon of this outbox runs (process {process})"
        ))];
    }
    ports.iter().map(|(key, at)| port(key, *at)).collect()
}

fn port(key: &str, at: SocketAddr) -> Finding {
    match TcpListener::bind(at) {
        Ok(_) => Finding::Well(format!("ports: {at} is free ({key})")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::Wrong(format!(
            "ports: {at} is taken by another program; stop that, or set {key}"
        )),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Finding::Wrong(format!(
            "ports: this user may not listen on {at}; set {key} above 1023, or give the service CAP_NET_BIND_SERVICE"
        )),
        Err(error) => Finding::Wrong(format!(
            "ports: cannot listen on {at}: {error}; set {key} to an address of this machine"
        )),
    }
}
