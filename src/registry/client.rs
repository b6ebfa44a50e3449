//! The client: what of an image is asked for, in which order, and of whom.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::blob::{Download, Sink};
use super::credentials::{Credentials, Places, find};
use super::documents::{Document, Offer, check_config, check_image, docker, parse};
use super::limits::{Deadline, Limits};
use super::mirror::{Mirror, Place, places};
use super::session::Session;
use super::transport::{Transport, lock};
use super::watch::{Stop, watched};
use super::{Environment, Platform, Reference, RegistryError};
use crate::digest::Digest;
use crate::image::platform::{Preferred, choose, listed};
use crate::image::{Descriptor, MAX_DOCUMENT, Manifest, media};
use crate::layer::Progress;

/// Indexes in an index in an index; nobody is known to make more than two.
const DEEPEST_INDEX: usize = 4;

/// Documents that one choice may take.
const MOST_DOCUMENTS: usize = 32;

/// What the user may set.
#[derive(Debug, Clone)]
pub struct Options {
    /// `false`: certificates are not checked, and a host that does not speak TLS is spoken to without.
    pub tls_verify: bool,
    /// To be asked before the origin, and before those of `GANTRY_REGISTRY_MIRRORS`.
    pub mirrors: Vec<Mirror>,
    /// The only auth.json to look at.
    pub auth_file: Option<PathBuf>,
    /// Instead of `/etc/nix/netrc`.
    pub netrc_file: Option<PathBuf>,
    /// Which image of an index, if several for one platform differ in compression.
    pub preferred: Preferred,
    /// Blobs at once: 4.
    pub concurrency: usize,
    /// How long to wait for what, where the environment does not say it.
    pub limits: Limits,
    /// How often something is tried that may work a moment later: 5.
    pub tries: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            tls_verify: true,
            mirrors: Vec::new(),
            auth_file: None,
            netrc_file: None,
            preferred: Preferred::default(),
            concurrency: 4,
            limits: Limits::default(),
            tries: 5,
        }
    }
}

/// Pulls from registries. Keeps connections and tokens; may be used from many threads.
pub struct Client {
    pub(super) transport: Arc<Transport>,
    mirrors: Vec<Mirror>,
    credentials: Places,
    preferred: Preferred,
    pub(super) concurrency: usize,
    sessions: Mutex<HashMap<Place, Arc<Session>>>,
    /// Mirrors that are down, or lie, and what they did: they are not asked again.
    bad: Mutex<HashMap<Place, String>>,
}

/// A manifest or index, as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// What it is.
    pub media_type: String,
    /// Of the bytes.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
    document: Document,
}

impl Fetched {
    /// Whether it is an index.
    pub fn is_index(&self) -> bool {
        matches!(self.document, Document::Index(_))
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What the reference names, if that is an index.
    pub index: Option<Fetched>,
    /// The image's manifest.
    pub manifest: Fetched,
    /// The same, read.
    pub image: Manifest,
}

/// What is known of a document before it comes.
struct Expected {
    name: String,
    digest: Option<Digest>,
    size: Option<u64>,
}

impl Client {
    /// A client in these surroundings.
    pub fn new(environment: &Environment, options: Options) -> Result<Client, RegistryError> {
        let Options { tls_verify, mut mirrors, auth_file, netrc_file, preferred, concurrency, limits, tries } =
            options;
        mirrors.extend(Mirror::of(environment)?);
        let limits = limits.with(environment)?;
        Ok(Client {
            transport: Arc::new(Transport::new(environment.clone(), tls_verify, limits, tries)),
            mirrors,
            credentials: Places { auth_file, netrc: netrc_file },
            preferred,
            concurrency: concurrency.max(1),
            sessions: Mutex::default(),
            bad: Mutex::default(),
        })
    }

    /// The manifest or index that a reference names; its digest is checked if the reference has one.
    pub fn manifest(&self, reference: &Reference, progress: &dyn Progress) -> Result<Fetched, RegistryError> {
        watched(&self.transport, progress, |stop| {
            self.each(&self.places(reference), stop, |session| {
                document(session, &Expected::of(reference), stop)
            })
        })
    }

    /// The image for `platform` that a reference names. A manifest that is not in an index is for every platform.
    pub fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        progress: &dyn Progress,
    ) -> Result<Resolved, RegistryError> {
        watched(&self.transport, progress, |stop| {
            self.each(&self.places(reference), stop, |session| {
                let first = document(session, &Expected::of(reference), stop)?;
                let index = first.is_index().then(|| first.clone());
                let wanted = (platform, self.preferred);
                let manifest = chosen(session, first, wanted, 0, &mut 0, stop)?;
                let object = format!("manifest {}", manifest.digest);
                let Document::Manifest(image) = &manifest.document else {
                    return Err(RegistryError::document(&object, "it is an index"));
                };
                check_image(image, &object)?;
                let image = Manifest::clone(image);
                Ok(Resolved { index, manifest, image })
            })
        })
    }

    /// The configuration of an image, as it came: with one diff ID for each layer, and of 4 MiB at most. The user is
    /// warned of a platform that is not the one that was wanted.
    pub fn config(
        &self,
        reference: &Reference,
        image: &Manifest,
        platform: &Platform,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, RegistryError> {
        let object = format!("configuration {} of {reference}", image.config.digest);
        if image.config.size > MAX_DOCUMENT as u64 {
            let what = format!("it has {} bytes, and clients read at most {MAX_DOCUMENT}", image.config.size);
            return Err(RegistryError::document(&object, what));
        }
        let mut bytes = Vec::new();
        watched(&self.transport, progress, |stop| {
            let mut download = Download::new(&image.config, &mut bytes, progress);
            self.each(&self.places(reference), stop, |session| download.document_from(session, stop))
        })?;
        check_config(&bytes, image.layers.len(), &object)?;
        let text = |name: &str| {
            let config: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
            config.and_then(|config| config[name].as_str().map(str::to_string))
        };
        if let (Some(os), Some(architecture)) = (text("os"), text("architecture"))
            && (os != platform.os || architecture != platform.architecture)
        {
            let is = super::error::sanitised(&format!("{os}/{architecture}"));
            (self.transport.environment.warn)(&format!(
                "{reference} is an image for {is}, not for {platform}"
            ));
        }
        Ok(bytes)
    }

    /// Writes a blob of the reference's repository to `sink`, which on success has the bytes that the descriptor
    /// names and no others, and else the beginning of something.
    pub fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        sink: &mut dyn Sink,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        watched(&self.transport, progress, |stop| {
            self.download(&self.places(reference), descriptor, sink, progress, stop)
        })
    }

    /// Gets a blob from the first place that has it right.
    pub(super) fn download(
        &self,
        places: &[Place],
        descriptor: &Descriptor,
        sink: &mut dyn Sink,
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<(), RegistryError> {
        let mut download = Download::new(descriptor, sink, progress);
        self.each(places, stop, |session| download.from(session, stop))
    }

    pub(super) fn credentials_for(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, RegistryError> {
        find(&self.transport.environment, &self.credentials, registry, repository)
    }

    pub(super) fn places(&self, reference: &Reference) -> Vec<Place> {
        places(&self.mirrors, reference)
    }

    /// What `work` makes of the first place that it succeeds with; the error says what each place did.
    fn each<T>(
        &self,
        places: &[Place],
        stop: &Stop,
        mut work: impl FnMut(&Session) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut mirrors = Vec::new();
        for place in places {
            if let Some(what) = lock(&self.bad).get(place) {
                mirrors.push(what.clone());
                continue;
            }
            match self.session(place, stop).and_then(|session| work(&session)) {
                Err(error) if stop.is_stopped() || error.is_local() => return Err(error),
                Err(error) if place.is_mirror => mirrors.push(self.failed(place, &error)),
                Err(origin) if !mirrors.is_empty() => {
                    return Err(RegistryError::Everywhere { mirrors, origin: Box::new(origin) });
                }
                done => return done,
            }
        }
        Err(RegistryError::Cancelled)
    }

    /// What a mirror did, in words. The user is warned, and of one that is not asked again once.
    fn failed(&self, mirror: &Place, error: &RegistryError) -> String {
        let what = format!("{mirror}: {error}");
        let first = match error.is_of_the_place() {
            true => lock(&self.bad).insert(mirror.clone(), what.clone()).is_none(),
            false => true,
        };
        if first {
            (self.transport.environment.warn)(&what);
        }
        what
    }

    fn session(&self, place: &Place, stop: &Stop) -> Result<Arc<Session>, RegistryError> {
        if let Some(session) = lock(&self.sessions).get(place) {
            return Ok(session.clone());
        }
        let credentials = self.credentials_for(&place.registry, &place.repository)?;
        let session = Arc::new(Session::open(self.transport.clone(), place, credentials, stop)?);
        // Of two threads that both opened one, the first wins.
        Ok(lock(&self.sessions).entry(place.clone()).or_insert(session).clone())
    }
}

impl Expected {
    fn of(reference: &Reference) -> Expected {
        Expected { name: reference.wanted(), digest: reference.digest(), size: None }
    }
}

/// A manifest or index, tried again when its transfer breaks.
fn document(session: &Session, expected: &Expected, stop: &Stop) -> Result<Fetched, RegistryError> {
    let transport = session.transport();
    let deadline = transport.deadline();
    let mut failures = 0;
    loop {
        match once(session, expected, deadline, stop) {
            Err(error)
                if error.is_transient()
                    && failures + 1 < session.tries()
                    && deadline.left() > transport.wait(failures + 1) =>
            {
                failures += 1;
                transport.pause(failures, stop)?;
            }
            done => return done,
        }
    }
}

fn once(
    session: &Session,
    expected: &Expected,
    deadline: Deadline,
    stop: &Stop,
) -> Result<Fetched, RegistryError> {
    let url = session.url("manifests", &expected.name);
    let object = url.to_string();
    let accept = [media::MANIFEST, media::INDEX, docker::MANIFEST, docker::LIST].join(", ");
    let answer = session.get(&url, &[("accept", &accept)], Some(deadline), stop)?;
    if answer.status != 200 {
        let advice = session.advice(answer.status);
        return Err(answer.refusal(advice));
    }
    let said = answer.header("docker-content-digest").map(str::to_string);
    let content_type = answer.header("content-type").map(str::to_string);
    let bytes = answer.bytes("manifest", MAX_DOCUMENT as u64, stop)?;
    let digest = Digest::of(&bytes);
    if let Some(size) = expected.size.filter(|size| *size != bytes.len() as u64) {
        return Err(RegistryError::Size { object, expected: size, found: bytes.len().to_string() });
    }
    let mismatch = |expected| RegistryError::Digest { object: object.clone(), expected, found: digest };
    if let Some(expected) = expected.digest.filter(|expected| *expected != digest) {
        return Err(mismatch(expected));
    }
    // The registry's own opinion is never trusted, but must be right. Other algorithms say nothing to us.
    if let Some(said) = said.filter(|said| said.starts_with("sha256:")) {
        let what = |e| RegistryError::document(&object, format!("Docker-Content-Digest: {e}"));
        let said: Digest = said.parse().map_err(what)?;
        if said != digest {
            return Err(mismatch(said));
        }
    }
    let (media_type, document) = parse(&bytes, content_type.as_deref(), &object)?;
    Ok(Fetched { media_type, digest, bytes, document })
}

/// The manifest for a platform at or below `fetched`.
fn chosen(
    session: &Session,
    fetched: Fetched,
    (platform, preferred): (&Platform, Preferred),
    depth: usize,
    documents: &mut usize,
    stop: &Stop,
) -> Result<Fetched, RegistryError> {
    let Document::Index(offers) = &fetched.document else { return Ok(fetched) };
    let object = format!("index {}", fetched.digest);
    if depth == DEEPEST_INDEX {
        return Err(RegistryError::document(
            &object,
            format!("it lies in more than {DEEPEST_INDEX} other indexes"),
        ));
    }
    let none = || RegistryError::Platform {
        object: object.clone(),
        wanted: platform.to_string(),
        offered: listed(offers),
    };
    let mut missing = None;
    for offer in choose(platform, offers, preferred) {
        *documents += 1;
        if *documents > MOST_DOCUMENTS {
            return Err(RegistryError::document(
                &object,
                "too many indexes have to be read to find the platform",
            ));
        }
        let child = child(session, offer, stop)?;
        match chosen(session, child, (platform, preferred), depth + 1, documents, stop) {
            // An index that said nothing of its platforms, and has others.
            Err(error @ RegistryError::Platform { .. }) => missing = missing.or(Some(error)),
            done => return done,
        }
    }
    Err(missing.unwrap_or_else(none))
}

fn child(session: &Session, offer: &Offer, stop: &Stop) -> Result<Fetched, RegistryError> {
    let Descriptor { digest, size, media_type, .. } = &offer.descriptor;
    let expected = Expected { name: digest.to_string(), digest: Some(*digest), size: Some(*size) };
    let child = document(session, &expected, stop)?;
    match child.is_index() == offer.is_index() {
        true => Ok(child),
        false => {
            let what = format!("the index calls it {media_type:?}, and it is a {:?}", child.media_type);
            Err(RegistryError::document(&format!("manifest {digest}"), what))
        }
    }
}
