//! Writes pcapng files block by block, in either byte order.

#![allow(dead_code, reason = "no finding needs all of it")]

pub const LITTLE_ENDIAN: bool = false;
pub const BIG_ENDIAN: bool = true;

pub struct File {
    big_endian: bool,
    pub bytes: Vec<u8>,
}

impl File {
    /// A file with a section header.
    pub fn new(big_endian: bool) -> Self {
        let mut file = Self { big_endian, bytes: Vec::new() };
        let mut body = file.u32(0x1a2b_3c4d);
        body.extend(file.u16(1));
        body.extend(file.u16(0));
        body.extend([0xff; 8]); // The length of the section is not told.
        file.block(0x0a0d_0d0a, &body);
        file
    }

    /// An Ethernet interface, with options in the order of the file.
    pub fn interface(&mut self, snap_len: u32, options: &[(u16, &[u8])]) {
        let mut body = self.u16(1);
        body.extend(self.u16(0));
        body.extend(self.u32(snap_len));
        for (code, value) in options {
            body.extend(self.u16(*code));
            body.extend(self.u16(value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body);
    }

    /// A whole packet of the first interface, in an enhanced packet block.
    pub fn packet(&mut self, ticks: u64, data: &[u8]) {
        let words = [0, (ticks >> 32) as u32, ticks as u32, data.len() as u32, data.len() as u32];
        let mut body: Vec<u8> = words.iter().flat_map(|word| self.u32(*word)).collect();
        body.extend(data);
        self.block(6, &body);
    }

    /// A packet in a simple packet block: `data` is what was captured of `original_len` bytes.
    pub fn simple_packet(&mut self, original_len: u32, data: &[u8]) {
        let mut body = self.u32(original_len);
        body.extend(data);
        self.block(3, &body);
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let len = self.u32(padded as u32 + 12);
        let kind = self.u32(kind);
        self.bytes.extend([&kind[..], &len, body, &vec![0; padded - body.len()], &len].concat());
    }

    fn u16(&self, value: u16) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    fn u32(&self, value: u32) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }
}
