//! Being let in by a registry, and where no secret may go. (The table of numbers is in registry_lies.rs.)

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gantry::layer::Silent;
use gantry::registry::{Kind, RegistryError};
use serde_json::json;
use support::server::{Asked, Authority, BASIC, Content, Reply, Server, World, app};

/// An image's registry that wants `Authorization: TOKEN`, and says so with `challenge`.
fn guarded(challenge: impl Fn() -> String + Send + Sync + 'static, token: &'static str) -> Server {
    let (content, _) = Content::image(&[b"layer"]);
    Server::start(move |asked| match asked.authorization() == Some(token) {
        true => content.answer(asked),
        false => Reply::unauthorized(challenge()),
    })
}

/// A token server that gives everybody this token.
fn token_server(token: &'static str) -> Server {
    Server::start(move |_| Reply::new(200).json(json!({ "token": token })))
}

fn bearer(server: &Server) -> String {
    format!(r#"Bearer realm="{}",service="registry.test""#, server.url("/token"))
}

fn get(world: &World, server: &Server) -> Result<(), RegistryError> {
    world.client().manifest(&app(server), &Silent).map(|_| ())
}

/// Where a server was given a secret.
fn with_secrets(server: &Server) -> Vec<Asked> {
    let has = |asked: &Asked| {
        format!("{asked:?}").to_lowercase().contains("authorization") || asked.body.contains("secret")
    };
    server.asked().into_iter().filter(has).collect()
}

#[test]
fn anonymous_tokens_and_those_for_credentials() {
    let tokens = token_server("t0ken");
    let challenge = bearer(&tokens);
    let server = guarded(move || challenge.clone(), "Bearer t0ken");
    get(&World::new(), &server).unwrap();
    get(&World::new().logged_in(&format!("{}/app", server.host())), &server).unwrap();
    let asked = tokens.asked();
    assert_eq!(asked[0].path, "/token?service=registry.test&scope=repository%3Aapp%3Apull");
    assert_eq!(asked[0].authorization(), None);
    assert_eq!(asked[1].path, "/token?service=registry.test&scope=repository%3Aapp%3Apull&account=user");
    assert_eq!(asked[1].authorization(), Some(BASIC));
    // The registry itself never saw the password.
    assert!(server.asked().iter().all(|asked| asked.authorization() == Some("Bearer t0ken")));
}

#[test]
fn challenges_are_met_if_they_can_be() {
    let tokens = token_server("t0ken");
    let realm = tokens.url("/token");
    let good = format!(r#"Bearer realm="{realm}""#);
    for (challenge, right) in [
        (format!(r#"Negotiate, Basic realm="x", {good}"#), true),
        (format!(r#"Bearer realm="", {good}"#), true),
        (format!(r#"Bearer service="x", {good}"#), true),
        (format!(r#"Bearer realm="/token", {good}"#), true),
        (format!(r#"Bearer realm="file:///etc/passwd", {good}"#), true),
        (format!("{good}, Bearer realm=\"unfinished"), true),
        (format!("bEARER REALM={}", r#""http:\/\/"#.to_string() + &tokens.host() + r#"\/token""#), true),
        ("Negotiate".to_string(), false),
        (format!(r#"Bearer realm="{realm}"#), false),
        (r#"Bearer realm="file:///etc/passwd""#.to_string(), false),
        (r#"Bearer realm="http://169.254.169.254/""#.to_string(), false),
        (r#"Bearer realm="http://user:password@x.test/""#.to_string(), false),
    ] {
        let said = challenge.clone();
        let server = guarded(move || said.clone(), "Bearer t0ken");
        let found = get(&World::new(), &server);
        assert_eq!(found.is_ok(), right, "{challenge}: {found:?}");
        if let Err(error) = found {
            assert_eq!(error.kind(), Kind::Refused, "{error}");
        }
    }
    // A password crosses no network without TLS; anonymously there is nothing to lose.
    let server = guarded(|| r#"Bearer realm="http://auth.test/""#.to_string(), "");
    let error = get(&World::new().logged_in(&server.host()), &server).unwrap_err().to_string();
    assert!(error.contains("would get credentials without TLS"), "{error}");
    // A 401 without a word; and one only on the real request.
    let server = Server::start(|_| Reply::new(401));
    let error = get(&World::new(), &server).unwrap_err().to_string();
    assert!(error.contains("answered 401") && error.contains("log in"), "{error}");
    assert_eq!(server.asked().len(), 2);
    let (content, _) = Content::image(&[]);
    let late = Server::start(move |asked| {
        match asked.path == "/v2/" || asked.authorization() == Some("Bearer t0ken") {
            true => content.answer(asked),
            false => Reply::unauthorized(&good),
        }
    });
    get(&World::new(), &late).unwrap();
}

#[test]
fn basic_goes_to_the_registry() {
    let server = guarded(|| r#"Basic realm="x""#.to_string(), BASIC);
    get(&World::new().logged_in(&server.host()), &server).unwrap();
    let error = get(&World::new(), &server).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("there are no credentials for it here: log in"), "{error}");
}

#[test]
fn identity_tokens_are_traded() {
    for oauth in [true, false] {
        let tokens = Server::start(move |asked| match (asked.method.as_str(), oauth) {
            ("POST", true) => Reply::new(200).json(json!({ "access_token": "t0ken" })),
            ("GET", false) => Reply::new(200).json(json!({ "token": "t0ken" })),
            _ => Reply::new(405),
        });
        let challenge = bearer(&tokens);
        let server = guarded(move || challenge.clone(), "Bearer t0ken");
        let world =
            World::new().auth(json!({ "auths": { server.host(): { "identitytoken": "secret/identity" } } }));
        get(&world, &server).unwrap();
        let asked = &tokens.asked()[0];
        assert_eq!(asked.path, "/token");
        assert_eq!(
            asked.body,
            "grant_type=refresh_token&service=registry.test&scope=repository%3Aapp%3Apull&client_id=gantry\
             &refresh_token=secret%2Fidentity"
        );
        assert_eq!(tokens.asked().len(), if oauth { 1 } else { 2 });
    }
    // Nor does a redirect of the form take it anywhere.
    let elsewhere = token_server("t0ken");
    let target = elsewhere.url("/token");
    let tokens = Server::start(move |_| Reply::redirect(&target));
    let challenge = bearer(&tokens);
    let server = guarded(move || challenge.clone(), "Bearer t0ken");
    let world = World::new().auth(json!({ "auths": { server.host(): { "identitytoken": "secret" } } }));
    assert!(matches!(get(&world, &server), Err(RegistryError::Target { .. })));
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn what_is_no_token_is_no_token() {
    for reply in [
        Reply::new(200).body(vec![b'a'; 1 << 20]).endless(),
        Reply::new(200).body("<html>secret-token</html>"),
        Reply::new(200).json(json!({})),
        Reply::new(200).json(json!({ "token": "secret-token\r\nX-Evil: yes" })),
        Reply::new(403).json(json!({ "details": "no\r\nway" })),
    ] {
        let tokens = Server::start(move |_| reply.clone());
        let challenge = bearer(&tokens);
        let server = guarded(move || challenge.clone(), "Bearer t0ken");
        let error = get(&World::new(), &server).unwrap_err().to_string();
        assert!(!error.contains("secret-token") && !error.contains('\n'), "{error}");
        assert!(server.asked().is_empty());
    }
}

#[test]
fn tokens_are_refreshed_once() {
    // 47: fresh ones are never good enough.
    let tokens = token_server("stale");
    let challenge = bearer(&tokens);
    let server = guarded(move || challenge.clone(), "Bearer never");
    let error = get(&World::new().logged_in(&server.host()), &server).unwrap_err();
    assert!(error.to_string().contains("the credentials for it are not accepted"), "{error}");
    assert_eq!((tokens.asked().len(), server.asked().len()), (2, 2));

    // 48: the registry forgets them, or they run out, in the middle of a pull.
    let count = AtomicUsize::new(0);
    let tokens = Server::start(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        Reply::new(200).json(json!({ "token": format!("t{number}"), "expires_in": 100 }))
    });
    let (content, _) = Content::image(&[b"layer"]);
    let challenge = bearer(&tokens);
    let server = Server::start(move |asked| {
        let token = if asked.path.contains("/blobs/") { "Bearer t1" } else { "Bearer t0" };
        let right = asked.authorization() == Some(token) || asked.authorization() == Some("Bearer t2");
        if right { content.answer(asked) } else { Reply::unauthorized(&challenge) }
    });
    let world = World::new();
    let client = world.client();
    client.manifest(&app(&server), &Silent).unwrap();
    let layer = support::server::descriptor(b"layer");
    client.blob(&app(&server), &layer, &mut Vec::new(), &Silent).unwrap();
    assert_eq!(tokens.asked().len(), 2);
    client.blob(&app(&server), &layer, &mut Vec::new(), &Silent).unwrap();
    assert_eq!(tokens.asked().len(), 2);
    world.clock.advance(Duration::from_secs(101));
    client.blob(&app(&server), &layer, &mut Vec::new(), &Silent).unwrap();
    assert_eq!(tokens.asked().len(), 3);
}

#[test]
fn a_wider_scope_is_asked_for_once() {
    for status in [401, 403] {
        let tokens = Server::start(|asked| {
            let wide = asked.path.contains("scope=repository%3Aapp%3Apull&scope=repository%3Abase%3Apull");
            Reply::new(200).json(json!({ "token": if wide { "wide" } else { "narrow" } }))
        });
        let challenge = bearer(&tokens);
        let (content, _) = Content::image(&[]);
        let server = Server::start(move |asked| match asked.authorization() {
            Some("Bearer wide") => content.answer(asked),
            Some("Bearer narrow") => Reply::new(status).header(
                "WWW-Authenticate",
                format!(r#"{challenge},error="insufficient_scope",scope="repository:base:pull""#),
            ),
            _ => Reply::unauthorized(&challenge),
        });
        get(&World::new(), &server).unwrap();
        assert_eq!((tokens.asked().len(), server.asked().len()), (2, 2));
    }
}

#[test]
fn redirects_take_no_authorization_along() {
    // 50 and 51: to another host, or another port of the same, which then asks for it.
    for host in ["localhost", "127.0.0.1"] {
        let cdn =
            Server::start(|_| Reply::unauthorized(r#"Basic realm="x", Bearer realm="http://localhost:1/""#));
        let target = format!("http://{host}:{}/blob?X-Amz-Signature=secretsignature", cdn.port());
        let (content, _) = Content::image(&[b"layer"]);
        let server = Server::start(move |asked| match asked.authorization() {
            Some(BASIC) if asked.path.contains("/blobs/") => Reply::redirect(&target),
            Some(BASIC) => content.answer(asked),
            _ => Reply::unauthorized(r#"Basic realm="x""#),
        });
        let world = World::new().logged_in(&server.host());
        let layer = support::server::descriptor(b"layer");
        let error =
            world.client().blob(&app(&server), &layer, &mut Vec::new(), &Silent).unwrap_err().to_string();
        assert!(error.contains("answered 401") && !error.contains("secretsignature"), "{error}");
        assert_eq!(cdn.asked().len(), 1);
        assert!(with_secrets(&cdn).is_empty());
    }
    // At the same place it stays; after a detour it does not come back.
    for (steps, kept) in [(vec!["/second"], true), (vec!["away", "/second"], false)] {
        let (content, _) = Content::image(&[]);
        let away = Server::start(|asked| Reply::redirect(asked.path.trim_start_matches("/?to=")));
        let far = away.url("/?to=");
        let first = steps[0];
        let server = Server::start(move |asked| match (asked.path.as_str(), asked.authorization()) {
            ("/second", Some(BASIC)) => Reply::new(200).body(r#"{"schemaVersion":2}"#),
            ("/second", _) => Reply::new(403),
            (_, None) => Reply::unauthorized(r#"Basic realm="x""#),
            ("/v2/", _) => content.answer(asked),
            _ if first == "away" => {
                Reply::redirect(format!("{far}http://{}/second", asked.header("host").unwrap()))
            }
            _ => Reply::redirect("/second"),
        });
        let error = get(&World::new().logged_in(&server.host()), &server).unwrap_err();
        assert_eq!(matches!(error, RegistryError::Document { .. }), kept, "{error}");
        assert!(with_secrets(&away).is_empty());
    }
}

#[test]
fn redirects_lead_to_sound_places_only() {
    for location in [
        None,
        Some("http://user:secret@localhost:1/"),
        Some("ftp://x.test/"),
        Some("http://169.254.169.254/latest/meta-data"),
        Some("http://[fe80::1]/"),
        Some("http://x.test/\tX"),
        Some("http:///"),
        Some(""),
    ] {
        let server = Server::start(move |asked| match asked.path.as_str() {
            "/v2/" => Reply::new(200),
            _ => location.iter().fold(Reply::new(302), |reply, location| reply.header("Location", location)),
        });
        let error = get(&World::new(), &server).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(
            matches!(error, RegistryError::Target { .. } | RegistryError::Network { .. }),
            "{location:?} {error}"
        );
        assert_eq!(server.asked().len(), 1, "{location:?}");
    }
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v2/" => Reply::new(200),
        _ => Reply::redirect("/v2/app/manifests/latest"),
    });
    let error = get(&World::new(), &server).unwrap_err().to_string();
    assert!(error.contains("more than 10 redirects"), "{error}");
    assert_eq!(server.asked().len(), 11);
}

#[test]
fn tls_is_not_left() {
    let authority = Authority::new();
    let certificate = authority.certificate("IP:127.0.0.1", 2);
    let (content, _) = Content::image(&[]);
    let plain = content.clone().serve();
    let target = plain.url("/v2/app/manifests/latest");
    let server = Server::with_tls(&certificate, move |asked| match asked.path.as_str() {
        "/v2/" => Reply::new(200),
        _ => Reply::redirect(&target),
    });
    let error = get(&World::new().trusting(&authority), &server).unwrap_err().to_string();
    assert!(error.contains("it leads from https to http"), "{error}");
    // 46: nor for a token.
    let target = plain.url("/token");
    let server =
        Server::with_tls(&certificate, move |_| Reply::unauthorized(format!(r#"Bearer realm="{target}""#)));
    let error =
        get(&World::new().trusting(&authority).logged_in(&server.host()), &server).unwrap_err().to_string();
    assert!(error.contains("not to be asked: it leads from https to http"), "{error}");
    assert!(plain.asked().is_empty());
}

#[test]
fn certificates() {
    let authority = Authority::new();
    let (content, _) = Content::image(&[]);
    let server = |name: &str, days: i32| {
        let content = content.clone();
        Server::with_tls(&authority.certificate(name, days), move |asked| content.answer(asked))
    };
    let good = server("IP:127.0.0.1", 2);
    get(&World::new().trusting(&authority), &good).unwrap();
    let unverified = || {
        let mut world = World::new();
        world.options.tls_verify = false;
        world
    };
    let other = Authority::new();
    for (server, world, says) in [
        (&good, World::new().trusting(&other), "trust its CA with SSL_CERT_FILE"),
        (&server("DNS:other.test", 2), World::new().trusting(&authority), "it is for another host"),
        (&server("IP:127.0.0.1", -1), World::new().trusting(&authority), "its time is over"),
    ] {
        let error = get(&world, server).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.kind(), Kind::Environment);
        assert!(world.slept().is_empty());
        get(&unverified(), server).unwrap();
    }
    // The host's own folder.
    let world = World::new();
    let root = std::fs::read(authority.root()).unwrap();
    world.folder.write(&format!("root/etc/docker/certs.d/{}/ca.crt", good.host()), root);
    get(&world, &good).unwrap();
}

#[test]
fn plain_http_needs_leave() {
    // A name that is not loopback's, for a server that does not speak TLS: reached through a proxy that is it.
    let (content, _) = Content::image(&[]);
    let server = content.serve();
    let proxy = support::server::tunnel(server.port(), 200);
    let reference = "x.test:80/app".parse().unwrap();
    let world = World::new().variable("https_proxy", proxy.url("")).variable("http_proxy", proxy.url(""));
    let error = world.client().manifest(&reference, &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Network { .. }), "{error}");
    assert!(server.asked().is_empty());
    let mut world = world;
    world.options.tls_verify = false;
    world.client().manifest(&reference, &Silent).unwrap();
}

#[test]
fn proxies() {
    let authority = Authority::new();
    let (content, _) = Content::image(&[]);
    let server =
        Server::with_tls(&authority.certificate("DNS:x.test", 2), move |asked| content.answer(asked));
    let reference = "x.test/app".parse().unwrap();
    let through = |status: u16, exceptions: &str| {
        let proxy = support::server::tunnel(server.port(), status);
        let url = format!("http://user:secret@{}", proxy.host());
        let world =
            World::new().trusting(&authority).variable("https_proxy", url).variable("no_proxy", exceptions);
        let found = world.client().manifest(&reference, &Silent).map_err(|e| e.to_string());
        (found, proxy.asked())
    };
    let (found, asked) = through(200, "");
    found.unwrap();
    assert_eq!((asked[0].path.as_str(), asked[0].header("proxy-authorization")), ("x.test:443", Some(BASIC)));
    for status in [407, 403] {
        let error = through(status, "").0.unwrap_err();
        assert!(
            error.contains(&status.to_string()) && error.contains("proxy") && !error.contains("secret"),
            "{error}"
        );
    }
    let (found, asked) = through(200, "y.test,.x.test,x.test");
    let error = found.unwrap_err();
    assert!(!error.contains("proxy"), "{error}");
    assert!(asked.is_empty());
}

#[test]
fn servers_words_reach_the_user_without_secrets() {
    let tokens = token_server("t0ken");
    let challenge = bearer(&tokens);
    let server = Server::start(move |asked| {
        match asked.authorization() {
        None => Reply::unauthorized(&challenge),
        Some(said) => Reply::new(403).json(
            json!({ "errors": [{ "code": "DENIED", "message": format!("{said} is no good\r\nat https://x.test/?sig=secret") }] }),
        ),
    }
    });
    let world = World::new();
    let error = get(&world, &server).unwrap_err().to_string();
    assert!(error.contains("… is no good at https://x.test/?… (DENIED)"), "{error}");
    assert!(!error.contains("t0ken") && !error.contains("secret"), "{error}");
    assert_eq!(world.warnings().len(), 0);
    let (content, _) = Content::image(&[]);
    let server =
        Server::start(move |asked| content.answer(asked).header("Warning", r#"299 - "an \"old\" server""#));
    get(&world, &server).unwrap();
    assert_eq!(world.warnings(), [format!("http://{} says: an \"old\" server", server.host())]);
}
