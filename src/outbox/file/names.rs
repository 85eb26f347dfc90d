//! Checks whether the files that a daemon has open still have their names: the outbox, its WAL and its shared memory.
//!
//! SQLite continues to work on a file that was deleted, moved or replaced. The daemon would then acknowledge events
//! that no later start finds. So the device and inode of each file are recorded when it is opened, and each name is
//! checked repeatedly. The check opens no file: closing one would drop SQLite's locks.

use std::path::{Path, PathBuf};

use super::create::{FileId, beside};

/// The suffixes of the files that exist next to the outbox while a connection is open.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// The names of open files, each with the identity that the file had when it was opened.
#[derive(Debug)]
pub(in crate::outbox) struct Names(Vec<(PathBuf, Option<FileId>)>);

impl Names {
    /// The names of an open outbox: `configured` may be a link to `path`.
    pub(in crate::outbox) fn of(configured: &Path, path: &Path) -> Self {
        let others = BESIDE.map(|end| beside(path, end));
        let names = [configured.to_owned(), path.to_owned()].into_iter();
        let names = names.chain(others).map(|name| {
            let file = FileId::of(&name).ok();
            (name, file)
        });
        Self(names.collect())
    }

    /// The first name that no longer refers to the open file, if there is one.
    pub(in crate::outbox) fn lost(&self) -> Option<&Path> {
        let mut names = self.0.iter();
        let lost = names.find(|(name, file)| FileId::of(name).ok() != *file);
        lost.map(|(name, _)| name.as_path())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The files of an outbox in a folder, and a link to the outbox.
    fn files(folder: &Path) -> (PathBuf, PathBuf) {
        let (path, link) = (folder.join("outbox.db"), folder.join("link.db"));
        for end in ["", "-wal", "-shm"] {
            fs::write(beside(&path, end), end).unwrap();
        }
        std::os::unix::fs::symlink(&path, &link).unwrap();
        (link, path)
    }

    #[test]
    fn a_file_that_is_written_keeps_its_name_and_one_that_is_moved_or_replaced_loses_it() {
        for end in ["", "-wal", "-shm"] {
            let folder = tempfile::TempDir::new().unwrap();
            let (link, path) = files(folder.path());
            let names = Names::of(&link, &path);
            let file = beside(&path, end);
            fs::write(&file, "more").unwrap();
            assert_eq!(names.lost(), None);
            let aside = folder.path().join("aside");
            fs::rename(&file, &aside).unwrap();
            assert!(names.lost().is_some(), "moved: {end}");
            fs::write(&file, "another").unwrap();
            assert!(names.lost().is_some(), "replaced: {end}");
            fs::rename(&aside, &file).unwrap();
            assert_eq!(names.lost(), None, "it is back: {end}");
        }
    }

    #[test]
    fn a_link_that_leads_to_another_file_is_no_name_any_more() {
        let folder = tempfile::TempDir::new().unwrap();
        let (link, path) = files(folder.path());
        let names = Names::of(&link, &path);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(beside(&path, "-wal"), &link).unwrap();
        assert_eq!(names.lost(), Some(link.as_path()));
    }
}
