//! Whose the outbox's files are: who may not open them hears who may, and what replaces a file is its owner's.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::outbox::error::OpenError;

/// The names of users, one a line: `name:x:uid:…` (passwd(5)).
const USERS: &str = "/etc/passwd";

/// Whether a file is there. One that this user may not look for is an error, not an absence.
pub(in crate::outbox) fn is_there(path: &Path) -> Result<bool, OpenError> {
    match path.try_exists() {
        Ok(there) => Ok(there),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(denied(path)),
        Err(_) => Ok(false),
    }
}

/// That this user may not read or write a file, where that is so.
pub(in crate::outbox) fn is_denied(path: &Path) -> Option<OpenError> {
    let all = Access::READ_OK | Access::WRITE_OK;
    let refused = access(path, all).is_err_and(|error| {
        let kind = io::Error::from(error).kind();
        kind == ErrorKind::PermissionDenied
    });
    refused.then(|| denied(path))
}

fn denied(path: &Path) -> OpenError {
    let known = path.ancestors().find_map(|path| fs::metadata(path).ok());
    OpenError::Denied {
        path: path.to_owned(),
        owner: known.map_or_else(|| "its owner".to_owned(), |known| name_of(known.uid())),
    }
}

/// The user's name, or its number where it has none.
fn name_of(uid: u32) -> String {
    let users = fs::read_to_string(USERS).unwrap_or_default();
    let number = uid.to_string();
    let mut users = users.lines().map(|line| line.split(':'));
    let found = users.find_map(|mut user| {
        let name = user.next()?;
        (user.nth(1)? == number).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("#{number}"))
}

/// Gives files owner and mode of the one that they replace; where there is none, the owner of its folder.
pub(in crate::outbox) fn take_after(path: &Path, files: &[PathBuf]) -> io::Result<()> {
    let (like, mode) = match fs::metadata(path) {
        Ok(former) => {
            let mode = former.permissions().mode() & 0o777;
            (former, Some(mode))
        }
        Err(_) => (folder(path)?, None),
    };
    for file in files.iter().filter(|file| file.exists()) {
        let own = fs::metadata(file)?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            chown(file, Some(like.uid()), Some(like.gid()))?;
        }
        if let Some(mode) = mode {
            fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

fn folder(path: &Path) -> io::Result<Metadata> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::metadata(folder),
        Some(_) | None => fs::metadata("."),
    }
}
