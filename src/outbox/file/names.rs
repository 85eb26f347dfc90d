//! Whether the files that a daemon has open still have their names: the outbox, its log, and the log's shared memory.
//!
//! SQLite goes on with a file that was deleted, moved or replaced, and so would the daemon: it would acknowledge what no
//! start ever finds. So the files are known by device and inode, and each name is looked up again and again. None is
//! opened for that: to close it would drop SQLite's locks.

use std::path::{Path, PathBuf};

use super::create::{FileId, beside};

/// What SQLite keeps beside the file for as long as a connection is open.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// The names of open files, each with the file that it named when they were opened.
#[derive(Debug)]
pub(in crate::outbox) struct Names(Vec<(PathBuf, Option<FileId>)>);

impl Names {
    /// Those of an outbox that is open: `configured` may be a link to `path`.
    pub(in crate::outbox) fn of(configured: &Path, path: &Path) -> Self {
        let log = BESIDE.map(|end| beside(path, end));
        let names = [configured.to_owned(), path.to_owned()].into_iter();
        let names = names.chain(log).map(|name| {
            let file = FileId::of(&name).ok();
            (name, file)
        });
        Self(names.collect())
    }

    /// The first name that is no longer that of the open file, if there is one.
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

    /// An outbox's files in a folder, and a link to it.
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
