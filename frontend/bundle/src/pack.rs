//! Makes files small: names and notes are taken out of modules, and everything that gains by it gets brotli and gzip copies.
//!
//! It never changes what a file does, and never writes a copy that is not smaller than its original. `wasm-opt` was tried and left out:
//! it takes minutes, and what it gives is larger after brotli than what it gets.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use crate::Result;

/// Kinds of files that are compressed already.
const DENSE: [&str; 6] = ["png", "jpg", "webp", "avif", "woff2", "ico"];
/// Below this many bytes a compressed copy saves no packet.
const WORTHWHILE: usize = 1024;

/// Takes the custom sections out of a module in place: names of functions, and what the linker left. They mean nothing to a browser
/// (WebAssembly Core Specification, section 7.3 and appendix A.6).
pub(crate) fn strip(wasm: &Path) -> Result<()> {
    const PREAMBLE: usize = 8;
    const CUSTOM: u8 = 0;
    let module = fs::read(wasm)?;
    let cut = || format!("{}: cut off in the middle", wasm.display());
    let (preamble, mut rest) = module.split_at_checked(PREAMBLE).ok_or_else(cut)?;
    let mut kept = preamble.to_vec();
    while let Some((&id, after)) = rest.split_first() {
        let (size, width) = leb128(after).ok_or_else(cut)?;
        let section = rest.get(..1 + width + size).ok_or_else(cut)?;
        if id != CUSTOM {
            kept.extend_from_slice(section);
        }
        rest = &rest[section.len()..];
    }
    Ok(fs::write(wasm, kept)?)
}

/// An unsigned number of at most 32 bits, and in how many bytes it stands.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let width = 1 + bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let value = bytes[..width].iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((usize::try_from(value).ok()?, width))
}

/// Writes `.br` and `.gz` beside `file`. Says how large the brotli copy is, or the file where there is none.
pub(crate) fn compress(file: &Path) -> Result<usize> {
    let content = fs::read(file)?;
    let dense = file.extension().is_some_and(|kind| DENSE.iter().any(|dense| *dense == kind));
    if dense || content.len() < WORTHWHILE {
        return Ok(content.len());
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&content)?;
    keep(file, "gz", &gzip.finish()?, content.len())?;

    let mut small = Vec::new();
    let quality = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut content.as_slice(), &mut small, &quality)?;
    keep(file, "br", &small, content.len())?;
    Ok(small.len().min(content.len()))
}

fn keep(file: &Path, kind: &str, content: &[u8], original: usize) -> Result<()> {
    if content.len() < original {
        let mut name = file.as_os_str().to_owned();
        name.push(".");
        name.push(kind);
        fs::write(PathBuf::from(name), content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::leb128;

    #[test]
    fn sizes_are_read_as_the_specification_writes_them() {
        assert_eq!(leb128(&[0x05, 0xff]), Some((5, 1)));
        assert_eq!(leb128(&[0xe5, 0x8e, 0x26]), Some((624_485, 3)));
        assert_eq!(leb128(&[0x80]), None);
    }
}
