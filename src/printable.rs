//! Text from outside (names in images, registries' answers, paths), made safe to show in one line.
//!
//! A terminal obeys control characters: a name in an image could clear the screen, or add a line that looks like
//! Gantry's own. Format characters reorder or hide what a person reads (Unicode TR36, section 2.10). Both are shown
//! as escapes. JSON output is not changed: its readers are programs, and JSON has escapes of its own.

use std::borrow::Cow;
use std::io::Write;

/// `text` with every character escaped that a terminal would obey or that would hide or reorder others.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_unsafe(c) {
            true => safe.extend(c.escape_default()),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Characters of a word that a message shows: more than any file name and most paths have.
const LONGEST_WORD: usize = 512;

/// Characters of a message.
const LONGEST_MESSAGE: usize = 8192;

/// `text` with the middles of long words left out, and its own if it is long altogether: a name in an image may have
/// thousands of components, and would hide the message that it is part of.
fn bounded(text: &str) -> String {
    let words: String = text.split_inclusive(' ').map(|word| without_middle(word, LONGEST_WORD)).collect();
    without_middle(&words, LONGEST_MESSAGE).into_owned()
}

fn without_middle(text: &str, longest: usize) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= longest {
        return Cow::Borrowed(text);
    }
    let first: String = text.chars().take(longest / 2).collect();
    let last: String = text.chars().skip(count - longest / 2).collect();
    Cow::Owned(format!("{first}…[{} characters]…{last}", count - longest / 2 * 2))
}

/// Writes a line to standard error, of bounded length. A standard error that is closed or full is not a reason to stop
/// work that succeeds otherwise, so the line is then lost.
pub fn to_stderr(kind: &str, text: &str) {
    // In one piece: lines of other processes may come between pieces.
    let line = format!("{kind}: {}\n", bounded(&printable(text)));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// C0, C1 and DEL; characters without a width; those that set the direction of text; tags.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in ["", "registry.example/app:1.0", "Grüße, 日本語 🚢", "a\\b"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn long_names_are_cut_in_the_middle() {
        let short = format!("layer 1: \"{}\": too long", "a/".repeat(250));
        assert_eq!(bounded(&short), short);
        let cut = bounded(&format!("layer 1: \"first/{}last\": too long", "é/".repeat(2000)));
        assert!(cut.starts_with("layer 1: \"first/é/é/") && cut.ends_with("é/é/last\": too long"), "{cut}");
        assert!(cut.contains("…[3502 characters]…"), "{cut}");
        assert_eq!(
            bounded(&"a ".repeat(20_000)).chars().count(),
            LONGEST_MESSAGE + "…[31808 characters]…".chars().count()
        );
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(printable("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("a\r\nmanifest  sha256:0"), "a\\r\\nmanifest  sha256:0");
        assert_eq!(printable("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(printable("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(printable("a\u{200b}b\u{e0041}"), "a\\u{200b}b\\u{e0041}");
    }
}
