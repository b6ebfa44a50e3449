//! Reading compressed layers: of what codec a blob is, and its bytes without it.
//!
//! The codec is told by the blob's first bytes, as containers/image tells it (pkg/compression,
//! `DetectCompression`); media types lie. One level only: gzip in gzip stays gzip. What follows the
//! compressed data, be it zeros, is an error, and so are wrong checksums and a missing end.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::sync::OnceLock;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Crc;

/// Compressed bytes read at a time.
const INPUT: usize = 128 << 10;
/// The largest window of a zstd frame, as a power of two: what `zstd -d` accepts (128 MiB), and so do
/// registries' other clients. Frames of no `--long` or `--ultra` need 8 MiB at most.
const ZSTD_WINDOW: u32 = 27;
/// The most memory for an xz stream, in KiB: `xz -9` needs 65 MiB.
const XZ_MEMORY: u32 = 130 << 10;

/// How many bytes may come out of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// So many whatever the blob's size: layers of zeros are common, and small.
    pub free: u64,
    /// Above that, so many times the blob's size.
    pub ratio: u64,
    /// Never more than this.
    pub most: u64,
}

impl Bounds {
    /// Those of a user who sets none: no layer of an image that people use comes near them.
    pub const USUAL: Bounds = Bounds { free: 1 << 30, ratio: 200, most: 256 << 30 };

    /// Sets those of this process, before anything is decompressed.
    pub fn set(self) {
        // Set once, by the command line; a second time changes nothing.
        let _ = BOUNDS.set(self);
    }

    fn of(self, blob: u64) -> u64 {
        blob.saturating_mul(self.ratio).max(self.free).min(self.most)
    }
}

/// Every reader of compressed blobs has them, however deep it is called.
static BOUNDS: OnceLock<Bounds> = OnceLock::new();

/// How a blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not, as far as its first bytes tell.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
}

/// The longest magic number, xz's.
const LONGEST_MAGIC: usize = 6;

impl Codec {
    /// The codec of a blob that begins with `start`.
    pub fn of(start: &[u8]) -> Codec {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Codec::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Codec::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Codec::Xz,
            [b'B', b'Z', b'h', ..] => Codec::Bzip2,
            _ => Codec::None,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "uncompressed",
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
            Codec::Xz => "xz",
            Codec::Bzip2 => "bzip2",
        }
    }
}

/// Reads a blob without its compression. Errors of kind `InvalidData` and `UnexpectedEof` are the
/// blob's; those of the system pass as they are.
pub struct Decompressor<'b> {
    codec: Codec,
    /// Bytes that may still come out.
    left: u64,
    /// The blob's bytes, and what may come out of them.
    size: u64,
    bound: u64,
    inner: Box<dyn Read + Send + 'b>,
}

impl<'b> Decompressor<'b> {
    /// A reader of `blob`, which is at its beginning and has `size` bytes.
    pub fn new(blob: impl Read + Send + 'b, size: u64) -> io::Result<Decompressor<'b>> {
        Decompressor::with(blob, size, BOUNDS.get().copied().unwrap_or(Bounds::USUAL))
    }

    /// The same with bounds of its own.
    pub fn with(mut blob: impl Read + Send + 'b, size: u64, bounds: Bounds) -> io::Result<Decompressor<'b>> {
        let start = start_of(&mut blob)?;
        let codec = Codec::of(&start);
        let blob = BufReader::with_capacity(INPUT, Cursor::new(start).chain(blob));
        let inner: Box<dyn Read + Send> = match codec {
            Codec::None => Box::new(blob),
            Codec::Gzip => Box::new(Gzip::new(blob)),
            Codec::Zstd => {
                let mut reader = zstd::stream::read::Decoder::with_buffer(blob)?;
                reader.window_log_max(ZSTD_WINDOW)?;
                Box::new(reader)
            }
            Codec::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(blob, true, XZ_MEMORY)),
            Codec::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(blob)),
        };
        let bound = match codec {
            Codec::None => u64::MAX,
            _ => bounds.of(size),
        };
        Ok(Decompressor { codec, left: bound, size, bound, inner })
    }

    /// What the blob is compressed with.
    pub fn codec(&self) -> Codec {
        self.codec
    }
}

impl Read for Decompressor<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let codec = self.codec.name();
        let read = self.inner.read(out).map_err(|error| match error.kind() {
            _ if self.codec == Codec::None || error.raw_os_error().is_some() => error,
            ErrorKind::Interrupted => error,
            ErrorKind::UnexpectedEof => {
                io::Error::new(ErrorKind::UnexpectedEof, format!("{codec}: it ends early"))
            }
            _ => io::Error::new(ErrorKind::InvalidData, format!("{codec}: {error}")),
        })?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let what = format!(
                "{codec}: its {} bytes become more than {}; if that is right, set {RATIO} or {MOST}",
                self.size, self.bound
            );
            io::Error::new(ErrorKind::InvalidData, what)
        })?;
        Ok(read)
    }
}

/// The variable that sets [`Bounds::ratio`].
pub const RATIO: &str = "GANTRY_UNPACK_RATIO";
/// The variable that sets [`Bounds::most`].
pub const MOST: &str = "GANTRY_UNPACK_BYTES";

fn start_of(blob: &mut (impl Read + ?Sized)) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(LONGEST_MAGIC);
    blob.take(LONGEST_MAGIC as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// How many bytes a blob has at least without its compression, if it is sound, by what can be read
/// without decompressing: exact for one gzip member under 4 GiB, one zstd frame that says it, and what is
/// not compressed; 0 where nothing is known. Leaves the blob at its beginning.
pub fn least_size(blob: &mut (impl Read + Seek + ?Sized)) -> io::Result<u64> {
    // The longest header of a zstd frame.
    let mut start = Vec::with_capacity(18);
    blob.seek(SeekFrom::Start(0))?;
    blob.take(18).read_to_end(&mut start)?;
    let size = match Codec::of(&start) {
        Codec::None => blob.seek(SeekFrom::End(0))?,
        // The last member's size, modulo 2^32 (RFC 1952, 2.3.1, "ISIZE").
        Codec::Gzip if blob.seek(SeekFrom::End(0))? > 18 => {
            let mut size = [0; 4];
            blob.seek(SeekFrom::End(-4))?;
            blob.read_exact(&mut size)?;
            u32::from_le_bytes(size).into()
        }
        Codec::Zstd => zstd::zstd_safe::get_frame_content_size(&start).ok().flatten().unwrap_or(0),
        Codec::Gzip | Codec::Xz | Codec::Bzip2 => 0,
    };
    blob.seek(SeekFrom::Start(0))?;
    Ok(size)
}

/// How many bytes a blob probably has without its compression. As [`least_size`], but right for gzip of
/// many members, too (eStargz, and what this program makes), unless other bytes happen to look like one
/// member's end and the next one's beginning: about one image in a thousand of 1 GB.
pub fn likely_size(blob: &mut (impl Read + Seek + ?Sized)) -> io::Result<u64> {
    let last = least_size(blob)?;
    let length = blob.seek(SeekFrom::End(0))?;
    blob.seek(SeekFrom::Start(0))?;
    // Deflate makes nothing much longer: so the last member is not all of it.
    let more = last.saturating_add(last / 1000 + 1024) < length && Codec::of(&start_of(blob)?) == Codec::Gzip;
    let before = if more { sizes_before_headers(blob)? } else { 0 };
    blob.seek(SeekFrom::Start(0))?;
    Ok(before.saturating_add(last))
}

/// The sum of the four bytes that precede everything that looks like a gzip header.
fn sizes_before_headers(blob: &mut (impl Read + ?Sized)) -> io::Result<u64> {
    const SIZE: usize = 4;
    const HEADER: usize = 10;
    let finder = memchr::memmem::Finder::new(&[0x1f, 0x8b, 8]);
    let (mut buffer, mut kept, mut sum) = (vec![0; INPUT], 0, 0);
    loop {
        let count = match blob.read(&mut buffer[kept..]) {
            Ok(0) => return Ok(sum),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..kept + count];
        for at in finder.find_iter(bytes) {
            // The blob's own header has nothing before it; one that is cut comes again, at the beginning.
            if let Some([a, b, c, d, _, _, _, 0..0x20, _, _, _, _, 0 | 2 | 4, 0 | 3 | 255]) =
                at.checked_sub(SIZE).and_then(|size| bytes.get(size..at + HEADER))
            {
                sum += u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
            }
        }
        let end = bytes.len();
        kept = end.min(SIZE + HEADER - 1);
        buffer.copy_within(end - kept..end, 0);
    }
}

/// gzip members one after the other, and nothing else.
struct Gzip<R> {
    input: R,
    inflate: Decompress,
    /// Of the member at hand.
    crc: Crc,
    size: u32,
    inside: bool,
}

impl<R: BufRead> Gzip<R> {
    fn new(input: R) -> Gzip<R> {
        Gzip { input, inflate: Decompress::new(false), crc: Crc::new(), size: 0, inside: false }
    }

    /// Reads a member's header; false at the end of the input.
    fn begin(&mut self) -> io::Result<bool> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let mut crc = Crc::new();
        let fixed: [u8; 10] = self.header(&mut crc)?;
        if Codec::of(&fixed) != Codec::Gzip {
            return Err(corrupt("what follows its end is no gzip"));
        }
        let flags = fixed[3];
        if flags & 0xe0 != 0 {
            return Err(corrupt("its header has reserved flags"));
        }
        if flags & 4 != 0 {
            for _ in 0..u16::from_le_bytes(self.header(&mut crc)?) {
                self.header::<1>(&mut crc)?;
            }
        }
        for text in [8, 16] {
            while flags & text != 0 && self.header(&mut crc)? != [0] {}
        }
        if flags & 2 != 0 {
            let sum = crc.sum() as u16;
            if u16::from_le_bytes(self.header(&mut crc)?) != sum {
                return Err(corrupt("its header has a wrong checksum"));
            }
        }
        self.inflate.reset(false);
        (self.crc, self.size, self.inside) = (Crc::new(), 0, true);
        Ok(true)
    }

    fn header<const N: usize>(&mut self, crc: &mut Crc) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        crc.update(&bytes);
        Ok(bytes)
    }

    /// Reads and compares what follows a member's data.
    fn end(&mut self) -> io::Result<()> {
        self.inside = false;
        let mut trailer = [0; 8];
        self.input.read_exact(&mut trailer)?;
        let expected = [self.crc.sum().to_le_bytes(), self.size.to_le_bytes()].concat();
        match trailer[..] == expected[..] {
            true => Ok(()),
            false => Err(corrupt("wrong checksum or size")),
        }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.inside && !self.begin()? {
                return Ok(0);
            }
            let input = self.input.fill_buf()?;
            let ended = input.is_empty();
            let (read, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(input, out, FlushDecompress::None).map_err(corrupt)?;
            let read = (self.inflate.total_in() - read) as usize;
            let made = (self.inflate.total_out() - made) as usize;
            self.input.consume(read);
            self.crc.update(&out[..made]);
            self.size = self.size.wrapping_add(made as u32);
            if status == Status::StreamEnd {
                self.end()?;
            } else if made == 0 && ended {
                return Err(ErrorKind::UnexpectedEof.into());
            } else if made == 0 && read == 0 {
                return Err(corrupt("cannot be inflated"));
            }
            if made > 0 {
                return Ok(made);
            }
        }
    }
}

fn corrupt(what: impl ToString) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of this many zeros, packed by zstd.
    fn unpacked(zeros: u64, bounds: Bounds) -> io::Result<u64> {
        let blob = zstd::stream::encode_all(io::repeat(0).take(zeros), 3)?;
        io::copy(&mut Decompressor::with(&blob[..], blob.len() as u64, bounds)?, &mut io::sink())
    }

    #[test]
    fn a_bomb_is_an_error_and_zeros_of_ordinary_size_are_none() {
        let bounds = Bounds { free: 1 << 20, ratio: 200, most: 4 << 20 };
        assert_eq!(unpacked(1 << 20, bounds).unwrap(), 1 << 20);
        let error = unpacked((1 << 20) + 1, bounds).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(
            error.to_string().contains("bytes become more than 1048576; if that is right, set"),
            "{error}"
        );
        let any = Bounds { ratio: u64::MAX, ..bounds };
        assert_eq!(unpacked(4 << 20, any).unwrap(), 4 << 20);
        assert!(unpacked((4 << 20) + 1, any).unwrap_err().to_string().contains("more than 4194304;"));
    }
}
