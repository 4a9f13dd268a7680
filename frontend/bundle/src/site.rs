//! The layout of the site, as leptos and the pages expect it:
//!
//! ```text
//! pkg/slipway.HASH.js      glue, which the page's script imports
//! pkg/slipway.HASH.wasm    the module
//! pkg/slipway.HASH.css     all style sheets
//! pkg/snippet.HASH.js      JavaScript that a crate brought along; the glue imports it
//! pkg/xterm/               loader.js and what it imports; only pages with a terminal ask for it, names without a hash
//! favicon.svg ...          the public files
//! ```

use std::{
    fs,
    hash::{DefaultHasher, Hasher},
    path::Path,
};

use wasm_bindgen_cli_support::Bindgen;

use crate::{Paths, Result, inputs, pack};

/// Writes the site and `hash.txt`, and returns what stands in the latter.
pub(crate) fn write(paths: &Paths) -> Result<String> {
    let new = paths.site.with_extension("new");
    remove(&new)?;
    let pkg = new.join("pkg");
    fs::create_dir_all(&pkg)?;

    let js = module(paths, &pkg)?;
    let css = hashed(&pkg, "css", inputs::style()?.as_bytes())?;
    let wasm = fs::read(pkg.join("slipway_bg.wasm"))?;
    let wasm = hashed(&pkg, "wasm", &wasm)?;
    fs::remove_file(pkg.join("slipway_bg.wasm"))?;
    xterm(&pkg.join("xterm"))?;
    public(&new)?;
    if paths.release {
        compress(&new)?;
    }

    let hashes = format!("js: {js}\nwasm: {wasm}\ncss: {css}\n");
    remove(&paths.site)?;
    fs::rename(&new, &paths.site)?;
    fs::write(&paths.hashes, &hashes)?;
    Ok(hashes)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// Generates glue and module; the glue is renamed to its hash, which is returned, the module not yet.
fn module(paths: &Paths, pkg: &Path) -> Result<String> {
    Bindgen::new()
        .input_path(&paths.wasm)
        .out_name("slipway")
        .web(true)?
        .typescript(false)
        .remove_name_section(paths.release)
        .remove_producers_section(paths.release)
        .generate(pkg)?;
    if paths.release {
        pack::optimise(&pkg.join("slipway_bg.wasm"))?;
    }
    let mut glue = inputs::text(pkg.join("slipway.js"))?;
    fs::remove_file(pkg.join("slipway.js"))?;
    for snippet in inputs::files_below(&pkg.join("snippets"))? {
        let text = inputs::text(&snippet)?;
        let path = snippet.strip_prefix(pkg)?.display().to_string();
        if text.lines().any(|line| line.trim_start().starts_with("import ")) {
            return Err(format!("{path} imports another file, which a snippet of ours may not: it gets a new place").into());
        }
        let name = format!("snippet.{}.js", hash(text.as_bytes()));
        fs::write(pkg.join(&name), text)?;
        glue = glue.replace(&path, &name);
    }
    remove(&pkg.join("snippets"))?;
    hashed(pkg, "js", glue.as_bytes())
}

/// Writes `slipway.HASH.KIND` and returns the hash.
fn hashed(pkg: &Path, kind: &str, content: &[u8]) -> Result<String> {
    let hash = hash(content);
    fs::write(pkg.join(format!("slipway.{hash}.{kind}")), content)?;
    Ok(hash)
}

/// Tells versions of one file apart; it proves nothing against someone who wants two files to have the same.
fn hash(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("{:016x}", hasher.finish())
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

/// Compresses every file and says what the first page costs.
fn compress(site: &Path) -> Result<()> {
    let mut first_page = 0;
    for file in inputs::files_below(site)? {
        let size = pack::compress(&file)?;
        let name = file.strip_prefix(site)?.display().to_string();
        if name.starts_with("pkg/slipway.") || name.starts_with("pkg/snippet.") {
            eprintln!("bundle: {name}: {:.1} KiB, {:.1} with brotli", fs::metadata(&file)?.len() as f64 / 1024.0, size as f64 / 1024.0);
            first_page += size;
        }
    }
    eprintln!("bundle: first page, brotli: {:.1} KiB", first_page as f64 / 1024.0);
    Ok(())
}
