//! What refers to a manifest, as another registry lists it. Lists are as long as that registry likes, so everything that is read of them is
//! counted over all lists of one copy, before the next page is asked for; of each entry only what finds it is kept.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LINK};
use http::{HeaderMap, StatusCode};
use model::digest::Digest;
use model::manifest::{Descriptor, MANIFEST_MAX, Manifest, media_type};
use model::reference::Reference;

use super::body::whole;
use super::{Failure, Session};

/// Pages of one list that are read.
const PAGES: usize = 20;

/// What may still be read of lists, and what was found in them.
pub struct Lists {
    read: Mutex<Read>,
    entries: usize,
    bytes: usize,
}

#[derive(Default)]
struct Read {
    seen: BTreeSet<Digest>,
    bytes: usize,
}

impl Lists {
    /// At most so many entries, each counted once, and so many bytes, over all lists.
    #[must_use]
    pub fn new(entries: usize, bytes: usize) -> Self {
        Self { read: Mutex::default(), entries, bytes }
    }

    /// Bytes that were read.
    pub fn bytes(&self) -> usize {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// What a page lists that no page before it did. What is no index lists nothing.
    fn page(&self, body: &[u8]) -> Result<Vec<Descriptor>, Failure> {
        let too_large = || {
            let text = format!(
                "more than {} entries or {} MiB of lists refer to it, or one of its lists is too long; leave out what refers to it",
                self.entries,
                self.bytes >> 20
            );
            Failure::last("too_large", text)
        };
        let listed = match Manifest::parse(Some(media_type::OCI_INDEX), body) {
            Ok(index) => index.manifests,
            Err(model::manifest::InvalidManifest::TooMany(_)) => return Err(too_large()),
            Err(_) => Vec::new(),
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.bytes += body.len();
        let fresh: Vec<Descriptor> = listed.into_iter().filter(|described| read.seen.insert(described.digest)).map(bare).collect();
        if read.bytes > self.bytes || read.seen.len() > self.entries { Err(too_large()) } else { Ok(fresh) }
    }
}

/// The entry without its notes.
fn bare(described: Descriptor) -> Descriptor {
    Descriptor { annotations: None, urls: None, platform: None, ..described }
}

impl Session {
    /// What refers to a manifest (distribution-spec 1.1, "Listing Referrers") and was in no list before; where the source has no such list,
    /// what its fall-back tag says.
    ///
    /// # Errors
    /// Says what is wrong and who can do something; also where the lists are longer than they may be.
    pub async fn referrers(&self, digest: &Digest, lists: &Lists) -> Result<Vec<Descriptor>, Failure> {
        let mut found = Vec::new();
        let mut next = Some(format!("/v2/{}/referrers/{digest}", self.path));
        for page in 0..PAGES {
            let Some(path) = next.take() else { break };
            let answer = self.get(&path, &[(ACCEPT, HeaderValue::from_static(media_type::OCI_INDEX))], true).await?;
            let status = answer.status();
            if matches!(status, StatusCode::TOO_MANY_REQUESTS) || status.is_server_error() {
                return Err(self.refusal(&answer, &format!("what refers to {digest}")));
            }
            let is_index =
                answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| kind.starts_with(media_type::OCI_INDEX));
            if status != StatusCode::OK || !is_index {
                return if page == 0 { self.referrers_by_tag(digest, lists).await } else { Ok(found) };
            }
            // A page that is its own next one would be read again and again.
            next = next_page(answer.headers()).filter(|next| *next != path);
            let body = whole(self.host.as_str(), answer, MANIFEST_MAX).await?;
            found.extend(lists.page(&body)?);
        }
        Ok(found)
    }

    async fn referrers_by_tag(&self, digest: &Digest, lists: &Lists) -> Result<Vec<Descriptor>, Failure> {
        let Ok(tag) = format!("{}-{}", digest.algorithm().as_str(), digest.hex()).parse() else { return Ok(Vec::new()) };
        let Some(document) = self.manifest_if_there(&Reference::Tag(tag)).await? else { return Ok(Vec::new()) };
        lists.page(&document.body)
    }
}

/// The path of the next page, where there is one. Only a path: a list goes on at the registry that began it.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(LINK)?.to_str().ok()?;
    let (address, parameters) = text.strip_prefix('<')?.split_once('>')?;
    let path = address.starts_with('/') && !address.starts_with("//");
    (path && parameters.contains("next")).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: impl Iterator<Item = usize>) -> String {
        let entry = |n: usize| format!(r#"{{"mediaType":"a/b","digest":"sha256:{n:064x}","size":1,"annotations":{{"n":"{n}"}}}}"#);
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.map(entry).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn lists_are_counted_together_and_each_entry_once() {
        let lists = Lists::new(5, 4096);
        let page = |entries: std::ops::Range<usize>| lists.page(list(entries).as_bytes()).map(|found| found.len()).map_err(|failure| failure.code);
        assert_eq!(page(0..3), Ok(3));
        assert_eq!(page(1..5), Ok(2));
        assert_eq!(page(4..6), Err("too_large"));
        let lists = Lists::new(100, 3 * list(0..4).len());
        for _ in 0..3 {
            assert!(lists.page(list(0..4).as_bytes()).is_ok());
        }
        assert!(lists.page(list(0..4).as_bytes()).is_err(), "what repeats costs its bytes");
        assert!(Lists::new(9_999, 1 << 30).page(list(0..2_001).as_bytes()).is_err(), "a page longer than any index");
        assert_eq!(Lists::new(9, 99).page(b"<html>").map(|found| found.len()), Ok(0));
    }
}
