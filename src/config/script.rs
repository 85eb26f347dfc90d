//! The file that `[ingest] analytics_js` names, and the parts in its folder: read at the start and at a reload.
//!
//! Not read with the rest of the configuration: commands that serve nothing need not have it. Uses no other module.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// The script and its parts.
#[derive(Clone)]
pub struct AnalyticsJs {
    /// The script.
    pub script: Bytes,
    /// What it fetches when it needs it, by file name.
    pub parts: BTreeMap<String, Bytes>,
}

/// Why the script could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AnalyticsJsError {
    /// The file itself, or one of its parts beside it.
    #[error(
        "failed to read {}; put dist/umd/standalone.js of the npm package @segment/analytics-next there, with the \
         *.bundle.*.js files beside it, or leave analytics_js out",
        path.display()
    )]
    Read {
        /// Which file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// What it leads to would be served to everybody.
    #[error("{} is a link out of its folder; put the file itself there", path.display())]
    LeadsOut {
        /// Which part.
        path: PathBuf,
    },
    /// A page, a map, or nothing.
    #[error(
        "{} is no script for Segment's snippet; it has to be dist/umd/standalone.js of the npm package \
         @segment/analytics-next",
        path.display()
    )]
    NoScript {
        /// Which file.
        path: PathBuf,
    },
}

impl AnalyticsJs {
    /// Reads the script, and its parts from the same folder.
    pub fn read(path: &Path) -> Result<Self, AnalyticsJsError> {
        let script = read(path)?;
        // The words by which the script finds its own address: the package's other builds leave them to others.
        let marks: [&[u8]; 2] = [b"analyticsWriteKey", b"_loadOptions"];
        let has = |mark: &&[u8]| script.windows(mark.len()).any(|window| window == *mark);
        if !marks.iter().all(has) {
            return Err(AnalyticsJsError::NoScript { path: path.to_owned() });
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let unreadable = |source| AnalyticsJsError::Read {
            path: folder.to_owned(),
            source,
        };
        let mut parts = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if is_part(&name) {
                let path = entry.path();
                if is_outside(&path, folder).map_err(unreadable)? {
                    return Err(AnalyticsJsError::LeadsOut { path });
                }
                parts.insert(name, read(&path)?);
            }
        }
        Ok(Self { script, parts })
    }
}

/// Whether a file of a folder is a link to one that is not in it. Links within it are how a container mounts it.
fn is_outside(file: &Path, folder: &Path) -> io::Result<bool> {
    Ok(!file.canonicalize()?.starts_with(folder.canonicalize()?))
}

fn read(path: &Path) -> Result<Bytes, AnalyticsJsError> {
    let read = fs::read(path).map_err(|source| AnalyticsJsError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(Bytes::from(read))
}

/// `auto-track.bundle.f131ce01a05e3a33a8c1.js`, not its `.map` nor its `.gz`.
fn is_part(name: &str) -> bool {
    name.contains(".bundle.") && Path::new(name).extension().is_some_and(|end| end == "js")
}
