//! What a USB host does to the LAN of `nat-usb-lan`: the whole path from its packets to the frames
//! that a router gets, and back, over a device controller that the input plays.
//!
//! - Nothing panics, whatever the transfers are: cut, too long, without an end, or full of lies.
//! - A block has the frames that an [independent reading](specification) of NCM 1.0 finds in it, at
//!   the same places and in the same order, or none if that refuses it. The router overwrites each
//!   frame that it has got, which changes no other place.
//! - The counters say the same: blocks, frames, bytes, and what was refused or left out.
//! - A reset of the bus discards a block that is under way, and nothing else.
//! - What the device sends are blocks without a fault, with every frame in the order in which the
//!   router sent it, numbered from 0 on in each session, and each with an end that the host sees.
//! - At the end, a sound block is taken as if nothing had been.
//!
//! An input is either one transfer of any bytes, or steps read by `arbitrary`: see [`Input`].
//!
//! Undetected: what depends on time, such as notifications that a host does not take, and hosts
//! that do not empty their endpoints.

mod block;
mod controller;
mod expected;
mod lan;
pub mod specification;

use arbitrary::{Arbitrary, Unstructured};
use nat_usb_lan::State;

use block::Block;
use lan::Lan;

/// The memory of the LAN: blocks from the host and to the host.
type Memory = State<4, 4>;

/// The first byte of an input is even for [`Input::Transfer`], and odd for [`Input::Steps`].
#[derive(Debug)]
enum Input {
    /// The rest of the bytes are one transfer.
    Transfer(Vec<u8>),
    Steps(Vec<Step>),
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// Any bytes, in packets. If they end with a full packet, and are not `ended`, the block goes
    /// on with the next step.
    Bytes { bytes: Vec<u8>, ended: bool },
    /// A block as hosts build it, with faults.
    Block { block: Block, ended: bool },
    /// The router sends a frame of this length.
    ToHost { len: u16 },
    /// The host resets the bus, and selects the interface again.
    Reset,
    /// The host sleeps, and wakes up.
    Sleep,
}

impl Input {
    fn read(data: &[u8]) -> Option<Self> {
        let (&first, rest) = data.split_first()?;
        if first & 1 == 0 {
            return Some(Self::Transfer(rest.to_vec()));
        }
        let steps = Vec::arbitrary_take_rest(Unstructured::new(rest)).ok()?;
        Some(Self::Steps(steps))
    }
}

/// Carries out what `data` says, and returns what became of each step.
pub fn run(data: &[u8]) -> Vec<String> {
    let Some(input) = Input::read(data) else {
        return Vec::new();
    };
    crate::show(&input);
    crate::memory::lend(Box::new(Memory::new()), |state| {
        let mut lan = Lan::new(state);
        let words = match input {
            Input::Transfer(bytes) => vec![lan.transfer(&bytes, true)],
            Input::Steps(steps) => steps.iter().map(|step| perform(step, &mut lan)).collect(),
        };
        lan.check_afterwards();
        words
    })
}

fn perform(step: &Step, lan: &mut Lan) -> String {
    match step {
        Step::Bytes { bytes, ended } => lan.transfer(bytes, *ended),
        Step::Block { block, ended } => lan.transfer(&block.build(), *ended),
        Step::ToHost { len } => lan.send((*len).into()),
        Step::Reset => lan.reset(),
        Step::Sleep => lan.sleep(),
    }
}
