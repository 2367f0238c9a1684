//! Reads a trace.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

use crate::block::{self, Found, MAGIC, VERSION};
use crate::entry::Entry;
use crate::header::Header;

/// Why a trace cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The file cannot be read.
    File(io::Error),
    /// It is no trace.
    NotATrace,
    /// It has another version of the format.
    Version(u32),
    /// The file ends in the header, so there is nothing to replay.
    NoHeader,
    /// The file was changed after it was written. The number is that of the last sound step.
    Damaged(u64),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NotATrace => f.write_str("this is not a trace; `parlour serve --record FILE` makes one"),
            Self::Version(version) => write!(
                f,
                "the trace has version {version} of the format, and this parlour reads version {VERSION}; \
                 replay it with the parlour that recorded it"
            ),
            Self::NoHeader => f.write_str("the file ends in the header, so nothing was recorded"),
            Self::Damaged(0) => f.write_str("the file is damaged"),
            Self::Damaged(steps) => write!(f, "the file is damaged after step {steps}"),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::File(error) = self { Some(error) } else { None }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// The entries of a trace. It holds one block at a time.
#[derive(Debug)]
pub struct Reader<R> {
    file: R,
    header: Header,
    content: Vec<u8>,
    /// Where the next entry begins.
    at: usize,
    is_cut: bool,
    /// That were read.
    steps: u64,
}

/// What comes next in a trace.
#[derive(Debug)]
pub(crate) enum Next<'e> {
    /// An entry, and its bytes.
    Entry(Entry<'e>, &'e [u8]),
    /// The file ends, in an entry or without [`Entry::End`].
    Cut,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Those of the file, and if it is not a trace that this version reads.
    pub fn new(mut file: R) -> Result<Self, ReadError> {
        let mut start = Vec::with_capacity(MAGIC.len() + 4);
        file.by_ref().take(MAGIC.len() as u64 + 4).read_to_end(&mut start)?;
        let version = start.strip_prefix(&MAGIC).ok_or(ReadError::NotATrace)?;
        let version = <[u8; 4]>::try_from(version).map_err(|_| ReadError::NoHeader)?;
        match u32::from_le_bytes(version) {
            VERSION => {}
            other => return Err(ReadError::Version(other)),
        }
        let mut content = Vec::new();
        match block::read(&mut file, &mut content)? {
            Found::Whole => {}
            Found::Cut | Found::Nothing => return Err(ReadError::NoHeader),
            Found::Damaged => return Err(ReadError::Damaged(0)),
        }
        let header = postcard::from_bytes(&content).map_err(|_| ReadError::Damaged(0))?;
        content.clear();
        Ok(Self { file, header, content, at: 0, is_cut: false, steps: 0 })
    }

    /// What the hub was made of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Next<'_>, ReadError> {
        while self.at == self.content.len() {
            if self.is_cut {
                return Ok(Next::Cut);
            }
            self.at = 0;
            match block::read(&mut self.file, &mut self.content)? {
                Found::Whole => {}
                Found::Cut => self.is_cut = true,
                Found::Nothing => return Ok(Next::Cut),
                Found::Damaged => return Err(ReadError::Damaged(self.steps)),
            }
        }
        let bytes = &self.content[self.at..];
        match postcard::take_from_bytes::<Entry<'_>>(bytes) {
            Ok((entry, rest)) => {
                let bytes = &bytes[..bytes.len() - rest.len()];
                self.at += bytes.len();
                self.steps += u64::from(entry.is_step());
                Ok(Next::Entry(entry, bytes))
            }
            Err(_) if self.is_cut => Ok(Next::Cut),
            Err(_) => Err(ReadError::Damaged(self.steps)),
        }
    }
}
