//! Lines, bands and areas as SVG paths over a field of 1000 by 1000. A gap breaks a path: nothing is drawn over what nobody measured.

use std::fmt::Write as _;

use model::views::metrics::Column;

/// The field's width and height.
pub(super) const FIELD: f64 = 1000.0;

/// A place and what lies there.
pub(super) type Piece<T> = Vec<(usize, T)>;

/// A column's stretches without a gap. `begins` are the places to which no line leads; a place without a number between two that are joined is passed
/// over.
pub(super) fn pieces(column: &Column, begins: &[u32]) -> Vec<Piece<f64>> {
    let mut pieces: Vec<Piece<f64>> = Vec::new();
    for (place, value) in column.iter().enumerate() {
        let begins = begins.iter().any(|begin| *begin as usize == place);
        if begins {
            pieces.push(Vec::new());
        }
        let Some(value) = value else { continue };
        match pieces.last_mut() {
            Some(piece) => piece.push((place, *value)),
            None => pieces.push(vec![(place, *value)]),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The same of what has no memory of its beginnings: each place without a number is a gap.
pub(super) fn stretches<T: Copy>(column: impl Iterator<Item = Option<T>>) -> Vec<Piece<T>> {
    let mut pieces: Vec<Piece<T>> = Vec::new();
    let mut open = false;
    for (place, value) in column.enumerate() {
        let Some(value) = value else {
            open = false;
            continue;
        };
        if !open {
            pieces.push(Vec::new());
            open = true;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push((place, value));
        }
    }
    pieces
}

/// Where places and numbers lie in the field.
pub(super) struct Field<'a> {
    /// The middle of a place, from 0 to 1.
    pub across: &'a dyn Fn(usize) -> f64,
    /// How far below the top a number lies, from 0 to 1.
    pub down: &'a dyn Fn(f64) -> f64,
    /// Half of a place's width, from 0 to 1.
    pub half: f64,
}

impl Field<'_> {
    /// A line through all pieces. One number alone is a line as wide as its place.
    pub(super) fn line(&self, pieces: &[Piece<f64>]) -> String {
        let mut path = String::new();
        for piece in pieces {
            if let [(place, value)] = piece.as_slice() {
                let (x, y) = ((self.across)(*place), (self.down)(*value));
                point(&mut path, 'M', (x - self.half).max(0.0), y);
                point(&mut path, 'L', (x + self.half).min(1.0), y);
                continue;
            }
            for (number, (place, value)) in piece.iter().enumerate() {
                point(&mut path, if number == 0 { 'M' } else { 'L' }, (self.across)(*place), (self.down)(*value));
            }
        }
        path
    }

    /// What lies between the lower and the upper number of each place.
    pub(super) fn area(&self, pieces: &[Piece<(f64, f64)>]) -> String {
        let mut path = String::new();
        for piece in pieces {
            // One alone is as wide as its place.
            let side = if piece.len() == 1 { self.half } else { 0.0 };
            let (Some((first, _)), Some((last, _))) = (piece.first(), piece.last()) else { continue };
            let across = |place: usize, end: bool| {
                let middle = (self.across)(place);
                if end { (middle + side).min(1.0) } else { (middle - side).max(0.0) }
            };
            let mut begun = false;
            let mut draw = |x: f64, y: f64| {
                point(&mut path, if begun { 'L' } else { 'M' }, x, y);
                begun = true;
            };
            for (place, (_, high)) in piece {
                draw(across(*place, false), (self.down)(*high));
                if side > 0.0 {
                    draw(across(*last, true), (self.down)(*high));
                }
            }
            for (place, (low, _)) in piece.iter().rev() {
                draw(across(*place, true), (self.down)(*low));
                if side > 0.0 {
                    draw(across(*first, false), (self.down)(*low));
                }
            }
            path.push('Z');
        }
        path
    }
}

fn point(path: &mut String, command: char, x: f64, y: f64) {
    let _ = write!(path, "{command}{} {}", short(x), short(y));
}

/// A share of the field in its units, to a tenth.
pub(super) fn short(share: f64) -> String {
    let tenths = (share * FIELD * 10.0).round() / 10.0;
    format!("{tenths}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(act: impl Fn(&Field<'_>) -> String) -> String {
        act(&Field { across: &|place| (place as f64 + 0.5) / 4.0, down: &|value| 1.0 - value, half: 0.125 })
    }

    #[test]
    fn a_gap_breaks_a_line() {
        let column = vec![Some(0.5), Some(1.0), None, Some(0.25)];
        assert_eq!(field(|field| field.line(&pieces(&column, &[0, 3]))), "M125 500L375 0M750 750L1000 750");
        assert_eq!(field(|field| field.line(&pieces(&column, &[0]))), "M125 500L375 0L875 750", "what came a little late is no gap");
        assert_eq!(pieces(&vec![None, None], &[0]), Vec::<Piece<f64>>::new());
    }

    #[test]
    fn an_area_is_closed_and_ends_at_a_gap() {
        let bands = [Some((0.0, 0.5)), Some((0.25, 1.0)), None, Some((0.0, 0.25))];
        let path = field(|field| field.area(&stretches(bands.into_iter())));
        assert_eq!(path, "M125 500L375 0L375 750L125 1000ZM750 750L1000 750L1000 1000L750 1000Z");
    }

    #[test]
    fn numbers_in_paths_are_short() {
        assert_eq!(short(1.0 / 3.0), "333.3");
        assert_eq!(short(0.5), "500");
    }
}
