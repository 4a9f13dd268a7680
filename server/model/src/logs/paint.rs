//! Colours that programs chose for a black terminal, made readable on a light and on a dark page: letters always stand out from what is behind them by at
//! least 4.5 to 1 (WCAG AA). The sixteen names are words of the style sheet; others are moved towards black or white until they can be read.

use super::ansi::{Colour, Style};

/// How a stretch is painted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    /// One of the style sheet's sixteen, for the letters.
    pub named: Option<u8>,
    /// Declarations of its own; never with anything of the line's text in them.
    pub css: Option<String>,
}

type Rgb = [u8; 3];

/// What is behind the letters at worst: a marked row of the light page and of the dark one.
const LIGHT: Rgb = [0xe5, 0xe8, 0xed];
const DARK: Rgb = [0x27, 0x31, 0x3d];
const LEAST: f64 = 4.5;

/// The sixteen as grounds, where they are the same on every page.
const NAMED: [Rgb; 16] = [
    [0x2b, 0x2f, 0x36],
    [0xb0, 0x24, 0x1c],
    [0x13, 0x6a, 0x3a],
    [0xb5, 0x8a, 0x00],
    [0x1c, 0x59, 0xc9],
    [0x7b, 0x2f, 0xb5],
    [0x00, 0x65, 0x7a],
    [0xd0, 0xd5, 0xdc],
    [0x6b, 0x75, 0x82],
    [0xff, 0x8d, 0x83],
    [0x5f, 0xcd, 0x8b],
    [0xe7, 0xc2, 0x5c],
    [0x7a, 0xae, 0xff],
    [0xcf, 0x9b, 0xff],
    [0x5c, 0xc8, 0xdd],
    [0xff, 0xff, 0xff],
];

/// How a look is painted; nothing where it has no colour.
#[must_use]
pub fn paint(style: &Style) -> Paint {
    let (mut letters, mut ground) = (style.foreground, style.background);
    if style.inverse {
        (letters, ground) = (ground, letters);
        if ground.is_none() {
            // The page's own colours change places.
            return Paint { named: None, css: Some(String::from("color:var(--surface);background:var(--text)")) };
        }
    }
    match (letters, ground) {
        (None, None) => Paint::default(),
        (Some(Colour::Named(name)), None) => Paint { named: Some(name), css: None },
        (Some(Colour::Rgb(red, green, blue)), None) => {
            let (light, dark) = (readable([red, green, blue], LIGHT), readable([red, green, blue], DARK));
            Paint { named: None, css: Some(format!("color:light-dark({},{})", hex(light), hex(dark))) }
        }
        (letters, Some(ground)) => {
            let ground = rgb(ground);
            // Black or white, whichever is further away, where no colour was chosen.
            let letters = letters.map_or_else(|| farthest(ground), |colour| readable(rgb(colour), ground));
            Paint { named: None, css: Some(format!("color:{};background:{}", hex(letters), hex(ground))) }
        }
    }
}

fn rgb(colour: Colour) -> Rgb {
    match colour {
        Colour::Named(name) => NAMED[usize::from(name) % NAMED.len()],
        Colour::Rgb(red, green, blue) => [red, green, blue],
    }
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// How bright a colour is to the eye, 0 to 1.
fn luminance(colour: Rgb) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn farthest(ground: Rgb) -> Rgb {
    if contrast([0; 3], ground) >= contrast([255; 3], ground) { [0; 3] } else { [255; 3] }
}

/// The colour, moved no further from itself than is needed to be read there.
fn readable(colour: Rgb, ground: Rgb) -> Rgb {
    let goal = farthest(ground);
    (0..=16_u16).map(|step| mixed(colour, goal, step)).find(|mixed| contrast(*mixed, ground) >= LEAST).unwrap_or(goal)
}

/// `step` sixteenths of the way from one to the other.
fn mixed(from: Rgb, to: Rgb, step: u16) -> Rgb {
    std::array::from_fn(|part| {
        let sum = u16::from(from[part]) * (16 - step) + u16::from(to[part]) * step;
        u8::try_from(sum / 16).unwrap_or(u8::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(foreground: Option<Colour>, background: Option<Colour>) -> Style {
        Style { foreground, background, ..Style::default() }
    }

    #[test]
    fn the_sixteen_are_the_style_sheets() {
        assert_eq!(paint(&Style::default()), Paint::default());
        assert_eq!(paint(&style(Some(Colour::Named(9)), None)), Paint { named: Some(9), css: None });
    }

    #[test]
    fn a_colour_that_can_be_read_stays() {
        assert_eq!(readable([0, 0, 0], LIGHT), [0, 0, 0]);
        assert_eq!(readable([255, 255, 255], DARK), [255, 255, 255]);
        assert_ne!(readable([255, 255, 0], LIGHT), [255, 255, 0]);
    }

    #[test]
    fn letters_and_ground_change_places() {
        let swapped = paint(&Style { inverse: true, ..style(Some(Colour::Rgb(255, 255, 255)), Some(Colour::Rgb(0, 0, 0))) });
        assert_eq!(swapped.css.as_deref(), Some("color:#000000;background:#ffffff"));
        let own = paint(&Style { inverse: true, ..Style::default() });
        assert_eq!(own.css.as_deref(), Some("color:var(--surface);background:var(--text)"));
    }

    proptest::proptest! {
        #[test]
        fn everything_can_be_read(red: u8, green: u8, blue: u8, on: [u8; 3], name in 0_u8..16) {
            for ground in [LIGHT, DARK, on, NAMED[usize::from(name)]] {
                let shown = readable([red, green, blue], ground);
                proptest::prop_assert!(contrast(shown, ground) >= LEAST, "{shown:?} on {ground:?}");
            }
        }
    }
}
