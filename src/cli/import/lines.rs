//! The lines of an archive: a file or stdin, plain or gzip, one line in memory at a time.
//!
//! Each place has a mark: a hash of everything before it, after decompression. It names calls without an id of their
//! own, the same at every run, and tells whether a file is the one of which a part was read before.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

/// The first bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// What is read at once.
const BUFFER: usize = 256 << 10;
/// As much of a file's beginning says which file it is.
const BEGINNING: u64 = 64 << 10;

/// An archive being read.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    /// Longer lines are left out.
    longest: usize,
    number: u64,
    before: Sha256,
    /// Why nothing more can be read, once the line before it is given.
    broken: Option<io::Error>,
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its bytes are in the buffer, without the line's end.
    Here,
    /// It has so many bytes, and was left out.
    TooLong(u64),
}

/// What is remembered of an archive: behind which line to go on, and the mark there.
pub(super) type Place = (u64, String);

/// How many bytes of the file itself were read, for the progress bar.
pub(super) type Position = Arc<AtomicU64>;

impl Lines {
    /// Opens a file, or stdin as `-`.
    pub(super) fn open(file: &Path, longest: usize, position: &Position) -> io::Result<Self> {
        let position = Arc::clone(position);
        let input: Box<dyn Read + Send> = if is_stdin(file) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(file)?)
        };
        let counted = Counted { input, position };
        Self::of(Box::new(BufReader::with_capacity(BUFFER, counted)), longest)
    }

    fn of(mut input: Box<dyn BufRead + Send>, longest: usize) -> io::Result<Self> {
        // A pipe may give one byte at first; what begins with the first of the two is no text anyway.
        let begins = input.fill_buf()?;
        let is_gzip =
            begins.first() == GZIP_MAGIC.first() && begins.get(1).is_none_or(|second| *second == GZIP_MAGIC[1]);
        let input = if is_gzip {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input)))
        } else {
            input
        };
        Ok(Self {
            input,
            longest,
            number: 0,
            before: Sha256::new(),
            broken: None,
        })
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Line>> {
        buffer.clear();
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let mut bytes = 0_u64;
        loop {
            let (used, ended) = {
                let available = match self.input.fill_buf() {
                    // Behind a whole member of gzip stands something else: its last line is whole too.
                    Err(error) if bytes > 0 && error.kind() == ErrorKind::InvalidInput => {
                        self.broken = Some(error);
                        break;
                    }
                    available => available?,
                };
                let end = available.iter().position(|byte| *byte == b'\n');
                let part = &available[..end.unwrap_or(available.len())];
                self.before.update(part);
                bytes += u64::try_from(part.len()).unwrap_or(u64::MAX);
                if buffer.len() + part.len() <= self.longest {
                    buffer.extend_from_slice(part);
                } else {
                    buffer.clear();
                }
                (end.map_or(part.len(), |end| end + 1), end.is_some())
            };
            self.input.consume(used);
            if used == 0 && bytes == 0 {
                return Ok(None);
            }
            if ended || used == 0 {
                break;
            }
        }
        // The last line counts as ended: it keeps its mark when more is appended to the file.
        self.before.update(b"\n");
        self.number += 1;
        if bytes > u64::try_from(self.longest).unwrap_or(u64::MAX) {
            buffer.clear();
            return Ok(Some(Line::TooLong(bytes)));
        }
        Ok(Some(Line::Here))
    }

    /// The number of the line that came last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The mark behind the line that came last.
    pub(super) fn mark(&self) -> String {
        hex(&self.before.clone().finalize())
    }

    /// Goes behind a line without reading what it says. `false` when this is not the file in which the mark was made:
    /// then it must be opened anew.
    pub(super) fn skip(&mut self, number: u64, mark: &str) -> io::Result<bool> {
        let mut buffer = Vec::new();
        while self.number < number {
            if self.next(&mut buffer)?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.mark() == mark)
    }
}

/// What tells one file from others: a hash of its beginning. What cannot be read twice has none: stdin, a pipe by any
/// name, a device.
pub(super) fn identity(file: &Path) -> io::Result<Option<String>> {
    if is_stdin(file) || !std::fs::metadata(file)?.is_file() {
        return Ok(None);
    }
    let lines = Lines::open(file, 0, &Position::default())?;
    let mut beginning = Vec::new();
    // A file that ends early has what is there for a beginning; reading it says what is wrong.
    drop(lines.input.take(BEGINNING).read_to_end(&mut beginning));
    Ok(Some(hex(&Sha256::digest(&beginning))))
}

pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// The first half of a hash, which is enough to tell files and places apart.
fn hex(hash: &[u8]) -> String {
    let half = hash.first_chunk().copied().unwrap_or_default();
    format!("{:032x}", u128::from_be_bytes(half))
}

/// Counts what passes.
struct Counted {
    input: Box<dyn Read + Send>,
    position: Position,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.position
            .fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(bytes: &[u8]) -> Lines {
        Lines::of(Box::new(io::Cursor::new(bytes.to_vec())), 10).unwrap()
    }

    fn all(mut lines: Lines) -> (Vec<String>, String) {
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next(&mut buffer).unwrap() {
            found.push(match line {
                Line::Here => String::from_utf8(buffer.clone()).unwrap(),
                Line::TooLong(bytes) => format!("({bytes})"),
            });
        }
        let mark = lines.mark();
        (found, mark)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_end() {
        assert_eq!(all(lines(b"")).0, [""; 0]);
        assert_eq!(all(lines(b"a\n\nb")).0, ["a", "", "b"]);
        assert_eq!(
            all(lines(b"0123456789\n01234567890\nc\n")).0,
            ["0123456789", "(11)", "c"]
        );
    }

    #[test]
    fn a_compressed_file_of_many_members_is_the_plain_one() {
        let plain = all(lines(b"one\ntwo\nthree\n"));
        let members = [gzip(b"one\ntw"), gzip(b"o\nthree\n")].concat();
        assert_eq!(all(lines(&members)), plain);
    }

    #[test]
    fn a_mark_depends_on_everything_before_and_on_nothing_after() {
        let mark = |bytes, number| {
            let mut lines = lines(bytes);
            while lines.number() < number {
                lines.next(&mut Vec::new()).unwrap().unwrap();
            }
            lines.mark()
        };
        let one = mark(b"a\nb", 2);
        assert_eq!(mark(b"a\nb\nc\n", 2), one);
        assert_ne!(mark(b"x\nb\n", 2), one);
        assert_ne!(mark(b"a\na\n", 1), mark(b"a\na\n", 2), "two equal lines are two");
    }

    #[test]
    fn only_the_file_of_the_mark_is_skipped_in() {
        let (_, mark) = all(lines(b"a\nb\n"));
        let mut grown = lines(b"a\nb\nc\n");
        assert!(grown.skip(2, &mark).unwrap());
        assert_eq!(all(grown).0, ["c"]);
        assert!(!lines(b"a\nx\nc\n").skip(2, &mark).unwrap());
        assert!(!lines(b"a\n").skip(2, &mark).unwrap());
    }
}
