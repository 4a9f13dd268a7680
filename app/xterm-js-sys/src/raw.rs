//! The JavaScript side as it is: names and signatures of the loader, of `@xterm/xterm` and of the addons.
//!
//! Nothing here is seen outside the crate. All types are structural, so that no global class has to exist when the page
//! hydrates; [`construct`] makes instances from the constructors that the loader exports.

use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(inline_js = "export async function importModule(url) { return await import(url); }")]
extern "C" {
    #[wasm_bindgen(catch, js_name = importModule)]
    pub(crate) async fn import_module(url: &str) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Object, typescript_type = "any")]
    #[derive(Clone, Debug)]
    pub(crate) type Loader;

    #[wasm_bindgen(method, getter, js_name = Terminal)]
    pub(crate) fn terminal_class(this: &Loader) -> Function;
    #[wasm_bindgen(method, getter, js_name = FitAddon)]
    pub(crate) fn fit_class(this: &Loader) -> Function;
    #[wasm_bindgen(method, getter, js_name = SearchAddon)]
    pub(crate) fn search_class(this: &Loader) -> Function;
    #[wasm_bindgen(method, getter, js_name = WebLinksAddon)]
    pub(crate) fn web_links_class(this: &Loader) -> Function;
    #[wasm_bindgen(method, getter, js_name = Unicode11Addon)]
    pub(crate) fn unicode11_class(this: &Loader) -> Function;

    #[wasm_bindgen(extends = Object, typescript_type = "any")]
    #[derive(Clone, Debug)]
    pub(crate) type Term;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn open(this: &Term, parent: &web_sys::HtmlElement) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn write(this: &Term, data: &Uint8Array, consumed: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, js_name = onData)]
    pub(crate) fn on_data(this: &Term, heard: &Function) -> Disposable;
    #[wasm_bindgen(method, js_name = onBinary)]
    pub(crate) fn on_binary(this: &Term, heard: &Function) -> Disposable;
    #[wasm_bindgen(method, js_name = onResize)]
    pub(crate) fn on_resize(this: &Term, heard: &Function) -> Disposable;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn resize(this: &Term, cols: u16, rows: u16) -> Result<(), JsValue>;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn cols(this: &Term) -> u16;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn rows(this: &Term) -> u16;
    #[wasm_bindgen(method)]
    pub(crate) fn focus(this: &Term);
    #[wasm_bindgen(method)]
    pub(crate) fn clear(this: &Term);
    #[wasm_bindgen(method)]
    pub(crate) fn reset(this: &Term);
    #[wasm_bindgen(method, js_name = getSelection)]
    pub(crate) fn selection(this: &Term) -> String;
    #[wasm_bindgen(method, js_name = onSelectionChange)]
    pub(crate) fn on_selection_change(this: &Term, heard: &Function) -> Disposable;
    #[wasm_bindgen(method)]
    pub(crate) fn paste(this: &Term, text: &str);
    #[wasm_bindgen(method, js_name = attachCustomKeyEventHandler)]
    pub(crate) fn attach_key_handler(this: &Term, handler: &Function);
    #[wasm_bindgen(method, catch, js_name = loadAddon)]
    pub(crate) fn load_addon(this: &Term, addon: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method)]
    pub(crate) fn dispose(this: &Term);
    #[wasm_bindgen(method, getter)]
    pub(crate) fn options(this: &Term) -> Object;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn unicode(this: &Term) -> Object;

    /// What every `on...` method of xterm.js gives back: the means to stop listening.
    #[wasm_bindgen(extends = Object, typescript_type = "any")]
    #[derive(Clone, Debug)]
    pub(crate) type Disposable;
    #[wasm_bindgen(method, js_name = dispose)]
    pub(crate) fn stop(this: &Disposable);

    /// `{cols, rows}`, in events and proposals.
    #[wasm_bindgen(extends = Object, typescript_type = "any")]
    #[derive(Clone, Debug)]
    pub(crate) type Dimensions;
    #[wasm_bindgen(method, getter, js_name = cols)]
    pub(crate) fn columns(this: &Dimensions) -> f64;
    #[wasm_bindgen(method, getter, js_name = rows)]
    pub(crate) fn lines(this: &Dimensions) -> f64;

    #[wasm_bindgen(extends = Object, typescript_type = "any")]
    #[derive(Clone, Debug)]
    pub(crate) type FitAddon;
    #[wasm_bindgen(method)]
    pub(crate) fn fit(this: &FitAddon);
    #[wasm_bindgen(method, js_name = proposeDimensions)]
    pub(crate) fn propose(this: &FitAddon) -> Option<Dimensions>;

    #[wasm_bindgen(extends = Object, typescript_type = "any")]
    #[derive(Clone, Debug)]
    pub(crate) type SearchAddon;
    #[wasm_bindgen(method, catch, js_name = findNext)]
    pub(crate) fn find_next(this: &SearchAddon, term: &str, options: &Object) -> Result<bool, JsValue>;
    #[wasm_bindgen(method, catch, js_name = findPrevious)]
    pub(crate) fn find_previous(this: &SearchAddon, term: &str, options: &Object) -> Result<bool, JsValue>;
    #[wasm_bindgen(method, js_name = clearDecorations)]
    pub(crate) fn clear_decorations(this: &SearchAddon);
    #[wasm_bindgen(method, getter, js_name = onDidChangeResults)]
    pub(crate) fn on_did_change_results(this: &SearchAddon) -> Function;

    /// `{resultIndex, resultCount}`.
    #[wasm_bindgen(extends = Object, typescript_type = "any")]
    #[derive(Clone, Debug)]
    pub(crate) type Results;
    #[wasm_bindgen(method, getter, js_name = resultIndex)]
    pub(crate) fn index(this: &Results) -> f64;
    #[wasm_bindgen(method, getter, js_name = resultCount)]
    pub(crate) fn count(this: &Results) -> f64;
}

/// `new class(...arguments)`, as the type that the caller knows it to be.
pub(crate) fn construct<T: JsCast>(class: &Function, arguments: &[&JsValue]) -> Result<T, JsValue> {
    let list = Array::new();
    for argument in arguments {
        list.push(argument);
    }
    Ok(Reflect::construct(class, &list)?.unchecked_into())
}

/// Sets `object[name]`.
pub(crate) fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    // Only a frozen object or a throwing setter can fail; ours are plain literals and xterm's option object, whose setter
    // throws for values that the types of this crate cannot hold.
    let _ = Reflect::set(object, &JsValue::from_str(name), &value.into());
}
