//! Blocks of bytes, packed and unpacked again.

use std::io;

/// Packs blocks; kept from one file to the next.
pub(crate) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub(crate) fn new(level: i32) -> io::Result<Self> {
        zstd::bulk::Compressor::new(level).map(Self)
    }

    /// The bytes, packed if that makes them fewer.
    pub(crate) fn pack(&mut self, plain: Vec<u8>) -> Vec<u8> {
        // What cannot be packed, for want of memory, is as good unpacked.
        self.0.compress(&plain).ok().filter(|packed| packed.len() < plain.len()).unwrap_or(plain)
    }
}

/// Unpacks blocks; kept from one file to the next.
pub(crate) struct Unpacker(zstd::bulk::Decompressor<'static>);

impl Unpacker {
    pub(crate) fn new() -> io::Result<Self> {
        zstd::bulk::Decompressor::new().map(Self)
    }

    /// Bytes of which there were so many; none when they cannot be that.
    pub(crate) fn unpack(&mut self, packed: Vec<u8>, plain: usize) -> Option<Vec<u8>> {
        if packed.len() == plain {
            return Some(packed);
        }
        self.0.decompress(&packed, plain).ok().filter(|bytes| bytes.len() == plain)
    }
}
