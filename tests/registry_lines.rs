//! Bad lines and busy servers: what is tried again, and how a download goes on. (The table of numbers is in
//! registry_lies.rs.)

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use gantry::digest::Digest;
use gantry::layer::{Progress, Silent};
use gantry::registry::{Client, Kind, Platform, Reference, RegistryError};
use support::Folder;
use support::server::{Asked, Content, Reply, Server, World, app, descriptor, names};

/// A registry that answers as `special` says, and honestly where that says nothing. It is told how many requests
/// were not pings, this one included.
fn unless(
    content: Content,
    special: impl Fn(&Asked, usize) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |asked| match asked.path.as_str() {
        "/v2/" => Reply::new(200),
        _ => {
            special(asked, count.fetch_add(1, Ordering::Relaxed) + 1).unwrap_or_else(|| content.answer(asked))
        }
    })
}

/// 3 MB that are no two alike.
fn layer() -> Vec<u8> {
    (0u32..750_000).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn pull(client: &Client, server: &Server, layer: &[u8]) -> Result<Vec<u8>, RegistryError> {
    let mut sink = Vec::new();
    client.blob(&app(server), &descriptor(layer), &mut sink, &Silent).map(|()| sink)
}

#[test]
fn busy_servers_are_asked_again_when_they_say() {
    let soon = time::OffsetDateTime::from(SystemTime::now() + Duration::from_secs(30));
    let soon = soon.format(&time::format_description::well_known::Rfc2822).unwrap().replace("+0000", "GMT");
    for (retry_after, waits) in [
        ("1", 1.0..=1.0),
        ("60", 60.0..=60.0),
        (soon.as_str(), 27.0..=30.0),
        ("-1", 1.0..=1.5),
        ("junk", 1.0..=1.5),
    ] {
        let said = retry_after.to_string();
        let server = unless(Content::image(&[]).0, move |_, number| {
            (number == 1).then(|| Reply::new(429).header("Retry-After", &said))
        });
        let world = World::new();
        world.client().manifest(&app(&server), &Silent).unwrap();
        assert!(
            world.slept().len() == 1 && waits.contains(&world.slept()[0]),
            "{retry_after}: {:?}",
            world.slept()
        );
    }
    for status in [408, 500, 502, 503, 504, 499, 522, 524] {
        let server =
            unless(Content::image(&[]).0, move |_, number| (number <= 2).then(|| Reply::new(status)));
        let world = World::new();
        world.client().manifest(&app(&server), &Silent).unwrap();
        assert_eq!(world.slept().len(), 2);
    }
}

#[test]
fn servers_that_ask_for_a_longer_pause_than_the_limit_get_none() {
    let later = "Fri, 31 Dec 2100 23:59:59 GMT";
    for (retry_after, limit, says) in [
        ("999999", None, "limit of 60 s"),
        ("61", None, "limit of 60 s"),
        (later, None, "limit of 60 s"),
        ("99999999999999999999999999", None, "limit of 60 s"),
        ("3", Some("2.5"), "limit of 2.5 s"),
    ] {
        let said = retry_after.to_string();
        let server = unless(Content::image(&[]).0, move |_, number| {
            (number == 1).then(|| Reply::new(503).header("Retry-After", &said).body("try later"))
        });
        let mut world = World::new();
        if let Some(limit) = limit {
            world = world.variable("GANTRY_REGISTRY_RETRY_AFTER_SECONDS", limit);
        }
        let error = world.client().manifest(&app(&server), &Silent).unwrap_err();
        assert_eq!((error.kind(), server.asked().len(), world.slept()), (Kind::Environment, 1, vec![]));
        let error = error.to_string();
        let whole = format!(
            "503: try later; it asks for a pause (Retry-After: {retry_after}) above the {says} \
             (GANTRY_REGISTRY_RETRY_AFTER_SECONDS)"
        );
        assert!(error.ends_with(&whole), "{error}");
    }
}

#[test]
fn busy_servers_are_not_asked_for_ever() {
    let limit =
        br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
    for (status, body) in [(500, &b"oops"[..]), (429, limit)] {
        let server = unless(Content::default(), move |_, _| Some(Reply::new(status).body(body)));
        let world = World::new();
        let error = world.client().manifest(&app(&server), &Silent).unwrap_err();
        assert_eq!((error.kind(), server.asked().len(), world.slept().len()), (Kind::Environment, 5, 4));
        let says = if status == 429 {
            "You have reached your pull rate limit. (TOOMANYREQUESTS); log in"
        } else {
            "oops"
        };
        assert!(error.to_string().contains(says), "{error}");
    }
    for status in [400, 404, 405] {
        let server = unless(Content::default(), move |_, _| Some(Reply::new(status)));
        assert!(World::new().client().manifest(&app(&server), &Silent).is_err());
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn cut_manifests_are_asked_for_again() {
    let (content, digest) = Content::image(&[]);
    let broken = content.clone();
    let server = unless(content, move |asked, number| match number {
        1 => Some(Reply::raw("")),
        2 => Some(broken.answer(asked).cut(20)),
        _ => None,
    });
    assert_eq!(World::new().client().manifest(&app(&server), &Silent).unwrap().digest, digest);
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn cut_blobs_go_on_where_they_were() {
    let layer = layer();
    let (content, _) = Content::image(&[&layer]);
    let broken = content.clone();
    // Cut 12 times: more than there are tries, but each time with a good piece gained.
    let server = unless(content, move |asked, number| {
        let left = 3_000_000 - asked.from().unwrap_or(0);
        (number <= 2).then(|| broken.answer(asked).cut(left.min(1_200_000)))
    });
    assert!(pull(&World::new().client(), &server, &layer).unwrap() == layer);
    let from: Vec<_> = server.asked().iter().map(Asked::from).collect();
    assert_eq!(from, [None, Some(1_200_000), Some(2_400_000)]);
}

#[test]
fn cut_blobs_are_never_spliced_wrongly() {
    let layer = layer();
    let (content, _) = Content::image(&[&layer]);
    let rest = |status: u16, from: usize| Reply::new(status).body(&layer[from..]);
    let range = |reply: Reply, range: &str| reply.header("Content-Range", range);
    let second = 1_000_000;
    for (name, reply, requests) in [
        ("right", range(rest(206, second), "bytes 1000000-2999999/3000000"), 2),
        ("right, total unknown", range(rest(206, second), "bytes 1000000-2999999/*"), 2),
        ("all of it", rest(200, 0), 2),
        ("wrong start", range(rest(206, second + 1), "bytes 1000001-2999999/3000000"), 3),
        ("wrong total", range(rest(206, second), "bytes 1000000-2999999/3000001"), 3),
        ("no range", rest(206, second), 3),
        ("two ranges", range(range(rest(206, second), "bytes 1000000-2999999/3000000"), "bytes 0-1/2"), 3),
        ("multipart", rest(206, second).header("Content-Type", "multipart/byteranges; boundary=x"), 3),
        ("not satisfiable", range(Reply::new(416), "bytes */3000000"), 3),
    ] {
        let (broken, reply) = (content.clone(), reply.clone());
        let server = unless(content.clone(), move |asked, number| match number {
            1 => Some(broken.answer(asked).cut(second)),
            2 => Some(reply.clone()),
            _ => None,
        });
        assert!(pull(&World::new().client(), &server, &layer).unwrap() == layer, "{name}");
        let from: Vec<_> = server.asked().iter().map(Asked::from).collect();
        assert_eq!(from, [None, Some(second), None][..requests], "{name}");
    }
    // Right by its words, and other bytes: the digest tells.
    let mut other = layer[second..].to_vec();
    other[0] ^= 1;
    let lie = range(Reply::new(206).body(other), "bytes 1000000-2999999/3000000");
    let broken = content.clone();
    let server = unless(content, move |asked, number| {
        Some(if number == 1 { broken.answer(asked).cut(second) } else { lie.clone() })
    });
    assert!(matches!(pull(&World::new().client(), &server, &layer), Err(RegistryError::Digest { .. })));
    // A part of what was asked for whole.
    let server = unless(Content::default(), |_, _| {
        Some(Reply::new(206).header("Content-Range", "bytes 0-1/2").body("ab"))
    });
    assert!(matches!(pull(&World::new().client(), &server, b"ab"), Err(RegistryError::Document { .. })));
}

#[test]
fn a_download_goes_on_at_a_new_place() {
    // Signed URLs run out: each time the registry is asked again.
    let layer = layer();
    let (content, _) = Content::image(&[&layer]);
    let count = AtomicUsize::new(0);
    let (blob, far) = (layer.clone(), content.clone());
    let cdn = Server::start(move |asked| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        if !asked.path.ends_with(&format!("signature={}", number + 1)) {
            return Reply::new(403);
        }
        let path = format!("/v2/app/blobs/{}", descriptor(&blob).digest);
        let reply = far.answer(&Asked { path, ..asked.clone() });
        if number == 0 { reply.cut(1_000_000) } else { reply }
    });
    let target = cdn.url("/blob?signature=");
    let server = unless(content, move |_, number| Some(Reply::redirect(format!("{target}{number}"))));
    assert!(pull(&World::new().client(), &server, &layer).unwrap() == layer);
    assert_eq!(cdn.asked()[1].from(), Some(1_000_000));
}

#[test]
fn stalled_downloads_go_on() {
    let layer = layer();
    let (content, _) = Content::image(&[&layer]);
    let broken = content.clone();
    let server = unless(content, move |asked, number| match number {
        1 => Some(broken.answer(asked).stall(500_000)),
        2 => Some(Reply::raw("HTTP/1.1 200").stall(4)),
        _ => None,
    });
    let mut world = World::new();
    world.options.limits.idle = Duration::from_millis(150);
    world.options.limits.answer = Duration::from_millis(300);
    assert!(pull(&world.client(), &server, &layer).unwrap() == layer);
    let from: Vec<_> = server.asked().iter().map(Asked::from).collect();
    assert_eq!(from, [None, Some(500_000), Some(500_000)]);
}

#[test]
fn slow_documents_end_at_their_limit() {
    let (content, _) = Content::image(&[]);
    let honest = content.clone().serve();
    let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    let image = World::new().client().resolve(&app(&honest), &platform, &Silent).unwrap().image;
    let config = image.config.digest.to_string();
    let limited = |tokens: Option<&Server>, slow: Reply, of: &str| {
        let (content, of) = (content.clone(), of.to_string());
        let challenge = tokens.map(|tokens| format!("Bearer realm=\"{}\"", tokens.url("/token")));
        let server = Server::start(move |asked| match &challenge {
            Some(challenge) => Reply::unauthorized(challenge),
            None if asked.path.contains(&of) => slow.clone(),
            None => content.answer(asked),
        });
        let world = World::new().variable("GANTRY_REGISTRY_DOCUMENT_SECONDS", "0.5");
        let client = world.client();
        let found = client
            .manifest(&app(&server), &Silent)
            .and_then(|_| client.config(&app(&server), &image, &platform, &Silent));
        (found.unwrap_err(), server)
    };
    // Ten seconds long, and more.
    let slow = || Reply::new(200).body(vec![b' '; 500]).trickle();
    let head = || Reply::raw(format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(500))).trickle();
    let tokens = Server::start(move |_| slow());
    let sized = Reply::new(200).body(vec![b' '; image.config.size as usize]).trickle();
    for (tokens, reply, of, path) in [
        (None, slow(), "/manifests/", "/v2/app/manifests/latest"),
        (None, head(), "/manifests/", "/v2/app/manifests/latest"),
        (None, sized, "/blobs/", &format!("/v2/app/blobs/{config}")),
        (Some(&tokens), Reply::new(200), "", "/token"),
    ] {
        let (error, server) = limited(tokens, reply, of);
        let asked = tokens.unwrap_or(&server);
        let says =
            "it was not there within 0.5 s, the limit for a document (GANTRY_REGISTRY_DOCUMENT_SECONDS)";
        assert!(error.to_string().starts_with(&asked.url(path)), "{error}");
        assert!(error.to_string().ends_with(says), "{error}");
        assert_eq!(error.kind(), Kind::Environment);
        // The limit is for all tries.
        assert_eq!(asked.asked().iter().filter(|asked| asked.path.starts_with(path)).count(), 1, "{error}");
    }
    // Of an error it is the status that matters, and not the end of its text.
    let (error, _) = limited(None, Reply::new(404).body("x".repeat(500)).trickle(), "/manifests/");
    let error = error.to_string();
    assert!(error.contains("404: x") && !error.contains(&"x".repeat(100)), "{error}");
}

#[test]
fn slow_blobs_end_at_their_rate() {
    let layer = vec![7; 5000];
    let (content, _) = Content::image(&[&layer]);
    let server = unless(Content::default(), move |asked, _| Some(content.answer(asked).trickle()));
    // 50 bytes a second come; a new connection may be faster, so it is tried again.
    let mut world = World::new()
        .variable("GANTRY_REGISTRY_BYTES_PER_SECOND", 1000)
        .variable("GANTRY_REGISTRY_IDLE_SECONDS", 1);
    world.options.tries = 2;
    let error = pull(&world.client(), &server, &layer).unwrap_err();
    assert_eq!(error.kind(), Kind::Environment);
    let error = error.to_string();
    let says = " bytes in 1 s; the limit is 1000 bytes a second (GANTRY_REGISTRY_BYTES_PER_SECOND) over 1 s \
                (GANTRY_REGISTRY_IDLE_SECONDS)";
    assert!(error.starts_with(&server.url("/v2/app/blobs/")) && error.ends_with(says), "{error}");
    assert_eq!((server.asked().len(), world.slept().len()), (2, 1));
    // A mirror is asked once, and the origin sends all of it.
    let mirrored = Mirrored::new(|content, asked| content.answer(asked).trickle(), true);
    let world = mirrored
        .world
        .variable("GANTRY_REGISTRY_BYTES_PER_SECOND", 1000)
        .variable("GANTRY_REGISTRY_IDLE_SECONDS", 1);
    let reference = app(&mirrored.origin).with_digest(mirrored.digest);
    let mut sink = Vec::new();
    world.client().blob(&reference, &descriptor(&mirrored.layer), &mut sink, &Silent).unwrap();
    assert!(sink == mirrored.layer);
    assert!(world.warnings()[0].ends_with(says), "{:?}", world.warnings());
    // The header has a limit of its own.
    let head = Reply::raw(format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(500))).trickle();
    let server = unless(Content::default(), move |_, _| Some(head.clone()));
    let mut world = World::new();
    (world.options.tries, world.options.limits.answer) = (1, Duration::from_secs(1));
    let error = pull(&world.client(), &server, &layer).unwrap_err().to_string();
    assert!(error.contains("no answer in time"), "{error}");
    // Slow enough for one limit, and fast enough for another.
    let short = layer[..100].to_vec();
    let (content, _) = Content::image(&[&short]);
    let server = unless(Content::default(), move |asked, _| Some(content.answer(asked).trickle()));
    let world = World::new().variable("GANTRY_REGISTRY_BYTES_PER_SECOND", 2);
    assert_eq!(pull(&world.client(), &server, &short).unwrap(), short);
}

/// Progress that is cancelled when so many bytes are there, or when told.
#[derive(Default)]
struct Cancelled {
    bytes: AtomicU64,
    now: AtomicBool,
}

impl Progress for Cancelled {
    fn layer(&self, _: usize, _: usize) {}
    fn bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.now.load(Ordering::Relaxed)
    }
}

#[test]
fn stalled_downloads_end_when_cancelled() {
    let layer = layer();
    let (content, _) = Content::image(&[&layer]);
    for stall in [Some(500_000), None] {
        let broken = content.clone();
        let server = unless(content.clone(), move |asked, _| match stall {
            Some(at) => Some(broken.answer(asked).stall(at as usize)),
            None => Some(Reply::raw("HTTP/1.1 200 OK").stall(9)),
        });
        // The best of three: other tests want the processor, too.
        let late = (0..3).map(|_| cancel(&server, &layer, stall.unwrap_or(0))).min().unwrap();
        assert!(late < Duration::from_millis(200), "{late:?}");
    }
}

/// How long a stalled download goes on after it was cancelled, `bytes` from its start.
fn cancel(server: &Server, layer: &[u8], bytes: u64) -> Duration {
    let progress = Arc::new(Cancelled::default());
    let told = progress.clone();
    let cancelled_at = std::thread::spawn(move || {
        while told.bytes.load(Ordering::Relaxed) < bytes {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        told.now.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let (folder, world) = (Folder::new(), World::new());
    let found = world.client().blobs(&app(server), &[descriptor(layer)], folder.path(), &*progress);
    let late = cancelled_at.join().unwrap().elapsed();
    assert!(matches!(found, Err(RegistryError::Cancelled)), "{found:?}");
    assert!(names(folder.path()).is_empty() && world.slept().is_empty());
    late
}

#[test]
fn one_failure_ends_the_other_downloads() {
    let (bad, good) = (vec![1; 1000], layer());
    let (content, _) = Content::image(&[&bad, &good]);
    let (broken, path) = (content.clone(), format!("/v2/app/blobs/{}", descriptor(&good).digest));
    let server = unless(content, move |asked, _| match asked.path == path {
        true => Some(broken.answer(asked).stall(1000)),
        false => Some(Reply::new(404)),
    });
    let folder = Folder::new();
    let start = Instant::now();
    let error = World::new()
        .client()
        .blobs(&app(&server), &[descriptor(&good), descriptor(&bad)], folder.path(), &Silent)
        .unwrap_err();
    assert!(matches!(error, RegistryError::Status { status: 404, .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(4) && names(folder.path()).is_empty());
}

#[test]
fn lengths_that_lie() {
    let layer = vec![7; 1000];
    let chunked = |head: &str| {
        Reply::raw(format!("HTTP/1.1 200 OK\r\n{head}\r\n3e8\r\n{}\r\n0\r\n\r\n", "\u{7}".repeat(1000)))
    };
    for (name, reply, right) in [
        ("chunked", chunked("Transfer-Encoding: chunked\r\n"), true),
        ("too long", Reply::new(200).header("Content-Length", 2000).body(&layer), false),
        ("too short", Reply::new(200).header("Content-Length", 500).body(&layer), false),
        ("negative", Reply::new(200).header("Content-Length", -1).body(&layer), false),
        (
            "two that differ",
            Reply::new(200).header("Content-Length", 1000).header("Content-Length", 999).body(&layer),
            false,
        ),
        (
            "endless chunk",
            Reply::raw(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
                "\u{7}".repeat(1000)
            )),
            false,
        ),
        ("no number", Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), false),
        ("no HTTP", Reply::raw("SSH-2.0-OpenSSH_9.2\r\n"), false),
    ] {
        let server = unless(Content::default(), move |_, _| Some(reply.clone()));
        let found = pull(&World::new().client(), &server, &layer);
        assert_eq!(found.is_ok(), right, "{name}: {found:?}");
    }
    // Both framings: RFC 9112 (6.3) lets chunks win; whatever comes of it is checked.
    let both = chunked("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n");
    let server = unless(Content::default(), move |_, _| Some(both.clone()));
    if let Ok(found) = pull(&World::new().client(), &server, &layer) {
        assert_eq!(found, layer);
    }
}

#[test]
fn what_is_complete_and_wrong_is_not_asked_for_again() {
    let layer = vec![7; 1000];
    let chunks = |bytes: usize, end: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n";
        Reply::raw(format!("{head}{bytes:x}\r\n{}\r\n{end}", "\u{7}".repeat(bytes)))
    };
    let range = "bytes 400-999/1000";
    for (name, first, reply, says, requests) in [
        ("shorter", None, Reply::new(200).body(&layer[..999]), "found 999 bytes, expected 1000", 1),
        ("empty", None, Reply::new(200), "found 0 bytes, expected 1000", 1),
        ("longer", None, Reply::new(200).body(vec![7; 1001]), "found 1001 bytes, expected 1000", 1),
        (
            "chunks that end",
            None,
            chunks(999, "0\r\n\r\n"),
            "(sent as text/html, a page for browsers): found 999 bytes, expected 1000",
            1,
        ),
        ("chunks that are cut", None, chunks(999, ""), "", 5),
        (
            "closed without a length",
            None,
            Reply::raw("HTTP/1.0 200 OK\r\n\r\nabc"),
            "ended after 3 of 1000",
            5,
        ),
        (
            "a rest that is shorter",
            Some(400),
            Reply::new(206).header("Content-Range", range).body(&layer[..599]),
            "found 999 bytes, expected 1000",
            2,
        ),
    ] {
        let whole = layer.clone();
        let server = unless(Content::default(), move |_, number| match first {
            Some(at) if number == 1 => Some(Reply::new(200).body(&whole).cut(at)),
            _ => Some(reply.clone()),
        });
        let world = World::new();
        let error = pull(&world.client(), &server, &layer).unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
        assert_eq!((server.asked().len(), world.slept().len()), (requests, requests - 1), "{name}: {error}");
    }
}

#[test]
fn encoded_blobs_are_judged_by_their_raw_bytes() {
    let layer = vec![7; 1000];
    for (body, right) in [(layer.clone(), true), (vec![8; 1000], false)] {
        let server = unless(Content::default(), move |asked, _| {
            assert_eq!(asked.header("accept-encoding"), Some("identity"));
            Some(Reply::new(200).header("Content-Encoding", "gzip").body(&body))
        });
        let found = pull(&World::new().client(), &server, &layer);
        assert_eq!(found.is_ok(), right);
        if let Err(error) = found {
            assert!(error.to_string().contains("sent with Content-Encoding gzip"), "{error}");
        }
    }
}

#[test]
fn floods_of_headers() {
    let many: String = (0..10_000).map(|number| format!("X-{number}: y\r\n")).collect();
    for headers in [many, format!("X: {}\r\n", "y".repeat(32 << 20))] {
        let reply = Reply::raw(format!("HTTP/1.1 200 OK\r\n{headers}\r\n"));
        let server = unless(Content::default(), move |_, _| Some(reply.clone()));
        let error = World::new().client().manifest(&app(&server), &Silent).unwrap_err();
        assert!(matches!(error, RegistryError::Network { .. }), "{error}");
        assert_eq!(server.asked().len(), 1, "{error}");
    }
}

#[test]
fn four_blobs_at_once_and_no_more() {
    let layers: Vec<Vec<u8>> = (0..12).map(|number| vec![number; 100]).collect();
    let content = Content::image(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>()).0;
    let (running, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let peak = most.clone();
    let server = unless(content.clone(), move |asked, _| {
        peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(60));
        running.fetch_sub(1, Ordering::SeqCst);
        Some(content.answer(asked))
    });
    let folder = Folder::new();
    let descriptors: Vec<_> = layers.iter().map(|layer| descriptor(layer)).collect();
    struct Told(Mutex<Vec<(usize, usize)>>);
    impl Progress for Told {
        fn layer(&self, index: usize, count: usize) {
            self.0.lock().unwrap().push((index, count));
        }
        fn bytes(&self, _: u64) {}
        fn cancelled(&self) -> bool {
            false
        }
    }
    let told = Told(Mutex::default());
    World::new().client().blobs(&app(&server), &descriptors, folder.path(), &told).unwrap();
    assert_eq!((names(folder.path()).len(), most.load(Ordering::SeqCst)), (12, 4));
    let mut told = told.0.into_inner().unwrap();
    told.sort();
    assert_eq!(told, (0..12).map(|index| (index, 12)).collect::<Vec<_>>());
}

#[test]
fn mirrors_are_asked_first_and_trusted_never() {
    let layer = layer();
    let (content, digest) = Content::image(&[&layer]);
    let mut lying = content.clone();
    lying.tamper_blob(descriptor(&layer).digest, |bytes| bytes[0] ^= 1);
    for (mirror, asked_origin) in [(content.clone(), 0), (lying, 1), (Content::default(), 2)] {
        let (origin, mirror) = (content.clone().serve(), mirror.serve());
        let world =
            World::new().variable("GANTRY_REGISTRY_MIRRORS", format!("{}={}", origin.host(), mirror.host()));
        let world = world.logged_in(&origin.host());
        let client = world.client();
        let reference = app(&origin).with_digest(digest);
        assert_eq!(client.manifest(&reference, &Silent).unwrap().digest, digest);
        let folder = Folder::new();
        let paths = client.blobs(&reference, &[descriptor(&layer)], folder.path(), &Silent).unwrap();
        assert!(std::fs::read(&paths[0]).unwrap() == layer);
        assert_eq!((origin.asked().len(), mirror.asked().len()), (asked_origin, 2));
    }
}

/// An origin with one layer behind a mirror, and a client that knows of the mirror.
struct Mirrored {
    origin: Server,
    mirror: Server,
    world: World,
    digest: Digest,
    layer: Vec<u8>,
}

impl Mirrored {
    /// A mirror that answers for blobs as `mirror` says, and an origin that is honest, or lies.
    fn new(mirror: impl Fn(&Content, &Asked) -> Reply + Send + Sync + 'static, honest: bool) -> Mirrored {
        let layer = layer();
        let (content, digest) = Content::image(&[&layer]);
        let mut own = content.clone();
        if !honest {
            own.tamper_blob(descriptor(&layer).digest, |bytes| bytes[7] ^= 1);
        }
        let origin = own.serve();
        let mirror = Server::start(move |asked| match asked.path.contains("/blobs/") {
            true => mirror(&content, asked),
            false => content.answer(asked),
        });
        let world =
            World::new().variable("GANTRY_REGISTRY_MIRRORS", format!("{}={}", origin.host(), mirror.host()));
        Mirrored { origin, mirror, world, digest, layer }
    }

    fn reference(&self) -> Reference {
        app(&self.origin).with_digest(self.digest)
    }

    /// The layer, by itself and as one of several, with new clients; nothing was waited for.
    #[track_caller]
    fn layer_comes_from_the_origin(&self, name: &str) {
        let mut sink = Vec::new();
        let wanted = descriptor(&self.layer);
        self.world.client().blob(&self.reference(), &wanted, &mut sink, &Silent).unwrap();
        assert!(sink == self.layer, "{name}: other bytes than the layer's");
        let folder = Folder::new();
        let paths = self
            .world
            .client()
            .blobs(&self.reference(), std::slice::from_ref(&wanted), folder.path(), &Silent)
            .unwrap();
        assert!(std::fs::read(&paths[0]).unwrap() == self.layer, "{name}: other bytes than the layer's");
        assert_eq!(names(folder.path()), [wanted.digest.hex()]);
        let blob = format!("/v2/app/blobs/{}", wanted.digest);
        for server in [&self.origin, &self.mirror] {
            assert_eq!(server.paths(), [blob.clone(), blob.clone()], "{name}");
            // Each from its start.
            assert!(server.asked().iter().all(|asked| asked.from().is_none()), "{name}");
        }
        assert_eq!(self.world.slept(), Vec::<f64>::new(), "{name}");
        let mirror = format!("mirror {}: ", self.mirror.host());
        assert!(self.world.warnings().iter().all(|warning| warning.starts_with(&mirror)), "{name}");
    }
}

#[test]
fn a_bad_mirror_is_followed_by_the_origin_from_the_start() {
    let html = "<html><body>Please log in to the network</body></html>";
    let (mut other, longer) = (layer(), [layer(), vec![0]].concat());
    other[0] ^= 1;
    type Bad = Box<dyn Fn(&Content, &Asked) -> Reply + Send + Sync>;
    let bad: [(&str, Bad); 9] = [
        ("one byte differs", Box::new(move |_, _| Reply::new(200).body(&other))),
        ("HTML", Box::new(move |_, _| Reply::new(200).header("Content-Type", "text/html").body(html))),
        ("HTML without a length", Box::new(move |_, _| Reply::raw(format!("HTTP/1.0 200 OK\r\n\r\n{html}")))),
        ("stalls at the start", Box::new(|_, _| Reply::raw("HTTP/1.1 200 OK").stall(9))),
        ("stalls on the way", Box::new(|content, asked| content.answer(asked).stall(700_000))),
        ("cut", Box::new(|content, asked| content.answer(asked).cut(700_000))),
        ("longer", Box::new(move |_, _| Reply::new(200).body(&longer))),
        ("busy", Box::new(|_, _| Reply::new(503).header("Retry-After", "30"))),
        ("has it not", Box::new(|_, _| Reply::new(404))),
    ];
    for (name, mirror) in bad {
        let mut mirrored = Mirrored::new(mirror, true);
        if name.starts_with("stalls") {
            mirrored.world.options.limits.idle = Duration::from_millis(1500);
            mirrored.world.options.limits.answer = Duration::from_millis(1500);
        }
        mirrored.layer_comes_from_the_origin(name);
    }
}

#[test]
fn configurations_come_from_the_origin_when_the_mirror_lies() {
    let (content, digest) = Content::image(&[b"layer"]);
    let origin = content.clone().serve();
    let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    let image = World::new().client().resolve(&app(&origin), &platform, &Silent).unwrap().image;
    let mut lying = content;
    lying.tamper_blob(image.config.digest, |bytes| bytes[1] = b' ');
    let mirror = lying.serve();
    let world =
        World::new().variable("GANTRY_REGISTRY_MIRRORS", format!("{}={}", origin.host(), mirror.host()));
    let reference = app(&origin).with_digest(digest);
    let config = world.client().config(&reference, &image, &platform, &Silent).unwrap();
    assert_eq!(Digest::of(&config), image.config.digest);
    assert_eq!(mirror.asked().len(), 1);
}

#[test]
fn the_error_says_what_each_place_did() {
    let mirrored = Mirrored::new(|_, _| Reply::new(200).body("<html>"), false);
    let wanted = descriptor(&mirrored.layer);
    let client = mirrored.world.client();
    let error = client.blob(&mirrored.reference(), &wanted, &mut Vec::new(), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Content);
    let (error, path) = (error.to_string(), format!("/v2/app/blobs/{}", wanted.digest));
    let (origin, mirror) = (mirrored.origin.url(&path), mirrored.mirror.url(&path));
    let (first, second) = error.split_once("; before that, ").expect("two places");
    assert!(first.starts_with(&format!("{origin}: its digest is sha256:")), "{error}");
    let host = mirrored.mirror.host();
    assert!(second.starts_with(&format!("mirror {host}: {mirror}")), "{error}");
    // What is remembered of the mirror is said again, although it was not asked again.
    let again = client.blob(&mirrored.reference(), &wanted, &mut Vec::new(), &Silent).unwrap_err();
    assert_eq!(again.to_string(), error);
    assert_eq!((mirrored.mirror.asked().len(), mirrored.origin.asked().len()), (1, 2));
    assert_eq!(mirrored.world.warnings().len(), 1, "{:?}", mirrored.world.warnings());
}

#[test]
fn bytes_that_come_again_are_counted_once() {
    let mirrored = Mirrored::new(|content, asked| content.answer(asked).cut(700_000), true);
    let progress = Cancelled::default();
    let wanted = descriptor(&mirrored.layer);
    let client = mirrored.world.client();
    client.blob(&mirrored.reference(), &wanted, &mut Vec::new(), &progress).unwrap();
    assert_eq!(progress.bytes.load(Ordering::Relaxed), wanted.size);
}
