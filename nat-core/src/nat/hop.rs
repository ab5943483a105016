//! Whether a packet may go on over another link: its time to live, and its size.

use crate::DropReason;
use crate::reply::Error;
use crate::translate::Ttl;
use crate::wire::ipv4;

/// What of a packet matters for the next link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    pub(super) ttl: u8,
    /// The length of the whole datagram in bytes.
    pub(super) len: u16,
    pub(super) dont_fragment: bool,
}

/// Why a packet cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HopFailure {
    TtlExpired,
    /// It is larger than the MTU, and must not be fragmented.
    PacketTooBig {
        mtu: u16,
    },
}

impl Hop {
    pub(super) fn of(ip: &ipv4::Header) -> Self {
        Self {
            ttl: ip.ttl(),
            len: ip.total_length(),
            dont_fragment: ip.dont_fragment(),
        }
    }

    /// The one rule on the time to live and the MTU. `ttl` says whether the packet crosses the
    /// router: what the router sends itself does not.
    #[inline]
    pub(super) fn check(self, ttl: Ttl, mtu: u16) -> Result<(), HopFailure> {
        // A packet whose time is over is not sent on, whatever its size (RFC 1812 section 5.3.1).
        if ttl == Ttl::Decrement && self.ttl <= 1 {
            Err(HopFailure::TtlExpired)
        } else if self.dont_fragment && self.exceeds(mtu) {
            Err(HopFailure::PacketTooBig { mtu })
        } else {
            Ok(())
        }
    }

    /// Whether the packet leaves in fragments, if at all.
    #[inline]
    pub(super) fn exceeds(self, mtu: u16) -> bool {
        self.len > mtu
    }
}

impl HopFailure {
    pub(super) fn reason(self) -> DropReason {
        match self {
            Self::TtlExpired => DropReason::TtlExpired,
            Self::PacketTooBig { .. } => DropReason::PacketTooBig,
        }
    }

    /// The ICMP error that the sender is due.
    pub(super) fn error(self) -> Error {
        match self {
            Self::TtlExpired => Error::TimeExceeded,
            Self::PacketTooBig { mtu } => Error::FragmentationNeeded { mtu },
        }
    }
}

impl From<HopFailure> for DropReason {
    fn from(failure: HopFailure) -> Self {
        failure.reason()
    }
}
