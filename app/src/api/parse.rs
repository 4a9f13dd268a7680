//! From what a form sends to the model's types; a wrong text names its field.

use std::fmt::Display;
use std::str::FromStr;

use model::page::PageRequest;

use super::ApiError;

/// Reads one field.
pub(crate) fn field<T>(name: &str, text: &str) -> Result<T, ApiError>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| domain::Error::invalid(name, error).into())
}

/// Reads a name that came from an address: where it cannot be one, nothing is there.
pub(crate) fn named<T: FromStr>(what: &'static str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| domain::Error::NotFound { what }.into())
}

/// The page of a list after a cursor.
pub(crate) fn page(after: Option<String>) -> PageRequest {
    PageRequest { after: after.filter(|after| !after.is_empty()), limit: None }
}
