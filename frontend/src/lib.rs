//! The browser's entry: takes over the page that the server rendered. It holds no code of its own; all that a user sees is
//! `app`.

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the page's script when the module is there. A panic is shown in the browser's console with its place.
#[wasm_bindgen]
pub async fn hydrate() {
    console_error_panic_hook::set_once();
    app::take_over().await;
}
