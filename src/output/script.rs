//! The executable that an image of `format = "stream"` is: a line that has the kernel start gantry on the
//! file itself (execve(2), "Interpreter scripts"), a line that has a shell do the same, because dockerTools' streams are
//! shell scripts and are started as `bash FILE`, and the recipe in a third line.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{OutputError, Place, WholeFile};

/// The longest first line that Linux reads, its newline not counted.
const LONGEST: usize = 255;

/// Writes the executable `path`, which must not exist: `gantry` is what makes archives of `recipe`, a line.
pub fn write_script(path: &Path, place: Place, gantry: &Path, recipe: &[u8]) -> Result<(), OutputError> {
    let line = first_line(gantry)?;
    let whole = WholeFile::create(path, place)?;
    let bytes = [&line[..], &line_for_shells(gantry), recipe, b"\n"].concat();
    whole.write_all(&bytes)?;
    whole.finish_executable()
}

/// The recipe in the executable `bytes`; none if it is no such executable.
pub fn recipe_of_script(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.strip_prefix(b"#!")?.iter().position(|&byte| byte == b'\n')?;
    let (line, rest) = bytes[2..].split_at(end);
    if !line.ends_with(b" stream") {
        return None;
    }
    // The first version wrote no line for shells.
    let rest = &rest[1..];
    match rest.strip_prefix(EXEC) {
        Some(rest) => rest.iter().position(|&byte| byte == b'\n').map(|end| &rest[end + 1..]),
        None => Some(rest),
    }
}

/// What the line for shells begins with; a recipe begins with a brace.
const EXEC: &[u8] = b"exec ";

/// A POSIX shell becomes gantry before it reads the recipe.
fn line_for_shells(gantry: &Path) -> Vec<u8> {
    let quoted =
        gantry.as_os_str().as_bytes().split(|&byte| byte == b'\'').collect::<Vec<_>>().join(&b"'\\''"[..]);
    [EXEC, b"'", &quoted, b"' stream \"$0\" \"$@\"\n"].concat()
}

fn first_line(gantry: &Path) -> Result<Vec<u8>, OutputError> {
    let wrong = |why| OutputError::Interpreter { interpreter: gantry.into(), why };
    let path = gantry.as_os_str().as_bytes();
    if path.iter().any(u8::is_ascii_whitespace) {
        return Err(wrong("an executable cannot begin with a path that has spaces (execve(2))"));
    }
    let line = [b"#!", path, b" stream"].concat();
    match line.len() > LONGEST {
        true => Err(wrong("an executable cannot begin with more than 255 bytes (execve(2))")),
        false => Ok([&line[..], b"\n"].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_one_that_linux_reads() {
        assert_eq!(first_line(Path::new("/bin/gantry")).unwrap(), b"#!/bin/gantry stream\n");
        let long = |length: usize| format!("/{}", "x".repeat(length - 1));
        // "#!", a space, "stream".
        assert_eq!(first_line(Path::new(&long(246))).unwrap().len(), LONGEST + 1);
        assert!(first_line(Path::new(&long(247))).unwrap_err().to_string().contains("more than 255 bytes"));
        assert!(first_line(Path::new("/a b")).is_err());
    }

    #[test]
    fn a_recipe_is_what_follows() {
        assert_eq!(recipe_of_script(b"#!/bin/gantry stream\n{}\n"), Some(&b"{}\n"[..]));
        let now = b"#!/bin/gantry stream\nexec '/bin/gantry' stream \"$0\" \"$@\"\n{}\n";
        assert_eq!(recipe_of_script(now), Some(&b"{}\n"[..]));
        for other in
            [&b""[..], b"{}", b"#!/bin/sh\n", b"#!/bin/gantry stream", b"#!/bin/gantry stream\nexec x"]
        {
            assert_eq!(recipe_of_script(other), None);
        }
    }
}
