//! What a site is made of: lists the files, reads them with errors that name them, and says whether any changed.
//!
//! It reads only.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::{Paths, Result};

/// The style sheet that imports the others in their order.
pub(crate) const STYLE: &str = "style/slipway.css";
/// Copied as they are to the site's root.
pub(crate) const PUBLIC: &str = "public";
/// What a page imports when it needs a terminal, and where it comes from.
pub(crate) const XTERM: [&str; 7] = [
    "app/xterm-js-sys/js/loader.js",
    "node_modules/@xterm/xterm/css/xterm.css",
    "node_modules/@xterm/xterm/lib/xterm.mjs",
    "node_modules/@xterm/addon-fit/lib/addon-fit.mjs",
    "node_modules/@xterm/addon-search/lib/addon-search.mjs",
    "node_modules/@xterm/addon-unicode11/lib/addon-unicode11.mjs",
    "node_modules/@xterm/addon-web-links/lib/addon-web-links.mjs",
];

/// Text, with the path in the error.
pub(crate) fn text(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    Ok(fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// The files of a folder and of those below it, sorted; none if there is no such folder.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// All style sheets in the order that [`STYLE`] imports them in, joined.
pub(crate) fn style() -> Result<String> {
    let root = Path::new(STYLE);
    let folder = root.parent().expect("a file in a folder");
    let list = text(root)?;
    let imported: Vec<PathBuf> =
        list.lines().filter_map(|line| line.trim().strip_prefix("@import \"./")?.strip_suffix("\";")).map(|name| folder.join(name)).collect();
    for sheet in files_below(folder)? {
        if sheet != root && !imported.contains(&sheet) {
            return Err(format!("{STYLE} does not import {}: add it where it belongs", sheet.display()).into());
        }
    }
    let mut joined = String::new();
    for sheet in imported {
        joined.push_str(&text(sheet)?);
        joined.push('\n');
    }
    Ok(joined)
}

/// One line for each input: path, size and time of its last change. Equal text means an equal site.
pub(crate) fn stamp(paths: &Paths) -> Result<String> {
    let mut inputs = vec![env::current_exe()?, paths.wasm.clone()];
    inputs.extend(files_below(Path::new("style"))?);
    inputs.extend(files_below(Path::new(PUBLIC))?);
    inputs.extend(XTERM.iter().map(PathBuf::from));
    let mut stamp = String::new();
    for input in inputs {
        let about = fs::metadata(&input).map_err(|error| format!("{}: {error}", input.display()))?;
        let changed = about.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
        stamp.push_str(&format!("{} {} {changed}\n", input.display(), about.len()));
    }
    Ok(stamp)
}
