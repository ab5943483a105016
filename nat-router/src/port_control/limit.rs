//! How many requests are answered, so that no host keeps the router busy with them.

use core::net::Ipv4Addr;

use nat_core::Instant;

/// Hosts whose requests are answered in one second.
const HOSTS: usize = 8;

/// Requests of one host that are answered in one second.
const REQUESTS: u8 = 16;

/// What has been answered in the present second.
pub(super) struct RequestLimit {
    second: u64,
    hosts: heapless::Vec<(Ipv4Addr, u8), HOSTS>,
}

impl RequestLimit {
    pub(super) const fn new() -> Self {
        Self {
            second: 0,
            hosts: heapless::Vec::new(),
        }
    }

    /// Whether a request of `host` is answered at `now`, which then counts.
    pub(super) fn allows(&mut self, host: Ipv4Addr, now: Instant) -> bool {
        let second = now.as_millis() / 1000;
        if second != self.second {
            (self.second, self.hosts) = (second, heapless::Vec::new());
        }
        match self.hosts.iter_mut().find(|(known, _)| *known == host) {
            Some((_, count)) if *count < REQUESTS => {
                *count = count.saturating_add(1);
                true
            }
            Some(_) => false,
            None => self.hosts.push((host, 1)).is_ok(),
        }
    }
}
