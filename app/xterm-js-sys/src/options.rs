//! How a terminal looks and behaves, and its translation into the option object of xterm.js.
//!
//! A value that is left at `None` is xterm's own default. No value is checked here that the type does not already rule out.

use js_sys::Object;

use crate::raw::set;

/// The shape of the cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CursorStyle {
    /// A filled cell.
    #[default]
    Block,
    /// A line below the cell.
    Underline,
    /// A line before the cell.
    Bar,
}

/// Options of a new terminal. `Options::default()` is xterm's default with a screen reader's mode off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Columns and rows before the first fit; xterm's default is 80 by 24.
    pub size: Option<crate::Size>,
    /// CSS font family list; a monospace one.
    pub font_family: Option<String>,
    /// CSS pixels.
    pub font_size: Option<f64>,
    /// A factor of the font's height, 1 or more.
    pub line_height: Option<f64>,
    /// Colours.
    pub theme: Option<Theme>,
    /// Lines kept above the screen.
    pub scrollback: Option<u32>,
    /// Keeps the text in a form that assistive technology reads, and announces output. It costs speed: offer it as a switch.
    pub screen_reader_mode: bool,
    /// A line feed also returns to the first column. For logs, which come without a terminal; never for a shell.
    pub convert_eol: bool,
    /// No input is taken: what is shown is a record.
    pub disable_stdin: bool,
    /// The cursor blinks.
    pub cursor_blink: bool,
    /// The cursor's shape.
    pub cursor_style: CursorStyle,
    /// Smallest contrast between text and its background, 1 (off) to 21; 4.5 is WCAG AA.
    pub minimum_contrast_ratio: Option<f64>,
    /// Option acts as Meta on a Mac.
    pub mac_option_is_meta: bool,
}

impl Options {
    pub(crate) fn to_js(&self) -> Object {
        let js = Object::new();
        // Unicode 11 widths and the marks of a search are "proposed" in xterm's words and refused without this.
        set(&js, "allowProposedApi", true);
        if let Some(size) = self.size {
            set(&js, "cols", size.cols);
            set(&js, "rows", size.rows);
        }
        if let Some(font_family) = &self.font_family {
            set(&js, "fontFamily", font_family.as_str());
        }
        for (name, value) in [
            ("fontSize", self.font_size),
            ("lineHeight", self.line_height),
            ("scrollback", self.scrollback.map(f64::from)),
            ("minimumContrastRatio", self.minimum_contrast_ratio),
        ] {
            if let Some(value) = value {
                set(&js, name, value);
            }
        }
        if let Some(theme) = &self.theme {
            set(&js, "theme", theme.to_js());
        }
        for (name, value) in [
            ("screenReaderMode", self.screen_reader_mode),
            ("convertEol", self.convert_eol),
            ("disableStdin", self.disable_stdin),
            ("cursorBlink", self.cursor_blink),
            ("macOptionIsMeta", self.mac_option_is_meta),
        ] {
            set(&js, name, value);
        }
        set(
            &js,
            "cursorStyle",
            match self.cursor_style {
                CursorStyle::Block => "block",
                CursorStyle::Underline => "underline",
                CursorStyle::Bar => "bar",
            },
        );
        js
    }
}

/// Colours, each as CSS writes them (`#rrggbb`, `rgb(...)`). Custom properties are not resolved: give their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// Text.
    pub foreground: Option<String>,
    /// Behind the text.
    pub background: Option<String>,
    /// The cursor.
    pub cursor: Option<String>,
    /// The text below a block cursor.
    pub cursor_accent: Option<String>,
    /// Behind selected text; may be translucent.
    pub selection_background: Option<String>,
    /// The sixteen ANSI colours: black, red, green, yellow, blue, magenta, cyan, white, then the bright ones in that order.
    pub ansi: Option<[String; 16]>,
}

/// xterm's names of the sixteen ANSI colours, in the order of their numbers.
const ANSI: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "brightBlack",
    "brightRed",
    "brightGreen",
    "brightYellow",
    "brightBlue",
    "brightMagenta",
    "brightCyan",
    "brightWhite",
];

impl Theme {
    pub(crate) fn to_js(&self) -> Object {
        let js = Object::new();
        for (name, value) in [
            ("foreground", &self.foreground),
            ("background", &self.background),
            ("cursor", &self.cursor),
            ("cursorAccent", &self.cursor_accent),
            ("selectionBackground", &self.selection_background),
        ] {
            if let Some(value) = value {
                set(&js, name, value.as_str());
            }
        }
        for (name, value) in ANSI.iter().zip(self.ansi.iter().flatten()) {
            set(&js, name, value.as_str());
        }
        js
    }
}
