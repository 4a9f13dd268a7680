//! What services and machines use: samples that a loop collects ([`work`]) and people read as charts. They are kept beside the database, in a store of
//! their own (the crate `metrics`), which blocks: it is asked on threads for that.

#[cfg(test)]
mod bench;
mod charts;
pub mod csv;
mod overview;
mod read;
pub mod scrape;
#[cfg(test)]
mod tests;
pub mod work;

pub use overview::{machines, overview_for};
pub use read::{Detail, machine, service};

pub(crate) use charts::anchor;

/// The kept samples.
fn store(platform: &crate::Platform) -> crate::Result<::metrics::Store> {
    platform.metrics().ok_or_else(|| crate::Error::Unavailable("no samples are kept in this process".into()))
}

/// Whatever is less is as good as nothing: what is needed to round it is no number any more.
const LEAST: f64 = 1e-280;

/// A number with so many digits that count.
fn rounded(value: f64, digits: i32) -> f64 {
    if value.abs() < LEAST || !value.is_finite() {
        return 0.0;
    }
    let places = value.abs().log10().floor() as i32 + 1 - digits;
    let unit = 10_f64.powi(places.abs());
    if places > 0 { (value / unit).round() * unit } else { (value * unit).round() / unit }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
