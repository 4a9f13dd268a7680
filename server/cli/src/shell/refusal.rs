//! Why there is no shell, or none any more, in words for the person at the terminal.

use crate::client::Portal;
use crate::error::{Error, Problem};

/// Why the portal opens no websocket. Its answer may have come in pieces, of which only the first was read: then it is asked once more, as
/// for anything else.
pub(super) async fn refused(portal: &Portal, path: &str, answer: &http::Response<Option<Vec<u8>>>) -> Error {
    let told = answer.body().as_ref().and_then(|body| serde_json::from_slice::<Problem>(body).ok()).map(Box::new);
    let again = match told {
        Some(problem) => Err(Error::Refused(problem)),
        None => portal.get(path).await,
    };
    let proxy = "a proxy in between must pass the headers Upgrade and Connection on";
    match again {
        // The portal itself did not see that a websocket was asked for.
        Err(Error::Refused(problem)) if problem.errors.iter().any(|wrong| wrong.field == "upgrade") => {
            Error::Unreachable(format!("{} did not hear that this is a websocket: {proxy}", portal.url()))
        }
        Err(error @ Error::Refused(_)) => error,
        _ => Error::Unreachable(format!("{} answered {} in place of a websocket: {proxy}", portal.url(), answer.status())),
    }
}

/// The portal's last word about a shell that does not begin, or that was open.
pub(super) fn ended(code: &str, message: String, open: bool) -> Error {
    let message = if message.is_empty() { code.to_owned() } else { message };
    match (code, open) {
        // What was found a moment ago is there still: it is the right to it that is gone.
        ("not_found" | "forbidden", true) => Error::Wrong(format!("the shell was ended: you may not open one there any more ({message})")),
        ("unauthenticated", true) => Error::Wrong("the shell was ended: what you signed in with does not hold any more; slipway login".into()),
        ("invalid", false) => Error::Typed(message),
        _ => Error::Wrong(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_loses_the_right_to_a_shell_reads_that_and_not_that_nothing_is_there() {
        let lost = ended("not_found", "no such task".into(), true);
        assert!(matches!(&lost, Error::Wrong(text) if text.contains("may not open one there any more")), "{lost}");
        assert_eq!(ended("not_found", "no such shell".into(), false).to_string(), "no such shell");
        assert_eq!((ended("invalid", "why: one line".into(), false).code(), ended("stopping", String::new(), true).code()), (2, 1));
    }
}
