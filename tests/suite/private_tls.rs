//! A private CA, an issuer behind it, and a proxy on the way there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use serde_json::json;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tower_bearer::clock::{Clock as _, SystemClock};

use crate::raw::head;

pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
/// The key of RFC 7515 A.3.
pub(crate) const KEY_SET: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"k",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

/// A private CA.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For `localhost`.
    pub(crate) fn leaf(
        &self,
        usage: ExtendedKeyUsagePurpose,
        last_year: i32,
    ) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    pub(crate) fn client(&self) -> String {
        let (certificate, key) = self.leaf(ExtendedKeyUsagePurpose::ClientAuth, 2090);
        certificate.pem() + &key.serialize_pem()
    }

    /// Serves with a certificate of this CA.
    pub(crate) fn acceptor(&self, last_year: i32, clients_of: Option<&Self>) -> TlsAcceptor {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients_of {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (certificate, key) = self.leaf(ExtendedKeyUsagePurpose::ServerAuth, last_year);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// An issuer over https, which answers each connection once.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) port: u16,
    /// Heads of the requests that came.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    pub(crate) keys: Arc<Mutex<(String, String)>>,
}

impl Server {
    pub(crate) async fn start(acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("https://localhost:{port}");
        let heard = Arc::new(Mutex::new(Vec::new()));
        // Where the metadata say that the keys are, and the keys.
        let keys = Arc::new(Mutex::new((format!("{url}/jwks"), KEY_SET.to_owned())));
        let server = Self { url: url.clone(), port, heard: Arc::clone(&heard), keys: Arc::clone(&keys) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, url) = (acceptor.clone(), url.clone());
                let (heard, keys) = (Arc::clone(&heard), Arc::clone(&keys));
                tokio::spawn(async move {
                    let mut stream = match acceptor.accept(stream).into_fallible().await {
                        Ok(stream) => stream,
                        // A reset would overtake the alert that tells why.
                        Err((_, mut stream)) => {
                            let _ = tokio::io::copy(&mut stream, &mut sink()).await;
                            return;
                        }
                    };
                    let Some(head) = head(&mut stream).await else { return };
                    let (keys_url, set) = keys.lock().unwrap().clone();
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    heard.lock().unwrap().push(head);
                    let metadata = json!({"issuer": url, "jwks_uri": keys_url}).to_string();
                    let feed =
                        json!({"iss": url, "as_of": now(), "full": true, "revocations": []}).to_string();
                    let (status, body) = match path.split('?').next().unwrap() {
                        METADATA => ("200 OK", metadata),
                        "/jwks" => ("200 OK", set),
                        "/feed" => ("200 OK", feed),
                        _ => ("404 Not Found", String::new()),
                    };
                    let answer = format!(
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        server
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

pub(crate) fn now() -> u64 {
    SystemClock::new().now().wall.as_secs().try_into().unwrap()
}

/// Counts the tunnels that were asked for, and says what else came.
pub(crate) async fn connect_proxy() -> (String, Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (count, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counted, kept) = (Arc::clone(&count), Arc::clone(&heads));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (counted, kept) = (Arc::clone(&counted), Arc::clone(&kept));
            tokio::spawn(async move {
                let Some(head) = head(&mut stream).await else { return };
                let port = head.strip_prefix("CONNECT localhost:").and_then(|rest| rest.split(' ').next());
                let port: u16 = port.unwrap().parse().unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                kept.lock().unwrap().push(head);
                let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut there).await;
            });
        }
    });
    (url, count, heads)
}
