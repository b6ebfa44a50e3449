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

/// Writes a line to standard error. A standard error that is closed or full is not a reason to stop work that
/// succeeds otherwise, so the line is then lost.
pub fn to_stderr(kind: &str, text: &str) {
    let _ = writeln!(std::io::stderr(), "{kind}: {}", printable(text));
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
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(printable("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("a\r\nmanifest  sha256:0"), "a\\r\\nmanifest  sha256:0");
        assert_eq!(printable("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(printable("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(printable("a\u{200b}b\u{e0041}"), "a\\u{200b}b\\u{e0041}");
    }
}
