//! What the registry's door answers when something cannot be done: the codes of the OCI distribution-spec 1.1, "Error
//! Codes", in its JSON. Messages say what was wrong and what would be right; docker prints them to people. An internal cause
//! goes to the log and never into an answer.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use model::digest::Digest;
use serde_json::{Value, json};

use crate::path::{WrongName, WrongPath};

/// The specification's codes, which are all that an answer of 4XX may bear, and two for faults of ours (5XX).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// code-1
    BlobUnknown,
    /// code-2
    BlobUploadInvalid,
    /// code-3
    BlobUploadUnknown,
    /// code-4
    DigestInvalid,
    /// code-5
    ManifestBlobUnknown,
    /// code-6
    ManifestInvalid,
    /// code-7
    ManifestUnknown,
    /// code-8
    NameInvalid,
    /// code-9
    NameUnknown,
    /// code-10
    SizeInvalid,
    /// code-11
    Unauthorized,
    /// code-12
    Denied,
    /// code-13
    Unsupported,
    /// code-14
    TooManyRequests,
    /// Not of the specification: something that is needed is away.
    Unavailable,
    /// Not of the specification: a fault of ours.
    Unknown,
}

impl Code {
    /// The word, and the status that goes with it unless something says otherwise.
    #[must_use]
    pub fn answer(self) -> (&'static str, StatusCode) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", StatusCode::BAD_REQUEST),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", StatusCode::NOT_FOUND),
            Self::DigestInvalid => ("DIGEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::ManifestInvalid => ("MANIFEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", StatusCode::NOT_FOUND),
            Self::NameInvalid => ("NAME_INVALID", StatusCode::BAD_REQUEST),
            Self::NameUnknown => ("NAME_UNKNOWN", StatusCode::NOT_FOUND),
            Self::SizeInvalid => ("SIZE_INVALID", StatusCode::BAD_REQUEST),
            Self::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED),
            Self::Denied => ("DENIED", StatusCode::FORBIDDEN),
            Self::Unsupported => ("UNSUPPORTED", StatusCode::METHOD_NOT_ALLOWED),
            Self::TooManyRequests => ("TOOMANYREQUESTS", StatusCode::TOO_MANY_REQUESTS),
            Self::Unavailable => ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
            Self::Unknown => ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// A refusal. Kept behind one pointer: most requests have none to carry.
#[derive(Debug)]
pub struct Error(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    errors: Vec<(Code, String, Value)>,
    status: StatusCode,
    headers: HeaderMap,
}

/// The registry's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A refusal with its code's own status.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Refusal { errors: vec![(code, message.into(), Value::Null)], status: code.answer().1, headers: HeaderMap::new() }))
    }

    /// With another status than its code's.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// With facts for programs.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        if let Some(last) = self.0.errors.last_mut() {
            last.2 = detail;
        }
        self
    }

    /// With a further header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// With a further error, where a request has several.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.errors.extend(other.0.errors);
        self
    }

    /// The status that it is answered with.
    #[must_use]
    pub fn code(&self) -> StatusCode {
        self.0.status
    }

    /// No repository of this name, or none that the caller may know of.
    #[must_use]
    pub fn name_unknown(name: impl std::fmt::Display) -> Self {
        let text = format!("no repository {name} here that you may see");
        Self::new(Code::NameUnknown, text).detail(json!({ "name": name.to_string() }))
    }

    /// No such blob in the repository.
    #[must_use]
    pub fn blob_unknown(digest: &Digest) -> Self {
        Self::new(Code::BlobUnknown, format!("the repository holds no blob {digest}")).detail(json!({ "digest": digest }))
    }

    /// A part of the request that cannot be: a parameter that is no number, say.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Code::Unsupported, message).status(StatusCode::BAD_REQUEST)
    }

    /// The path does not take this method, or not now; `allowed` is what it takes (RFC 9110, section 15.5.6).
    #[must_use]
    pub fn not_allowed(message: impl Into<String>, allowed: &str) -> Self {
        let error = Self::new(Code::Unsupported, message);
        match HeaderValue::try_from(allowed) {
            Ok(value) => error.header(header::ALLOW, value),
            Err(_) => error,
        }
    }

    /// No such manifest in the repository.
    #[must_use]
    pub fn manifest_unknown(reference: &str) -> Self {
        let shown: String = reference.chars().take(160).collect();
        Self::new(Code::ManifestUnknown, format!("the repository has no manifest {shown:?}")).detail(json!({ "reference": shown }))
    }

    /// No such upload, or another's.
    #[must_use]
    pub fn upload_unknown() -> Self {
        Self::new(Code::BlobUploadUnknown, "no such upload: it ended, expired, or belongs to somebody else; begin a new one")
    }
}

impl From<domain::Error> for Error {
    fn from(error: domain::Error) -> Self {
        use domain::Error as E;
        match error {
            E::Unauthenticated => Self::new(Code::Unauthorized, "sign in first: docker login"),
            E::Forbidden(message) => Self::new(Code::Denied, message),
            E::NotFound { what } => Self::new(Code::NameUnknown, format!("no such {what} here that you may see")),
            E::Invalid(fields) => {
                let text = fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                Self::new(Code::NameInvalid, text)
            }
            // DENIED: docker, podman and skopeo print its message as it is and do not try again, whatever the status of the 400s.
            E::Conflict { message, .. } => Self::new(Code::Denied, message).status(StatusCode::CONFLICT),
            E::TooLarge(message) => Self::new(Code::SizeInvalid, message).status(StatusCode::PAYLOAD_TOO_LARGE),
            E::TooMany { retry_after } => {
                let wait = HeaderValue::from(retry_after);
                Self::new(Code::TooManyRequests, format!("too many attempts; try again in {retry_after} s")).header(header::RETRY_AFTER, wait)
            }
            E::TooManyOpen(message) => Self::new(Code::TooManyRequests, message),
            E::Unavailable(message) => Self::new(Code::Unavailable, message),
            E::Internal(cause) => {
                tracing::error!(cause, "the registry failed");
                Self::new(Code::Unknown, "something went wrong on our side; what was pushed so far is kept; try again")
            }
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        domain::Error::from(error).into()
    }
}

impl From<WrongName> for Error {
    fn from(error: WrongName) -> Self {
        let code = match &error {
            WrongName::NoProject(_) | WrongName::Unusable { .. } => Code::NameUnknown,
            WrongName::Invalid(_) => Code::NameInvalid,
        };
        Self::new(code, error.to_string())
    }
}

impl From<WrongPath> for Error {
    fn from(error: WrongPath) -> Self {
        match error {
            WrongPath::NoEndpoint => Self::new(Code::Unsupported, error.to_string()).status(StatusCode::NOT_FOUND),
            WrongPath::Name(name) => name.into(),
            WrongPath::Digest(digest) => Self::new(Code::DigestInvalid, digest.to_string()),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let Refusal { errors, status, headers } = *self.0;
        let each = errors.into_iter().map(|(code, message, detail)| {
            let mut error = json!({ "code": code.answer().0, "message": message });
            if !detail.is_null() {
                error["detail"] = detail;
            }
            error
        });
        let errors: Vec<Value> = each.collect();
        (status, headers, Json(json!({ "errors": errors }))).into_response()
    }
}
