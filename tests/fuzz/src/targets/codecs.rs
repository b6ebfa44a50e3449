//! Decompression: gzip, Zstandard, xz, bzip2, or nothing.

use std::io::{Cursor, Read};

use gantry::layer::decompress::{Codec, Decompressor, least_size, likely_size};

/// Bytes that are looked at.
const MOST: u64 = 4 << 20;

pub fn run(data: &[u8]) {
    let whole = read(data);
    // In and out in pieces.
    let mut pieces: Vec<u8> = Vec::new();
    let read_in_pieces =
        Decompressor::new(Pieces { rest: data, turn: 0 }, data.len() as u64).and_then(|reader| {
            let mut reader = reader.take(MOST);
            let mut buffer = [0; 97];
            loop {
                match reader.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => pieces.extend(&buffer[..count]),
                }
            }
        });
    let least = least_size(&mut Cursor::new(data)).expect("reads from memory");
    likely_size(&mut Cursor::new(data)).expect("reads from memory");
    match (&whole, &read_in_pieces) {
        (Ok(bytes), Ok(())) => assert!(*bytes == pieces, "the reader does not agree with itself"),
        (Err(_), Err(_)) => return,
        _ => panic!("the reader does not agree with itself: {whole:?}, in pieces {read_in_pieces:?}"),
    }
    let Ok(bytes) = whole else { return };
    if bytes.len() as u64 == MOST {
        return;
    }
    // libzstd compares the size that a frame says with its content, but not if its last block is empty.
    let is_checked = Codec::of(data) != Codec::Zstd;
    let size = bytes.len() as u64;
    assert!(least <= size || !is_checked, "at least {least} bytes were promised, and there are {size}");
    match Codec::of(data) {
        Codec::None => assert!(bytes == data),
        Codec::Gzip => {
            let mut other = Vec::new();
            let read = flate2::read::MultiGzDecoder::new(data).read_to_end(&mut other);
            assert!(read.is_ok() && other == bytes, "flate2 reads something else: {read:?}");
        }
        _ => {}
    }
}

fn read(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Decompressor::new(data, data.len() as u64)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes, of which each call gives few.
struct Pieces<'d> {
    rest: &'d [u8],
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        const LENGTHS: [usize; 6] = [1, 2, 5, 1, 64, 3];
        self.turn += 1;
        let count = LENGTHS[self.turn % LENGTHS.len()].min(buffer.len()).min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        Ok(count)
    }
}
