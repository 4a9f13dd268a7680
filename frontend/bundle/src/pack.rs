//! Makes files small: `wasm-opt` for the module, brotli and gzip copies for everything that gains by them.
//!
//! It never changes what a file means, and never writes a copy that is not smaller than its original.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Result;

/// The `wasm-opt` of npm's binaryen. Never the one on the `PATH`: Debian's is too old and writes modules that die at load.
const WASM_OPT: &str = "node_modules/.bin/wasm-opt";
/// Kinds of files that are compressed already.
const DENSE: [&str; 6] = ["png", "jpg", "webp", "avif", "woff2", "ico"];
/// Below this many bytes a compressed copy saves no packet.
const WORTHWHILE: usize = 1024;

/// Optimises a module for size in place, where the optimiser is installed.
pub(crate) fn optimise(wasm: &Path) -> Result<()> {
    if !Path::new(WASM_OPT).exists() {
        eprintln!("bundle: {WASM_OPT} is missing (npm ci): the module stays larger than it need be");
        return Ok(());
    }
    let status = Command::new(WASM_OPT)
        .args(["-Oz", "--enable-bulk-memory", "--enable-nontrapping-float-to-int"])
        .arg(wasm)
        .arg("-o")
        .arg(wasm)
        .status()
        .map_err(|error| format!("{WASM_OPT}: {error}"))?;
    if !status.success() {
        return Err(format!("{WASM_OPT} ended with {status}").into());
    }
    Ok(())
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
