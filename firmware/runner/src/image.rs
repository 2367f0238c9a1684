//! Reads a linked program: the sizes of its parts, and the names and sizes of its variables. Knows ELF.
//! Knows no boards, and not what a variable is for.

use std::error::Error;
use std::fmt;

use object::elf::{PT_LOAD, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS};
use object::read::elf::{ElfFile32, ProgramHeader, SectionHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SymbolKind};

/// The parts of a program, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Code.
    pub text: usize,
    /// Constants, and the gaps between the parts of flash.
    pub rodata: usize,
    /// The first values of variables, which flash keeps.
    pub initial: usize,
    /// All variables, with the gaps between them.
    pub variables: usize,
    /// The stack.
    pub stack: usize,
    /// The variables: path in the program, and bytes.
    pub symbols: Vec<(String, usize)>,
}

/// Why a file cannot be measured.
#[derive(Debug)]
pub enum ImageError {
    /// It is not an ELF file of 32 bits, or it is damaged.
    Elf(object::Error),
    /// It does not define a symbol that tells where the stack is.
    NoStack(&'static str),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Elf(_) => write!(f, "it is not an ELF file for a 32-bit processor"),
            ImageError::NoStack(symbol) => write!(f, "it does not define {symbol}"),
        }
    }
}

impl Error for ImageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ImageError::Elf(error) => Some(error),
            ImageError::NoStack(_) => None,
        }
    }
}

impl From<object::Error> for ImageError {
    fn from(error: object::Error) -> Self {
        ImageError::Elf(error)
    }
}

impl Image {
    /// Measures the program of an ELF file.
    ///
    /// # Errors
    /// Why it cannot be measured.
    pub fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let elf = ElfFile32::<Endianness>::parse(bytes)?;
        let stack = address(&elf, "_stack_end")?..address(&elf, "_stack_start")?;
        let mut image = Self { stack: (stack.end - stack.start) as usize, ..Self::default() };
        let (mut first, mut end) = (u64::MAX, 0);
        for section in elf.sections().filter(|section| section.size() > 0) {
            let header = section.elf_section_header();
            let (flags, size) = (header.sh_flags(elf.endian()), section.size() as usize);
            let is_stack = stack.contains(&section.address());
            if flags & SHF_ALLOC == 0 || is_stack {
                continue;
            }
            if flags & SHF_WRITE != 0 {
                (first, end) = (first.min(section.address()), end.max(section.address() + section.size()));
                image.initial += if header.sh_type(elf.endian()) == SHT_NOBITS { 0 } else { size };
            } else if flags & SHF_EXECINSTR != 0 {
                image.text += size;
            }
        }
        image.variables = end.saturating_sub(first) as usize;
        image.rodata = flash(&elf) - image.text - image.initial;
        image.symbols = variables(&elf, first..end);
        Ok(image)
    }

    /// The variables below a path.
    pub fn variables_of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, usize)> {
        let ours = self.symbols.iter().filter(move |(name, _)| name.starts_with(path));
        ours.map(|(name, bytes)| (name.as_str(), *bytes))
    }
}

fn address(elf: &ElfFile32<'_>, symbol: &'static str) -> Result<u64, ImageError> {
    let found = elf.symbols().find(|found| found.name() == Ok(symbol));
    found.map(|found| found.address()).ok_or(ImageError::NoStack(symbol))
}

/// Bytes from the first to the last that has to be put into flash.
fn flash(elf: &ElfFile32<'_>) -> usize {
    let endian = elf.endian();
    let loaded = elf.elf_program_headers().iter().filter(|header| header.p_type(endian) == PT_LOAD);
    let parts = loaded.filter(|header| header.p_filesz(endian) > 0);
    let (mut first, mut end) = (u32::MAX, 0);
    for part in parts {
        let start = part.p_paddr(endian);
        (first, end) = (first.min(start), end.max(start + part.p_filesz(endian)));
    }
    end.saturating_sub(first) as usize
}

/// The variables in a range of addresses, under their names in the source.
fn variables(elf: &ElfFile32<'_>, range: std::ops::Range<u64>) -> Vec<(String, usize)> {
    let symbols = elf.symbols().filter(|symbol| symbol.kind() == SymbolKind::Data);
    let here = symbols.filter(|symbol| range.contains(&symbol.address()));
    let named = here.filter_map(|symbol| Some((symbol.name().ok()?, symbol.size() as usize)));
    named.map(|(name, size)| (format!("{:#}", rustc_demangle::demangle(name)), size)).collect()
}
