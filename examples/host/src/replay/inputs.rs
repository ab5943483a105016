//! The input captures as one sequence of packets.

use std::path::PathBuf;

use anyhow::Result;
use nat_core::Side;

use super::direction::{Addresses, BothSides, Direction};
use super::input::{Input, Packet};
use crate::cli::ReplayOptions;

/// Captures, merged by timestamp.
pub(crate) struct Inputs(Vec<Input>);

impl Inputs {
    pub(crate) fn open(options: &ReplayOptions, addresses: Addresses) -> Result<Self> {
        let one = |side| Direction::One {
            side,
            addresses: addresses.clone(),
        };
        let both = || Direction::Both(BothSides::new(addresses.clone(), options.lan_mac.clone()));
        let given: [(&Option<PathBuf>, Direction); 3] = [
            (&options.lan_in, one(Side::Inside)),
            (&options.wan_in, one(Side::Outside)),
            (&options.capture, both()),
        ];
        let open = |(path, direction): (&Option<PathBuf>, _)| {
            Some(Input::open(path.as_deref()?, direction))
        };
        given
            .into_iter()
            .filter_map(open)
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The capture with the next packet, and that packet: the earliest one, or the LAN's if two have
    /// the same time.
    ///
    /// Only the next packet of each capture is compared, so packets of one capture keep their order
    /// even if its timestamps step back.
    pub(crate) fn next(&mut self) -> Option<(&mut Input, Packet)> {
        let packets = self
            .0
            .iter_mut()
            .filter_map(|input| input.packet().map(|packet| (input, packet)));
        // Of several with the earliest time, the first in the order of the options.
        packets.min_by_key(|(_, packet)| packet.time)
    }

    /// The counts of the captures, one a line, and the first error.
    pub(crate) fn finish(self) -> (String, Result<()>) {
        let (lines, results): (Vec<_>, Vec<_>) = self.0.into_iter().map(Input::finish).unzip();
        (lines.join("\n"), results.into_iter().collect())
    }
}
