//! The owner of the outbox's files: the error for a user who may not open them names the owner, and a file that
//! replaces another one gets its owner.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::disk::folder;
use crate::outbox::error::OpenError;

/// The system's users, one per line: `name:x:uid:…` (passwd(5)).
const USERS: &str = "/etc/passwd";

/// Whether a file exists. A missing permission to look it up is an error, not an absence.
pub(in crate::outbox) fn is_there(path: &Path) -> Result<bool, OpenError> {
    match path.try_exists() {
        Ok(there) => Ok(there),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(denied(path)),
        Err(_) => Ok(false),
    }
}

/// The error for a file that this user may not read or write; `None` where the user may.
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

/// The user's name, or the user id where there is no name.
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

/// Gives `files` the owner and mode of the file at `path`, which they replace. If it does not exist, they get the owner
/// of its folder.
pub(in crate::outbox) fn take_after(path: &Path, files: &[PathBuf]) -> io::Result<()> {
    let (like, mode) = match fs::metadata(path) {
        Ok(former) => {
            let mode = former.permissions().mode() & 0o777;
            (former, Some(mode))
        }
        Err(_) => (fs::metadata(folder(path))?, None),
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
