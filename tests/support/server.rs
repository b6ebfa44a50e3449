//! An HTTP server that says whatever a test wants, and remembers what it was asked; and what tests of clients
//! need besides.

mod authority;
mod content;
mod world;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

pub use authority::{Authority, Certificate};
pub use content::{Content, app, descriptor, names};
pub use world::{BASIC, World};

/// What the server was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }

    /// The first byte of the range that is asked for.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Whole,
    /// After so many bytes of the body the connection is closed.
    Cut(usize),
    /// After so many bytes of the body nothing more comes.
    Stall(usize),
    /// The body comes a byte at a time, 50 in a second.
    Trickle,
    /// The body is repeated without end.
    Endless,
    /// What follows goes to this port of loopback, and back.
    Tunnel(u16),
}

/// What the server answers.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
    raw: bool,
}

impl Reply {
    pub fn new(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new(), end: End::Whole, raw: false }
    }

    /// Just these bytes.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Reply {
        Reply { raw: true, ..Reply::new(0).body(bytes) }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Reply {
        self.body = body.as_ref().to_vec();
        self
    }

    pub fn json(self, body: Value) -> Reply {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    pub fn cut(self, at: usize) -> Reply {
        Reply { end: End::Cut(at), ..self }
    }

    pub fn stall(self, at: usize) -> Reply {
        Reply { end: End::Stall(at), ..self }
    }

    pub fn trickle(self) -> Reply {
        Reply { end: End::Trickle, ..self }
    }

    pub fn endless(self) -> Reply {
        Reply { end: End::Endless, ..self }
    }

    pub fn redirect(to: impl ToString) -> Reply {
        Reply::new(307).header("Location", to)
    }

    pub fn unauthorized(challenge: impl ToString) -> Reply {
        Reply::new(401).header("WWW-Authenticate", challenge)
    }

    fn send(&self, to: &mut dyn Write) -> std::io::Result<()> {
        if !self.raw {
            let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", self.status);
            let framed = |name: &str| {
                ["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str())
            };
            if !self.headers.iter().any(|(name, _)| framed(name)) && self.end != End::Endless {
                head += &format!("Content-Length: {}\r\n", self.body.len());
            }
            for (name, value) in &self.headers {
                head += &format!("{name}: {value}\r\n");
            }
            to.write_all(format!("{head}\r\n").as_bytes())?;
        }
        let part = match self.end {
            End::Cut(at) | End::Stall(at) => &self.body[..at],
            _ => &self.body[..],
        };
        if self.end == End::Trickle {
            for byte in part {
                to.write_all(&[*byte])?;
                to.flush()?;
                std::thread::sleep(Duration::from_millis(20));
            }
            return Ok(());
        }
        to.write_all(part)?;
        if self.end == End::Endless {
            loop {
                to.write_all(part)?;
            }
        }
        to.flush()
    }
}

/// A server on loopback, until dropped.
pub struct Server {
    port: u16,
    tls: bool,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

impl Server {
    pub fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        Server::with(None, Arc::new(handler))
    }

    /// With TLS, and a certificate of an authority.
    pub fn with_tls(
        certificate: &Certificate,
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let chain =
            CertificateDer::pem_file_iter(&certificate.chain).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&certificate.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Server::with(Some(Arc::new(config)), Arc::new(handler))
    }

    fn with(tls: Option<Arc<rustls::ServerConfig>>, handler: Arc<Handler>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let server = Server { port, tls: tls.is_some(), asked: asked.clone(), over: over.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (tls, handler, asked) = (tls.clone(), handler.clone(), asked.clone());
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    let raw = stream.try_clone().unwrap();
                    match tls {
                        None => serve(stream, raw, &*handler, &asked),
                        Some(config) => {
                            let connection = rustls::ServerConnection::new(config).unwrap();
                            serve(rustls::StreamOwned::new(connection, stream), raw, &*handler, &asked);
                        }
                    }
                });
            }
        });
        server
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.tls { "https" } else { "http" }, self.host())
    }

    /// Everything that it was asked, but pings.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.path != "/v2/").cloned().collect()
    }

    /// The paths of that.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One request, one answer.
fn serve(mut stream: impl Read + Write, raw: TcpStream, handler: &Handler, asked: &Mutex<Vec<Asked>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return,
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if !bytes[0].is_ascii_uppercase() {
            return;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (first.next().unwrap().to_string(), first.next().unwrap().to_string());
    let headers: Vec<_> =
        lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let mut request = Asked { method, path, headers, body: String::new() };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + length {
        let count = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..count]);
    }
    request.body = String::from_utf8(bytes[head..].to_vec()).unwrap();
    let reply = handler(&request);
    asked.lock().unwrap().push(request);
    let sent = reply.send(&mut stream);
    if let (End::Tunnel(port), true) = (reply.end, reply.body.starts_with(b"HTTP/1.1 200")) {
        let there = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut to, mut from) = (there.try_clone().unwrap(), there);
        let (mut here, mut back) = (raw.try_clone().unwrap(), raw.try_clone().unwrap());
        let up = std::thread::spawn(move || {
            let _ = std::io::copy(&mut here, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut from, &mut back);
        let _ = back.shutdown(Shutdown::Both);
        let _ = up.join();
    }
    if sent.is_ok() && matches!(reply.end, End::Stall(_)) {
        // Until the client goes away.
        while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
    }
    let _ = raw.shutdown(Shutdown::Write);
    while matches!(reply.end, End::Whole | End::Cut(_))
        && stream.read(&mut buffer).is_ok_and(|count| count > 0)
    {}
}

/// A proxy that answers CONNECT with this status and, if that is 200, leads to a port of loopback.
pub fn tunnel(port: u16, status: u16) -> Server {
    Server::start(move |asked| {
        assert_eq!(asked.method, "CONNECT");
        Reply { end: End::Tunnel(port), ..Reply::raw(format!("HTTP/1.1 {status} Whatever\r\n\r\n")) }
    })
}
