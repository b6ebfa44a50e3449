//! JSON as Go's encoding/json passes it through: what is valid, the raw values of an object's keys, and
//! their compact form. All on bytes, as invalid UTF-8, the spelling of numbers, escapes and duplicate keys
//! must come out as they went in. Nothing here recurses.

use std::borrow::Cow;

/// How deep arrays and objects may nest (encoding/json, scanner.go, `maxNestingDepth`).
const DEEPEST: usize = 10_000;

/// Why a text is not the JSON that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: expected {expected}")]
pub struct Malformed {
    /// Where, from the beginning of the text.
    pub at: usize,
    /// What should be there.
    pub expected: &'static str,
}

/// A member of an object: the key unescaped, the value raw.
pub(super) type Member<'t> = (Cow<'t, [u8]>, &'t [u8]);

/// The members of the object that `text` is, in their order.
pub(super) fn object(text: &[u8]) -> Result<Vec<Member<'_>>, Malformed> {
    let mut scanner = Scanner { text, at: 0 };
    let mut members = Vec::new();
    scanner.space();
    scanner.one(b'{', "an object")?;
    scanner.space();
    if !scanner.take(b'}') {
        loop {
            let key = scanner.key()?;
            members.push((unescaped(key), scanner.value(1)?));
            if scanner.take(b'}') {
                break;
            }
            scanner.one(b',', "a comma or the object's end")?;
        }
    }
    scanner.end().map(|()| members)
}

/// The raw elements of the array that `text` is.
pub(super) fn array(text: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut scanner = Scanner { text, at: 0 };
    let mut elements = Vec::new();
    scanner.space();
    scanner.one(b'[', "an array")?;
    scanner.space();
    if !scanner.take(b']') {
        loop {
            elements.push(scanner.value(1)?);
            if scanner.take(b']') {
                break;
            }
            scanner.one(b',', "a comma or the array's end")?;
        }
    }
    scanner.end().map(|()| elements)
}

/// What the string that `text` is says.
pub(super) fn string(text: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    let raw = scanner.string()?;
    scanner.space();
    scanner.end().map(|()| unescaped(raw))
}

/// Appends the valid `text` to `out` as encoding/json's `compact` with HTML escapes writes it: without
/// space outside strings; `<`, `>`, `&`, U+2028 and U+2029 escaped; all else as it is.
pub(super) fn compact(text: &[u8], out: &mut Vec<u8>) {
    let mut inside = false;
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b' ' | b'\t' | b'\r' | b'\n', _) if !inside => {}
            (b'<' | b'>' | b'&', _) => out.extend(format!("\\u{byte:04x}").bytes()),
            (0xe2, [0x80, last @ (0xa8 | 0xa9), ..]) => {
                out.extend(if *last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                rest = &tail[2..];
            }
            (b'\\', [escaped, ..]) => {
                out.extend([byte, *escaped]);
                rest = &tail[1..];
            }
            (b'"', _) => {
                inside = !inside;
                out.push(byte);
            }
            _ => out.push(byte),
        }
    }
}

struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Scanner<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn wrong<T>(&self, expected: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, expected })
    }

    fn one(&mut self, byte: u8, expected: &'static str) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { self.wrong(expected) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.peek().is_none() { Ok(()) } else { self.wrong("the document's end") }
    }

    /// A key and its colon; the key without quotes, as it is written.
    fn key(&mut self) -> Result<&'t [u8], Malformed> {
        self.space();
        let key = self.string()?;
        self.space();
        self.one(b':', "a colon")?;
        Ok(key)
    }

    /// A value inside of `depth` others, raw, and the space around it.
    fn value(&mut self, depth: usize) -> Result<&'t [u8], Malformed> {
        self.space();
        let start = self.at;
        // The ends of the arrays and objects that are open.
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.space();
            match self.peek() {
                Some(byte @ (b'{' | b'[')) => {
                    if open.len() + depth >= DEEPEST {
                        return self.wrong("no more than 10000 levels of arrays and objects");
                    }
                    let end = byte + 2; // ASCII has both pairs two apart
                    self.at += 1;
                    self.space();
                    if !self.take(end) {
                        open.push(end);
                        if end == b'}' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => drop(self.string()?),
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return self.wrong("a value"),
            }
            // A value has ended: so may those around it.
            loop {
                let stop = self.at;
                self.space();
                let Some(&end) = open.last() else { return Ok(&self.text[start..stop]) };
                if self.take(end) {
                    open.pop();
                    continue;
                }
                self.one(b',', "a comma or an end")?;
                if end == b'}' {
                    self.key()?;
                }
                break;
            }
        }
    }

    /// A string; what is between its quotes, as it is written.
    fn string(&mut self) -> Result<&'t [u8], Malformed> {
        self.one(b'"', "a string")?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at - 1]);
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            for _ in 0..4 {
                                self.at += 1;
                                if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                                    return self.wrong("four hexadecimal digits");
                                }
                            }
                            self.at += 1;
                        }
                        _ => return self.wrong("an escape"),
                    }
                }
                Some(0x20..) => self.at += 1,
                _ => return self.wrong("a string's end"),
            }
        }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { self.wrong("a digit") }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Malformed> {
        match self.text[self.at..].starts_with(word) {
            true => self.at += word.len(),
            false => return self.wrong("true, false or null"),
        }
        Ok(())
    }
}

/// What a string says, by what is between its quotes. Halves of surrogate pairs become U+FFFD, whole
/// pairs two of them: no key and no digest has any.
fn unescaped(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'\\', [b'u', a, b, c, d, after @ ..]) => {
                let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0);
                let code = [a, b, c, d].into_iter().fold(0, |code, hex| code << 4 | digit(hex));
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend(c.encode_utf8(&mut [0; 4]).bytes());
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                out.push(match escaped {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    itself => *itself,
                });
                rest = after;
            }
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
