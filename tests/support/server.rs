//! An HTTP server that says whatever a test wants, and remembers what it was asked; and a registry client in
//! surroundings of the test's own. Time there only passes when somebody sleeps, at once.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use gantry::digest::Digest;
use gantry::image::{Descriptor, media};
use gantry::registry::{Client, Clock, Environment, Options, Reference, Timeouts};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::{Folder, output};

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
        to.write_all(part)?;
        while self.end == End::Endless {
            to.write_all(part)?;
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

/// An authority of the test's own, made with openssl.
pub struct Authority {
    folder: Folder,
}

pub struct Certificate {
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Authority {
        let folder = Folder::new();
        let at = |name: &str| folder.join(name).display().to_string();
        openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={} -days 2 -keyout {} -out {}",
            folder.path().file_name().unwrap().display(),
            at("ca.key"),
            at("ca.crt")
        ));
        Authority { folder }
    }

    /// The authority's own certificate.
    pub fn root(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// A certificate for `name` (`IP:127.0.0.1`, `DNS:x.test`) that is good for `days`.
    pub fn certificate(&self, name: &str, days: i32) -> Certificate {
        let stem = name.replace([':', '.', '/'], "-") + &days.to_string();
        let at = |end: &str| self.folder.join(format!("{stem}.{end}")).display().to_string();
        self.folder.write(&format!("{stem}.ext"), format!("subjectAltName={name}\n"));
        openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout {} -out {}",
            at("key"),
            at("csr")
        ));
        let ca = |end: &str| self.folder.join(format!("ca.{end}")).display().to_string();
        // A certificate of yesterday: openssl takes negative days.
        openssl(&format!(
            "x509 -req -in {} -CA {} -CAkey {} -days {days} -extfile {} -out {} -set_serial {}",
            at("csr"),
            ca("crt"),
            ca("key"),
            at("ext"),
            at("crt"),
            days + 1000
        ));
        Certificate { chain: at("crt").into(), key: at("key").into() }
    }
}

fn openssl(arguments: &str) {
    output("openssl", &arguments.split(' ').collect::<Vec<_>>());
}

/// Time that passes only by sleeping, and sleeping that takes no time.
pub struct TestClock {
    now: Mutex<SystemTime>,
    slept: Mutex<Vec<Duration>>,
}

impl TestClock {
    pub fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, time: Duration, _stop: &dyn Fn() -> bool) {
        self.slept.lock().unwrap().push(time);
        self.advance(time);
    }
}

/// A client's surroundings.
pub struct World {
    pub folder: Folder,
    pub environment: Environment,
    pub options: Options,
    pub clock: Arc<TestClock>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub fn new() -> World {
        let folder = Folder::new();
        let clock = Arc::new(TestClock { now: Mutex::new(SystemTime::now()), slept: Mutex::default() });
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = warnings.clone();
        let environment = Environment {
            variables: BTreeMap::from([("PATH".to_string(), std::env::var("PATH").unwrap())]),
            home: Some(folder.join("home")),
            uid: 1000,
            root: folder.join("root"),
            clock: clock.clone(),
            warn: Arc::new(move |text| heard.lock().unwrap().push(text.to_string())),
        };
        let second = Duration::from_secs(1);
        let timeouts = Timeouts { connect: 5 * second, answer: 5 * second, idle: 5 * second };
        World { folder, environment, options: Options { timeouts, ..Options::default() }, clock, warnings }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.environment, self.options.clone()).unwrap()
    }

    /// With a variable.
    pub fn variable(mut self, name: &str, value: impl ToString) -> World {
        self.environment.variables.insert(name.to_string(), value.to_string());
        self
    }

    /// With trust in an authority.
    pub fn trusting(self, authority: &Authority) -> World {
        let root = authority.root().display().to_string();
        self.variable("SSL_CERT_FILE", root)
    }

    /// With `user` and `secret` for a host, as `podman login` keeps them.
    pub fn logged_in(self, host: &str) -> World {
        self.auth(json!({ "auths": { host: { "auth": "dXNlcjpzZWNyZXQ=" } } }))
    }

    pub fn auth(self, file: Value) -> World {
        let path = self.folder.write("auth.json", file.to_string()).display().to_string();
        self.variable("REGISTRY_AUTH_FILE", path)
    }

    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().clone()
    }

    /// What was slept, in seconds.
    pub fn slept(&self) -> Vec<f64> {
        self.clock.slept.lock().unwrap().iter().map(Duration::as_secs_f64).collect()
    }
}

/// The header that user and secret make.
pub const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

/// Manifests and blobs of the repository `app`.
#[derive(Default, Clone)]
pub struct Content {
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Content {
    /// An image `latest` of these layers, and its manifest's digest.
    pub fn image(layers: &[&[u8]]) -> (Content, Digest) {
        let mut content = Content::default();
        let digest = content.add_image(layers, json!({}));
        (content, digest)
    }

    /// Adds an image as `latest`, whose configuration says these things, too.
    pub fn add_image(&mut self, layers: &[&[u8]], config: Value) -> Digest {
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(media::LAYER, layer)).collect();
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let mut whole = json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let config = self.blob(media::CONFIG, whole.to_string().as_bytes());
        self.manifest(
            "latest",
            media::MANIFEST,
            json!({
                "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers,
            }),
        )
    }

    /// Adds a blob; its descriptor.
    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes).to_string();
        self.blobs.insert(digest.clone(), bytes.to_vec());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Adds a manifest, under its digest and a tag.
    pub fn manifest(&mut self, tag: &str, media_type: &str, document: Value) -> Digest {
        self.bytes(tag, media_type, document.to_string().into_bytes())
    }

    pub fn bytes(&mut self, tag: &str, media_type: &str, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        for name in [tag.to_string(), digest.to_string()] {
            self.manifests.insert(name, (media_type.to_string(), bytes.clone()));
        }
        digest
    }

    /// The bytes of a manifest.
    pub fn manifest_size(&self, digest: Digest) -> usize {
        self.manifests[&digest.to_string()].1.len()
    }

    /// Changes a manifest, but not its names.
    pub fn tamper_manifest(&mut self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        change(&mut self.manifests.get_mut(name).unwrap().1);
    }

    pub fn tamper_blob(&mut self, digest: Digest, change: impl Fn(&mut Vec<u8>)) {
        change(self.blobs.get_mut(&digest.to_string()).unwrap());
    }

    /// What an honest registry answers.
    pub fn answer(&self, asked: &Asked) -> Reply {
        let path = asked.path.split('?').next().unwrap();
        if path == "/v2/" {
            return Reply::new(200);
        }
        if let Some((media_type, bytes)) =
            path.strip_prefix("/v2/app/manifests/").and_then(|name| self.manifests.get(name))
        {
            return Reply::new(200).header("Content-Type", media_type).body(bytes);
        }
        let Some(blob) = path.strip_prefix("/v2/app/blobs/").and_then(|digest| self.blobs.get(digest)) else {
            return Reply::new(404)
                .json(json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] }));
        };
        match asked.from() {
            Some(from) => Reply::new(206)
                .header("Content-Range", format!("bytes {from}-{}/{}", blob.len() - 1, blob.len()))
                .body(&blob[from..]),
            None => Reply::new(200).body(blob),
        }
    }

    pub fn serve(self) -> Server {
        Server::start(move |asked| self.answer(asked))
    }
}

/// `app:latest` there.
pub fn app(server: &Server) -> Reference {
    format!("{}/app", server.host()).parse().unwrap()
}

/// A descriptor of bytes.
pub fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor::new(media::LAYER, Digest::of(bytes), bytes.len() as u64)
}

/// The names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A proxy that answers CONNECT with this status and, if that is 200, leads to a port of loopback.
pub fn tunnel(port: u16, status: u16) -> Server {
    Server::start(move |asked| {
        assert_eq!(asked.method, "CONNECT");
        Reply { end: End::Tunnel(port), ..Reply::raw(format!("HTTP/1.1 {status} Whatever\r\n\r\n")) }
    })
}
