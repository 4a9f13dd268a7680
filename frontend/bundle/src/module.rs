//! The module's parts and their glue: `wasm_split_cli_support` cuts what cargo built at the functions that are marked as lazy (the
//! pages), `wasm-bindgen` makes the glue of the main part.
//!
//! The names of the parts stand in the glue, so nothing here may rename a file.

use std::{collections::BTreeMap, fs, path::Path};

use wasm_bindgen_cli_support::Bindgen;
use wasm_split_cli_support::Options;

use crate::{Paths, Result, pack};

/// The name under which leptos tells the browser to fetch the loader early.
const LOADER: &str = "./__wasm_split.______________________.js";
/// Where leptos reads which parts a page needs.
const PARTS: &str = "__wasm_split_manifest.json";

/// Writes `slipway.js`, `slipway_bg.wasm` and the other parts into `folder`.
pub(crate) fn write(paths: &Paths, folder: &Path) -> Result<()> {
    let whole = fs::read(&paths.wasm)?;
    let main = folder.join("main.wasm");
    let mut options = Options::new(&whole);
    options.output_dir = folder;
    options.main_out_path = &main;
    options.main_module = "./slipway.js";
    options.link_name = LOADER;
    let split = wasm_split_cli_support::transform(options).map_err(|error| format!("cutting the module: {error:#}"))?;

    recover(&folder.join(LOADER))?;

    Bindgen::new()
        .input_path(&main)
        .out_name("slipway")
        .web(true)?
        .typescript(false)
        .keep_lld_exports(true)
        .remove_name_section(paths.release)
        .remove_producers_section(paths.release)
        .generate(folder)?;
    fs::remove_file(&main)?;
    if paths.release {
        pack::strip(&folder.join("slipway_bg.wasm"))?;
        for part in &split.split_modules {
            pack::strip(part)?;
        }
    }
    // In a fixed order, so that the same code gives the same build.
    let parts: BTreeMap<_, _> = split.prefetch_map.iter().collect();
    fs::write(folder.join(PARTS), serde_json::to_vec(&parts)?)?;
    Ok(())
}

/// The loader reports a part that did not come to code that panics; ours does something about it instead.
fn recover(loader: &Path) -> Result<()> {
    const REPORTS: &str = "console.error(e);";
    let text = fs::read_to_string(loader)?;
    if text.matches(REPORTS).count() != 1 {
        return Err(format!("{} has changed: where does it report that a part did not come?", loader.display()).into());
    }
    Ok(fs::write(loader, text.replace(REPORTS, "await lost(e);") + include_str!("lost.js"))?)
}
