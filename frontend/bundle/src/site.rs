//! The layout of the site, as leptos and the pages expect it:
//!
//! ```text
//! build                        BUILD: a hash of all that is below pkg/BUILD; the server reads it when it starts
//! pkg/BUILD/slipway.js         glue, which the page's script imports
//! pkg/BUILD/slipway_bg.wasm    the module: what every page needs
//! pkg/BUILD/split_*.wasm       the code of one page, loaded when it is first opened
//! pkg/BUILD/chunk_*.wasm       code that some pages share
//! pkg/BUILD/__wasm_split.*     loads the parts; says to leptos which parts a page needs
//! pkg/BUILD/slipway.css        all style sheets
//! pkg/BUILD/snippets/          JavaScript that a crate brought along; the glue imports it
//! pkg/xterm/                   loader.js and what it imports; only pages with a terminal ask for it
//! favicon.svg ...              the public files
//! ```

use std::{
    fs,
    hash::{DefaultHasher, Hasher},
    path::Path,
};

use crate::{Paths, Result, inputs, module, pack};

/// Writes the site and returns its build.
pub(crate) fn write(paths: &Paths) -> Result<String> {
    let new = paths.site.with_extension("new");
    remove(&new)?;
    let parts = new.join("pkg/parts");
    fs::create_dir_all(&parts)?;
    module::write(paths, &parts)?;
    fs::write(parts.join("slipway.css"), inputs::style()?)?;
    let build = build(&parts)?;
    fs::rename(&parts, new.join("pkg").join(&build))?;
    xterm(&new.join("pkg/xterm"))?;
    public(&new)?;
    if paths.release {
        compress(&new)?;
    }
    fs::write(new.join("build"), &build)?;
    remove(&paths.site)?;
    fs::rename(&new, &paths.site)?;
    Ok(build)
}

/// Tells builds apart; it proves nothing against someone who wants two to have the same.
fn build(folder: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in inputs::files_below(folder)? {
        hasher.write(file.strip_prefix(folder)?.to_string_lossy().as_bytes());
        hasher.write(&fs::read(&file)?);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// The terminal's modules, without the line that names a source map which is not served.
fn xterm(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for source in inputs::XTERM {
        let source = Path::new(source);
        let text = inputs::text(source)?;
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("//# sourceMappingURL=")).collect();
        let name = source.file_name().expect("a path of XTERM names a file");
        fs::write(folder.join(name), kept.join("\n"))?;
    }
    Ok(())
}

fn public(site: &Path) -> Result<()> {
    let folder = Path::new(inputs::PUBLIC);
    for file in inputs::files_below(folder)? {
        let to = site.join(file.strip_prefix(folder)?);
        fs::create_dir_all(to.parent().expect("below the site"))?;
        fs::copy(&file, &to)?;
    }
    Ok(())
}

/// Compresses every file and says what the first page costs: all that is there before a page's own part.
fn compress(site: &Path) -> Result<()> {
    let (mut first_page, mut parts) = (0, 0);
    for file in inputs::files_below(site)? {
        let size = pack::compress(&file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("split_") || name.starts_with("chunk_") {
            parts += size;
        } else if name.starts_with("slipway") || name.starts_with("__wasm_split.") {
            eprintln!("bundle: {name}: {:.1} KiB, {:.1} with brotli", fs::metadata(&file)?.len() as f64 / 1024.0, size as f64 / 1024.0);
            first_page += size;
        }
    }
    eprintln!("bundle: brotli: {:.1} KiB for every page, {:.1} KiB in the pages' own parts", first_page as f64 / 1024.0, parts as f64 / 1024.0);
    Ok(())
}
