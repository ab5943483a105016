//! A model of the chip, after its datasheet: accesses, registers, both buffers, the latched
//! interrupts, and the wire. It notes what a driver must not do.

use core::task::Waker;
use std::collections::VecDeque;

pub const BUFFER: usize = 16 * 1024;

/// One byte at 31.25 MHz, in nanoseconds.
pub const BYTE: u64 = 256;

const RECEIVED: u8 = 1 << 2;
const SENT: u8 = 1 << 4;

/// One access as a logic analyser would show it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Access {
    pub block: u8,
    pub offset: u16,
    pub write: bool,
    /// The header included.
    pub bytes: u64,
}

/// A frame on its way to the wire.
struct Sending {
    done_at: u64,
    frame: Vec<u8>,
}

pub struct Chip {
    pub now: u64,
    /// Whether there is a chip at all.
    pub present: bool,
    pub link: bool,
    pub megabits: u64,
    /// It takes SEND and never sends.
    pub mute: bool,
    /// The pin is low, whatever the registers say.
    pub int_stuck: bool,
    /// It loses what is written to its common registers.
    pub deaf: bool,
    /// It takes no command but keeps it in the register.
    pub keeps_commands: bool,
    /// What has left by the wire.
    pub sent: Vec<Vec<u8>>,
    /// What the driver must not do, and did.
    pub mistakes: Vec<String>,
    pub accesses: Vec<Access>,
    /// Frames that the chip had no room for.
    pub overruns: u64,
    pub hardware_resets: u64,
    pub int_waker: Option<Waker>,
    /// How often the pin went from high to low.
    pub int_falls: u64,
    int_was_low: bool,
    arrivals: VecDeque<(u64, Vec<u8>)>,
    common: [u8; 64],
    socket: [u8; 48],
    other_buffers: [[u8; 2]; 7],
    rx: Vec<u8>,
    rx_write: u16,
    rx_read: u16,
    tx: Vec<u8>,
    tx_read: u16,
    sending: Option<Sending>,
    in_reset: bool,
    access: Option<Vec<u8>>,
    transferred: u64,
}

impl Chip {
    pub fn new() -> Self {
        let mut chip = Self {
            now: 0,
            present: true,
            link: true,
            megabits: 100,
            mute: false,
            int_stuck: false,
            deaf: false,
            keeps_commands: false,
            sent: Vec::new(),
            mistakes: Vec::new(),
            accesses: Vec::new(),
            overruns: 0,
            hardware_resets: 0,
            int_waker: None,
            int_falls: 0,
            int_was_low: false,
            arrivals: VecDeque::new(),
            common: [0; 64],
            socket: [0; 48],
            other_buffers: [[2; 2]; 7],
            rx: vec![0; BUFFER],
            rx_write: 0,
            rx_read: 0,
            tx: vec![0; BUFFER],
            tx_read: 0,
            sending: None,
            in_reset: false,
            access: None,
            transferred: 0,
        };
        chip.reset();
        chip
    }

    /// As after power-up.
    pub fn reset(&mut self) {
        (self.common, self.socket) = ([0; 64], [0; 48]);
        self.common[0x39] = 4;
        self.socket[0x1e..0x20].fill(2);
        self.socket[0x2c] = 0xff;
        self.other_buffers = [[2; 2]; 7];
        self.sending = None;
        (self.rx_read, self.rx_write, self.tx_read) = (0, 0, 0);
        self.show_interrupt();
    }

    pub fn set_reset_pin(&mut self, low: bool) {
        if low && !self.in_reset {
            self.hardware_resets += 1;
            self.mute = false;
            self.int_stuck = false;
            self.keeps_commands = false;
            self.reset();
        }
        self.in_reset = low;
    }

    /// Has the wire bring `frame` at `at`.
    pub fn arrive_at(&mut self, at: u64, frame: Vec<u8>) {
        let place = self.arrivals.partition_point(|(other, _)| *other <= at);
        self.arrivals.insert(place, (at, frame));
    }

    /// Puts `bytes` into the receive buffer as they are, as an arrival would.
    pub fn receive_raw(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.rx[usize::from(self.rx_write) % BUFFER] = *byte;
            self.rx_write = self.rx_write.wrapping_add(1);
        }
        self.socket[2] |= RECEIVED;
        self.show_interrupt();
    }

    /// The same, for a frame behind its length word.
    pub fn receive(&mut self, frame: &[u8]) {
        let length = u16::try_from(frame.len() + 2).unwrap();
        if usize::from(self.rx_size()) + usize::from(length) > BUFFER {
            self.overruns += 1;
        } else {
            self.receive_raw(&[&length.to_be_bytes(), frame].concat());
        }
    }

    pub fn set_rx_write(&mut self, at: u16) {
        self.rx_write = at;
    }

    pub fn clear_interrupts(&mut self) {
        self.socket[2] = 0;
    }

    pub fn close_socket(&mut self) {
        self.socket[3] = 0;
    }

    pub fn set_version(&mut self, version: u8) {
        self.common[0x39] = version;
    }

    pub fn rx_size(&self) -> u16 {
        self.rx_write.wrapping_sub(self.rx_read)
    }

    /// The block of the access that is under way.
    pub fn block(&self) -> Option<u8> {
        self.access
            .as_ref()
            .and_then(|header| header.get(2))
            .map(|control| control >> 3)
    }

    pub fn interrupt_mask(&self) -> u8 {
        self.socket[0x2c]
    }

    /// What a socket does when it is opened again: its pointers start from zero.
    pub fn rewind(&mut self) {
        (self.rx_read, self.rx_write, self.tx_read) = (0, 0, 0);
        self.socket[0x20..0x2c].fill(0);
    }

    pub fn mode(&self) -> u8 {
        self.socket[0]
    }

    pub fn mac(&self) -> &[u8] {
        &self.common[9..15]
    }

    pub fn int_is_low(&self) -> bool {
        self.int_stuck
            || (self.socket[2] & self.socket[0x2c] != 0
                && self.common[0x18] & 1 != 0
                && !self.in_reset)
    }

    /// When something happens next by itself.
    pub fn next_event(&self) -> Option<u64> {
        let sending = self
            .sending
            .iter()
            .filter(|_| !self.mute)
            .map(|sending| sending.done_at);
        sending
            .chain(self.arrivals.front().map(|(at, _)| *at))
            .min()
    }

    /// Lets the time pass until `to`.
    pub fn advance(&mut self, to: u64) {
        self.now = self.now.max(to);
        while self.arrivals.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, frame) = self.arrivals.pop_front().unwrap();
            if self.link && self.present && self.socket[3] == 0x42 && self.is_let_in(&frame) {
                self.receive(&frame);
            }
        }
        if !self.mute
            && self
                .sending
                .as_ref()
                .is_some_and(|sending| sending.done_at <= self.now)
        {
            self.sent.push(self.sending.take().unwrap().frame);
            self.tx_read = self.register(0x24);
            self.socket[2] |= SENT;
            self.show_interrupt();
        }
    }

    /// What the filter says (datasheet 1.1.0, table of Sn_MR).
    fn is_let_in(&self, frame: &[u8]) -> bool {
        if self.mode() & 0x80 == 0 {
            return true;
        }
        let destination = frame.get(..6).unwrap_or(&[]);
        let ipv6 = frame.get(12..14) == Some(&[0x86, 0xdd]) && self.mode() & 0x10 != 0;
        let broadcast = destination == [0xff; 6];
        let multicast = destination.first().is_some_and(|first| first & 1 != 0) && !broadcast;
        !ipv6 && (broadcast || destination == self.mac() || (multicast && self.mode() & 0x20 == 0))
    }

    pub fn select(&mut self, low: bool) {
        if low {
            if self.access.replace(Vec::new()).is_some() {
                self.mistakes.push("selected twice".into());
            }
            self.transferred = 0;
        } else if let Some(header) = self.access.take()
            && let [high, low, control] = header[..]
        {
            let offset = u16::from_be_bytes([high, low]);
            let write = control & 4 != 0;
            self.accesses.push(Access {
                block: control >> 3,
                offset,
                write,
                bytes: self.transferred,
            });
        }
    }

    /// One byte each way, in the time that it takes if it is `timed`.
    pub fn transfer(&mut self, byte: u8, timed: bool) -> u8 {
        if timed {
            self.advance(self.now + BYTE);
        }
        self.transferred += 1;
        let Some(header) = &mut self.access else {
            self.mistakes.push("a byte for no block".into());
            return 0xff;
        };
        if header.len() < 3 {
            header.push(byte);
            return 0;
        }
        let (block, write) = (header[2] >> 3, header[2] & 4 != 0);
        let offset =
            u16::from_be_bytes([header[0], header[1]]).wrapping_add((self.transferred - 4) as u16);
        if !self.present || self.in_reset {
            return 0xff;
        }
        if write {
            self.write(block, offset, byte);
            0
        } else {
            self.read(block, offset)
        }
    }

    fn read(&mut self, block: u8, offset: u16) -> u8 {
        let place = usize::from(offset);
        match (block, offset) {
            (0, 0x2e) => 0xb8 | (u8::from(self.link) * 7),
            (0, _) => self.common[place],
            (1, 0x20..=0x23) => word(self.tx_read, offset),
            (1, 0x26..=0x27) => word(self.rx_size(), offset),
            (1, 0x2a..=0x2b) => word(self.rx_write, offset),
            (1, _) => self.socket[place],
            (3, _) => {
                if offset.wrapping_sub(self.rx_read) >= self.rx_size() {
                    self.mistakes.push("read of what has not arrived".into());
                }
                self.rx[place % BUFFER]
            }
            _ => 0,
        }
    }

    fn write(&mut self, block: u8, offset: u16, byte: u8) {
        let place = usize::from(offset);
        match (block, offset) {
            (0, _) if self.deaf => {}
            (0, _) => self.common[place] = byte,
            (1, 0x01) if self.keeps_commands => self.socket[1] = byte,
            (1, 0x01) => self.command(byte),
            (1, 0x02) => self.socket[2] &= !byte,
            (1, 0x03 | 0x20..=0x23 | 0x26..=0x27 | 0x2a..=0x2b) => {
                self.mistakes.push(format!("write to {offset:#x}"));
            }
            (1, _) => self.socket[place] = byte,
            (2, _) => {
                if self.sending.is_some() && offset.wrapping_sub(self.tx_read) < self.tx_used() {
                    self.mistakes.push("overwrote what is being sent".into());
                }
                self.tx[place % BUFFER] = byte;
            }
            (_, 0x1e | 0x1f) if block % 4 == 1 => {
                self.other_buffers[usize::from(block / 4) - 1][place - 0x1e] = byte;
            }
            _ => self.mistakes.push(format!("write to block {block}")),
        }
        self.show_interrupt();
    }

    fn command(&mut self, command: u8) {
        match command {
            0x01 => self.open(),
            0x20 => self.send(),
            0x40 => {
                let read = self.register(0x28);
                if read.wrapping_sub(self.rx_read) > self.rx_size() {
                    self.mistakes.push("gave back what has not arrived".into());
                }
                self.rx_read = read;
            }
            _ => self.mistakes.push(format!("command {command:#x}")),
        }
    }

    fn open(&mut self) {
        for buffer in 0..2 {
            let others: u32 = self
                .other_buffers
                .iter()
                .map(|sizes| u32::from(sizes[buffer]))
                .sum();
            if u32::from(self.socket[0x1e + buffer]) + others != 16 {
                self.mistakes.push("the buffers are not 16 KiB".into());
            }
        }
        if self.socket[0] & 0xf == 4 {
            self.socket[3] = 0x42;
        }
        self.rewind();
    }

    fn send(&mut self) {
        let length = self.tx_used();
        if self.sending.is_some() {
            self.mistakes.push("SEND during SEND".into());
        }
        if !(14..=1514).contains(&length) {
            self.mistakes.push(format!("SEND of {length} bytes"));
        }
        let place = |at: u16| usize::from(self.tx_read.wrapping_add(at)) % BUFFER;
        let frame: Vec<u8> = (0..length).map(|at| self.tx[place(at)]).collect();
        // Preamble, padding, checksum and gap.
        let bits = (8 + frame.len().max(60) as u64 + 4 + 12) * 8;
        self.sending = Some(Sending {
            done_at: self.now + bits * 1000 / self.megabits,
            frame,
        });
    }

    fn tx_used(&self) -> u16 {
        self.register(0x24).wrapping_sub(self.tx_read)
    }

    fn register(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.socket[at], self.socket[at + 1]])
    }

    pub fn show_interrupt(&mut self) {
        let low = self.int_is_low();
        if low && let Some(waker) = self.int_waker.take() {
            waker.wake();
        }
        self.int_falls += u64::from(low && !self.int_was_low);
        self.int_was_low = low;
    }
}

/// The byte of `value` at a register's `offset`.
fn word(value: u16, offset: u16) -> u8 {
    value.to_be_bytes()[usize::from(offset % 2)]
}
