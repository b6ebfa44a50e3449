//! Headers of registries: `WWW-Authenticate`, `Content-Range`, `Retry-After`, `Location`. An input is headers, one a
//! line.

use std::time::Duration;

use gantry::registry::fuzzing::{challenges, is_rest, location, pause};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines: Vec<&str> = text.lines().collect();
    let read = challenges(&lines);
    assert!(read.len() <= 64 && read.iter().all(|(_, parameters)| parameters.len() <= 64));
    // Written again, they are read as the same.
    let written: Vec<String> = read.iter().map(|(scheme, parameters)| shown(scheme, parameters)).collect();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    assert_eq!(challenges(&written), read, "{written:?}");

    for (from, total) in [(0, 1), (10, 100), (0, u64::MAX), (1 << 40, 1 << 41)] {
        if is_rest(&lines, from, total) {
            let header = lines.first().expect("a header");
            assert_eq!(lines.len(), 1);
            assert!(
                header.contains(&from.to_string()) && header.contains(&(total - 1).to_string()),
                "{header}"
            );
        }
        let right = format!("bytes {from}-{}/{total}", total - 1);
        assert!(is_rest(&[&right], from, total));
        assert!(!is_rest(&[&right, &right], from, total));
    }
    for line in lines {
        let asked = pause(line);
        if let Ok(seconds) = line.trim().parse::<u32>().map(u64::from)
            && !line.trim().starts_with('+')
        {
            assert_eq!(asked, Some(Duration::from_secs(seconds)), "{line}");
        }
        if let Some((url, shown)) = location("https://registry.test/v2/a/blobs/b?c=d", line) {
            assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
            let again = location(&url, &url).expect("a URL leads to itself");
            assert_eq!(again, (url.clone(), shown.clone()));
            assert!(matches!(shown.split_once('?'), None | Some((_, "…"))), "{shown} shows the query");
        }
    }
}

fn shown(scheme: &str, parameters: &[(String, String)]) -> String {
    let quoted = |text: &str| text.replace('\\', r"\\").replace('"', r#"\""#);
    let parameters = parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value)));
    format!("{scheme} {}", parameters.collect::<Vec<_>>().join(", "))
}
