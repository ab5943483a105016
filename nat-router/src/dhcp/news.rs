//! The log lines of the DHCP server.

use core::net::Ipv4Addr;

use super::leases::{IN_USE_SECONDS, Mac};
use crate::log::{info, warning};
use crate::log_limiter::LogLimiter;

/// Lines allowed each second, besides those about a full pool.
const LINES: u8 = 4;

/// The time from one line about a full pool to the next, in milliseconds.
const FULL_WINDOW: u64 = 60_000;

/// Something to log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum News {
    /// A client has got an address that it did not have before, for `seconds`.
    Leased {
        address: Ipv4Addr,
        mac: Mac,
        seconds: u32,
    },
    /// An address of the pool was not offered, because a station without a lease of it uses it.
    InUse { address: Ipv4Addr, station: Mac },
    /// A client has declined its address, because it found the address in use.
    Declined { address: Ipv4Addr, mac: Mac },
    /// There is no address for a client.
    Full { mac: Mac },
}

impl News {
    /// The hardware address of the client or the station.
    const fn mac(&self) -> Mac {
        let (Self::Leased { mac, .. }
        | Self::InUse { station: mac, .. }
        | Self::Declined { mac, .. }
        | Self::Full { mac }) = *self;
        mac
    }
}

/// Logs the server's news, within limits.
pub(crate) struct NewsLog {
    limiter: LogLimiter,
    full_limiter: LogLimiter,
    /// The number of addresses in the pool.
    pool: usize,
}

impl NewsLog {
    pub(crate) const fn new(pool: usize) -> Self {
        Self {
            limiter: LogLimiter::new(LINES),
            full_limiter: LogLimiter::with_window(1, FULL_WINDOW),
            pool,
        }
    }

    /// Logs `news` at `now`, in milliseconds since the start, unless there are too many lines.
    pub(crate) fn log(&mut self, news: News, now: u64) {
        // A full pool is news at every message of every client without an address.
        let limiter = match news {
            News::Full { .. } => &mut self.full_limiter,
            _ => &mut self.limiter,
        };
        if let Some(suppressed) = limiter.allow(now) {
            self.log_line(news, suppressed);
        }
    }

    fn log_line(&self, news: News, suppressed: u32) {
        let [a, b, c, d, e, f] = news.mac();
        match news {
            News::Leased {
                address, seconds, ..
            } => info!(
                "DHCP: {} leased to {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x} for {} s ({} more suppressed)",
                address, a, b, c, d, e, f, seconds, suppressed
            ),
            News::InUse { address, .. } => warning!(
                "DHCP: {} is in use by {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}, which has no lease of it: not leased to \
                 others for {} s ({} more suppressed)",
                address,
                a,
                b,
                c,
                d,
                e,
                f,
                IN_USE_SECONDS,
                suppressed
            ),
            News::Declined { address, .. } => warning!(
                "DHCP: {} declined by {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}, which found it in use: not leased for {} s \
                 ({} more suppressed)",
                address,
                a,
                b,
                c,
                d,
                e,
                f,
                IN_USE_SECONDS,
                suppressed
            ),
            News::Full { .. } => warning!(
                "DHCP: no address for {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}: all {} of the pool are leased, offered or in \
                 use ({} more suppressed)",
                a,
                b,
                c,
                d,
                e,
                f,
                self.pool,
                suppressed
            ),
        }
    }
}
