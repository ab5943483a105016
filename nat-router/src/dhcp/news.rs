//! What the log tells of the server.

use core::net::Ipv4Addr;

use super::leases::{IN_USE_SECONDS, Mac};
use crate::log::{info, warning};
use crate::pace::Pace;

/// Lines told each second, of a full pool apart.
const LINES: u8 = 4;

/// How long nothing more is told of a full pool, in milliseconds.
const FULL_WINDOW: u64 = 60_000;

/// Something to tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum News {
    /// A client has an address that it did not have before, for so many seconds.
    Leased {
        address: Ipv4Addr,
        mac: Mac,
        seconds: u32,
    },
    /// An address of the pool was not offered, because a station that has no lease of it uses it.
    InUse { address: Ipv4Addr, station: Mac },
    /// A client has declined its address, because it has found it in use.
    Declined { address: Ipv4Addr, mac: Mac },
    /// There is no address for a client.
    Full { mac: Mac },
}

/// Tells it on the log, and not too often.
pub(crate) struct Teller {
    pace: Pace,
    full: Pace,
    /// How many addresses the pool has.
    pool: usize,
}

impl Teller {
    pub(crate) const fn new(pool: usize) -> Self {
        Self {
            pace: Pace::new(LINES),
            full: Pace::with_window(1, FULL_WINDOW),
            pool,
        }
    }

    /// Tells `news` at `now`, in milliseconds since the start.
    pub(crate) fn tell(&mut self, news: News, now: u64) {
        let pace = if matches!(news, News::Full { .. }) {
            &mut self.full
        } else {
            &mut self.pace
        };
        let Some(untold) = pace.allow(now) else {
            return;
        };
        let (News::Leased { mac, .. }
        | News::InUse { station: mac, .. }
        | News::Declined { mac, .. }
        | News::Full { mac }) = news;
        let [a, b, c, d, e, f] = mac;
        match news {
            News::Leased {
                address, seconds, ..
            } => info!(
                "DHCP: {} leased to {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x} for {} s ({} more untold)",
                address, a, b, c, d, e, f, seconds, untold
            ),
            News::InUse { address, .. } => warning!(
                "DHCP: {} is in use by {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}, which has no lease of it: not leased to \
                 others for {} s ({} more untold)",
                address,
                a,
                b,
                c,
                d,
                e,
                f,
                IN_USE_SECONDS,
                untold
            ),
            News::Declined { address, .. } => warning!(
                "DHCP: {} declined by {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}, which found it in use: not leased for {} s \
                 ({} more untold)",
                address,
                a,
                b,
                c,
                d,
                e,
                f,
                IN_USE_SECONDS,
                untold
            ),
            News::Full { .. } => warning!(
                "DHCP: no address for {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}: all {} of the pool are leased, offered or in \
                 use ({} more untold)",
                a,
                b,
                c,
                d,
                e,
                f,
                self.pool,
                untold
            ),
        }
    }
}
