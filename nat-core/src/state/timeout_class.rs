//! Timeout classes: which of the configured timeouts applies to a session.

use core::time::Duration;

use crate::config::Timeouts;
use crate::session_info::SessionState;

use super::Proto;

/// The port of DNS servers (RFC 1035 section 4.2.1).
pub(super) const DNS: u16 = 53;

/// All sessions of one class have the same timeout, so one list in order of deadline is enough for
/// each class.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum TimeoutClass {
    Dns,
    Icmp,
    TcpClosing,
    TcpEstablished,
    /// One end has sent a SYN that the other end has not answered.
    TcpPartiallyOpen,
    TcpReset,
    Udp,
}

impl TimeoutClass {
    pub(crate) const COUNT: usize = 7;

    /// Every class, in the order of the variants: the position is the discriminant.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Dns,
        Self::Icmp,
        Self::TcpClosing,
        Self::TcpEstablished,
        Self::TcpPartiallyOpen,
        Self::TcpReset,
        Self::Udp,
    ];

    /// The class of a session in `state` with this remote port.
    pub(crate) fn of(proto: Proto, state: SessionState, remote_port: u16) -> Self {
        match (proto, state) {
            (Proto::Icmp, _) => Self::Icmp,
            // RFC 4787 REQ-5a permits a shorter timer for well-known ports, such as this one.
            (Proto::Udp, _) if remote_port == DNS => Self::Dns,
            (Proto::Udp, _) => Self::Udp,
            (Proto::Tcp, SessionState::InsideSyn | SessionState::OutsideSyn) => {
                Self::TcpPartiallyOpen
            }
            (Proto::Tcp, SessionState::Closing) => Self::TcpClosing,
            (Proto::Tcp, SessionState::Reset) => Self::TcpReset,
            (
                Proto::Tcp,
                SessionState::Active
                | SessionState::Established
                | SessionState::InsideFin
                | SessionState::OutsideFin,
            ) => Self::TcpEstablished,
        }
    }

    fn timeout(self, timeouts: &Timeouts) -> Duration {
        match self {
            Self::Dns => timeouts.dns.unwrap_or(timeouts.udp),
            Self::Icmp => timeouts.icmp,
            Self::TcpClosing => timeouts.tcp_closing,
            Self::TcpEstablished => timeouts.tcp_established,
            Self::TcpPartiallyOpen => timeouts.tcp_partially_open,
            Self::TcpReset => timeouts.tcp_reset,
            Self::Udp => timeouts.udp,
        }
    }
}

/// The timeout of each class, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes([u32; TimeoutClass::COUNT]);

impl Lifetimes {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        // `Config::check` has limited every timeout to 12 days, which is less than 2^30 ms.
        Self(TimeoutClass::ALL.map(|class| class.timeout(timeouts).as_millis() as u32))
    }

    #[inline(always)]
    pub(crate) fn of(&self, class: TimeoutClass) -> u32 {
        self.0.get(class as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_own_timeout() {
        let secs = Duration::from_secs;
        let mut timeouts = Timeouts::RFC;
        (timeouts.udp, timeouts.dns, timeouts.icmp) = (secs(1), Some(secs(2)), secs(3));
        (timeouts.tcp_partially_open, timeouts.tcp_established) = (secs(4), secs(5));
        (timeouts.tcp_closing, timeouts.tcp_reset) = (secs(6), secs(7));
        let lifetimes = Lifetimes::new(&timeouts);
        for (class, seconds) in [
            (TimeoutClass::Udp, 1),
            (TimeoutClass::Dns, 2),
            (TimeoutClass::Icmp, 3),
            (TimeoutClass::TcpPartiallyOpen, 4),
            (TimeoutClass::TcpEstablished, 5),
            (TimeoutClass::TcpClosing, 6),
            (TimeoutClass::TcpReset, 7),
        ] {
            assert_eq!(lifetimes.of(class), seconds * 1000, "{class:?}");
        }
        timeouts.dns = None;
        assert_eq!(Lifetimes::new(&timeouts).of(TimeoutClass::Dns), 1000);
    }
}
