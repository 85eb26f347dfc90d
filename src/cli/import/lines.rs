//! The lines of an archive: a file or stdin, plain or gzip, one line in memory at a time.
//!
//! Each position has a mark: a hash of all bytes before it, after decompression. Calls without an id get one from the
//! mark, the same in every run. The mark also shows whether a file is the one that was partly read before.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use sha2::{Digest as _, Sha256};

/// The first bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The size of the read buffer.
const BUFFER: usize = 256 << 10;
/// How much of a file's beginning identifies the file.
const BEGINNING: u64 = 64 << 10;

/// An archive being read.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    /// Longer lines are skipped.
    longest: usize,
    number: u64,
    before: Sha256,
    /// The error that ends the reading, after the line before it was returned.
    broken: Option<io::Error>,
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its bytes are in the buffer, without the line break.
    Here,
    /// It was skipped because it has this many bytes.
    TooLong(u64),
}

/// The remembered position in an archive: the number of the last line read, and the mark after it.
pub(super) type Place = (u64, String);

impl Lines {
    /// Opens a file, or stdin as `-`; `bar` counts the bytes that are read of it.
    pub(super) fn open(file: &Path, longest: usize, bar: &ProgressBar) -> io::Result<Self> {
        let input: Box<dyn Read + Send> = if is_stdin(file) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(file)?)
        };
        let counted = bar.wrap_read(input);
        Self::of(Box::new(BufReader::with_capacity(BUFFER, counted)), longest)
    }

    fn of(mut input: Box<dyn BufRead + Send>, longest: usize) -> io::Result<Self> {
        // A pipe may return one byte at first; no JSON text starts with the first byte of gzip, so one byte is enough.
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
                    // The bytes after a complete gzip member are not gzip: the last line of the member is complete too.
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
        // The last line counts as ended: it keeps its mark when the file grows.
        self.before.update(b"\n");
        self.number += 1;
        if bytes > u64::try_from(self.longest).unwrap_or(u64::MAX) {
            buffer.clear();
            return Ok(Some(Line::TooLong(bytes)));
        }
        Ok(Some(Line::Here))
    }

    /// The number of the last line read, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The mark after the last line read.
    pub(super) fn mark(&self) -> String {
        hex(&self.before.clone().finalize())
    }

    /// Skips the lines up to a position without parsing them. `false` if this is not the file in which the mark was
    /// made: it must then be reopened.
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

/// Identifies a file by a hash of its beginning; `None` if it cannot be read twice: stdin, a pipe, a device.
pub(super) fn identity(file: &Path) -> io::Result<Option<String>> {
    if is_stdin(file) || !std::fs::metadata(file)?.is_file() {
        return Ok(None);
    }
    let lines = Lines::open(file, 0, &ProgressBar::hidden())?;
    let mut beginning = Vec::new();
    // The hash covers what can be read. A read error is reported when the archive itself is read.
    drop(lines.input.take(BEGINNING).read_to_end(&mut beginning));
    Ok(Some(hex(&Sha256::digest(&beginning))))
}

pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// The first half of a hash, which is enough to distinguish files and positions.
fn hex(hash: &[u8]) -> String {
    let half = hash.first_chunk().copied().unwrap_or_default();
    format!("{:032x}", u128::from_be_bytes(half))
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
