//! Port blocks: a fixed range of external ports for each inside host.

use super::{Config, ConfigError, PortRange, check};

impl Config {
    /// The ports of the block with this number; `None` if there are no blocks, or if the block
    /// would not lie within the range of ports.
    pub(crate) fn block(&self, number: u32) -> Option<PortRange> {
        let size = u32::from(self.port_blocks?);
        // Block n begins n blocks after the first port.
        let first = number
            .checked_mul(size)?
            .checked_add(u32::from(self.ports.first))?;
        let last = first.checked_add(size)?.checked_sub(1)?;
        let block = PortRange::new(u16::try_from(first).ok()?, u16::try_from(last).ok()?)?;
        self.ports.contains(block.last).then_some(block)
    }

    pub(super) fn check_blocks(&self) -> Result<(), ConfigError> {
        let Some(size) = self.port_blocks else {
            return Ok(());
        };
        check("port_blocks", size != 0, "a block needs at least one port")?;
        check(
            "port_blocks",
            self.block(0).is_some(),
            "a block is larger than `ports`",
        )?;
        check(
            "port_blocks",
            self.dmz_host.is_none(),
            "blocks cannot be combined with a DMZ host",
        )
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use crate::Cidr;

    use super::*;

    /// G14: blocks follow each other from the first port of the range, and none goes beyond the
    /// last.
    #[test]
    fn blocks_lie_side_by_side_within_the_range() {
        let mut config =
            Config::new(Cidr::new(Ipv4Addr::new(192, 168, 1, 1), 24).expect("a prefix length"));
        assert_eq!(config.block(0), None);
        for (first, last) in [
            (1024, 65_535),
            (1, 65_535),
            (65_535, 65_535),
            (30_000, 30_099),
        ] {
            config.ports = PortRange::new(first, last).expect("a range");
            let count = u32::from(last) - u32::from(first) + 1;
            for size in [1, 7, 64, 100, 2048, 65_535] {
                config.port_blocks = Some(size);
                let size = u32::from(size);
                let mut next = u32::from(first);
                for number in 0..count / size {
                    let block = config.block(number).expect("a block within the range");
                    assert_eq!(
                        (u32::from(block.first), u32::from(block.last)),
                        (next, next + size - 1)
                    );
                    next += size;
                }
                for number in [count / size, count, u32::MAX / size, u32::MAX] {
                    assert_eq!(config.block(number), None);
                }
            }
        }
    }
}
