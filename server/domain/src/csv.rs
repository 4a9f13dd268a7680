//! Cells of CSV (RFC 4180).

/// A text as a cell. Spreadsheets take some beginnings for a formula, and do what it says: such a text begins with an apostrophe.
pub(crate) fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    // Some take a semicolon for the end of a cell.
    if text.contains([',', ';', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula_or_leaves_its_cell() {
        assert_eq!(cell("eth0"), "eth0");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@x"), "'@x");
        assert_eq!(cell("-2"), "'-2");
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"no\"\n"), "\"say \"\"no\"\"\n\"");
        assert_eq!(cell("=a,b"), "\"'=a,b\"");
    }

    #[test]
    fn nothing_that_somebody_named_becomes_a_formula() {
        for (text, written) in [
            ("shop", "shop"),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2", "'-2"),
            ("a,b", "\"a,b\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
        ] {
            assert_eq!(cell(text), written, "{text}");
        }
    }
}
