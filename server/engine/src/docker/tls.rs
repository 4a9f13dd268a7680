//! TLS to an engine: rustls over `ring`, trusting the one authority that was given and nobody else; and what goes wrong with it, in words.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use domain::ports::TlsKeys;
use model::engine::EngineAddress;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{EngineError, Kind, Result};

/// Longest time for both sides to prove who they are.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Certificates, read and ready.
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// Whether we show a certificate of our own.
    client: bool,
    /// The certificate that the engine showed last.
    shown: Mutex<Option<CertificateDer<'static>>>,
}

fn wrong(text: impl Into<String>) -> EngineError {
    EngineError::new(Kind::Identity, text)
}

impl Tls {
    pub fn new(host: &str, keys: &TlsKeys) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("the authority's certificate (CA)", &keys.ca)? {
            roots.add(certificate).map_err(|error| wrong(format!("the authority's certificate (CA) cannot be used: {error}")))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots);
        let config = match &keys.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("the portal's certificate", certificate)?;
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
                    wrong("the portal's key cannot be read: it must be an unencrypted private key in PEM (-----BEGIN PRIVATE KEY-----)")
                })?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| wrong(format!("the portal's certificate and key do not belong together, or cannot be used: {error}")))?
            }
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong(format!("{host} is no name that a certificate could bear")))?;
        Ok(Self { config: Arc::new(config), name, client: keys.client.is_some(), shown: Mutex::default() })
    }

    /// The certificate that the engine showed last, in DER.
    pub fn shown(&self) -> Option<Vec<u8>> {
        self.shown.lock().expect("no code panics while it holds this lock").as_ref().map(|certificate| certificate.to_vec())
    }

    /// The handshake. What the engine thinks of our certificate is learned with its first answer (TLS 1.3).
    pub async fn over(&self, stream: TcpStream, address: &EngineAddress) -> Result<Stream> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        match tokio::time::timeout(HANDSHAKE, connector.connect(self.name.clone(), stream)).await {
            Ok(Ok(inner)) => {
                let certificate = inner.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
                *self.shown.lock().expect("no code panics while it holds this lock") = certificate;
                Ok(Stream { inner, client: self.client })
            }
            Ok(Err(error)) => Err(told(&error, self.client).unwrap_or_else(|| {
                EngineError::new(Kind::Unreachable, format!("the connection to the engine at {address} broke while TLS began: {error}"))
            })),
            Err(_) => Err(EngineError::new(
                Kind::Unreachable,
                format!("{address} took the connection, and did not begin TLS within {} s: is it an engine?", HANDSHAKE.as_secs()),
            )),
        }
    }
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(wrong(format!("{what} cannot be read: it must be PEM (-----BEGIN CERTIFICATE-----)"))),
    }
}

/// A stream whose errors say in words what the other side thinks of us.
pub(super) struct Stream {
    inner: TlsStream<TcpStream>,
    client: bool,
}

impl Stream {
    fn worded<T>(&self, answer: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        answer.map_err(|error| match told(&error, self.client) {
            Some(told) => io::Error::new(error.kind(), told),
            None => error,
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.worded(answer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.worded(answer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_flush(cx);
        self.worded(answer)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What TLS has to say about an error of a stream, if it is its. `client`: whether we show a certificate.
fn told(error: &io::Error, client: bool) -> Option<EngineError> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(|error| words(error, client))
}

/// The error in words, with what to do.
fn words(error: &rustls::Error, client: bool) -> EngineError {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage as Nonsense};
    let text = match error {
        InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            let named = if presented.is_empty() { "no name at all (a common name does not count)".to_owned() } else { presented.join(", ") };
            let wanted = expected.to_str();
            format!(
                "the engine's certificate is made out to {named}, not to {wanted}: use a name of the certificate as address, or make one with {wanted} \
                 as subjectAltName"
            )
        }
        InvalidCertificate(CertificateError::NotValidForName) => {
            "the engine's certificate is not made out to this address: make one with it as subjectAltName".into()
        }
        InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the engine's certificate is not signed by the authority (CA) that was given: paste that of the one that signed it".into()
        }
        InvalidCertificate(CertificateError::BadSignature) => {
            "the engine's certificate bears a wrong signature: another authority (CA) of the same name signed it".into()
        }
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the engine's certificate has expired; renew it (or the portal's clock is wrong)".into()
        }
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "the engine's certificate is not valid yet: is the portal's clock right?".into()
        }
        InvalidCertificate(other) => format!("the engine's certificate cannot be accepted: {other}"),
        AlertReceived(AlertDescription::CertificateRequired) => {
            "the engine asks for a certificate of the portal's: paste one with its key, signed by the authority that the engine trusts".into()
        }
        AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError,
        ) if client => {
            "the engine refuses the portal's certificate: it is not signed by the authority that the engine trusts (--tlscacert), has expired, or is not \
             meant for clients"
                .into()
        }
        AlertReceived(AlertDescription::BadCertificate) => {
            "the engine asks for a certificate of the portal's: paste one with its key, signed by the authority that the engine trusts".into()
        }
        AlertReceived(alert) => format!("the engine ended TLS: {alert:?}"),
        Nonsense(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion | InvalidMessage::MessageTooLarge) => {
            "what answers there does not speak TLS: is this the engine's plain port (2375) instead of its TLS port (2376)?".into()
        }
        other => format!("TLS with the engine failed: {other}"),
    };
    wrong(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_none_are_told_by_name() {
        let keys = |ca: &str| TlsKeys { ca: ca.into(), client: None };
        for text in ["", "x", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"] {
            let Err(error) = Tls::new("h", &keys(text)) else { panic!("{text:?} is no certificate") };
            assert!(error.kind == Kind::Identity && error.message.contains("CA"), "{error}");
        }
    }

    #[test]
    fn alerts_say_who_must_do_what() {
        let alert = |alert, client| words(&rustls::Error::AlertReceived(alert), client).message;
        assert!(alert(AlertDescription::CertificateRequired, false).contains("asks for a certificate"));
        assert!(alert(AlertDescription::BadCertificate, false).contains("asks for a certificate"));
        assert!(alert(AlertDescription::BadCertificate, true).contains("refuses the portal's certificate"));
        assert!(alert(AlertDescription::UnknownCA, true).contains("refuses the portal's certificate"));
        assert!(words(&rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), true).message.contains("does not speak TLS"));
        assert!(words(&rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer), true).message.contains("not signed by"));
    }
}
