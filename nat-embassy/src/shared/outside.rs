//! The outside configuration: how one takes effect, is suspended, and is taken back.

use core::net::Ipv4Addr;

use heapless::Vec;
use nat_core::{ConfigError, MAX_EXTERNAL_ADDRESSES, Width};

use super::Inner;
use crate::config::Outside;
use crate::deadline::Deadline;
use crate::log::{info, warning};

impl<W: Width> Inner<'_, W> {
    /// Refuses secondary addresses of the configuration that cannot work, before any lease comes.
    pub(super) fn check_secondary(&mut self) -> Result<(), ConfigError> {
        self.nat
            .set_external_addresses(self.addresses.secondary(), self.clock.now())
    }

    pub(super) fn replace_outside(&mut self, outside: Option<Outside>) -> Result<(), ConfigError> {
        let primary = outside.map(|outside| outside.address.address());
        let addresses = primary
            .map(|primary| self.addresses.with(primary))
            .unwrap_or_default();
        self.nat
            .set_external_addresses(&addresses, self.clock.now())?;
        self.addresses.set_primary(primary);
        self.outside = outside;
        self.suspended = false;
        self.outside_changed = true;
        // Other addresses end sessions and begin quarantines, so the NAT's next timer is another
        // one.
        self.deadline = Deadline::UNKNOWN;
        Ok(())
    }

    /// Replaces the outside configuration while the router runs. One that the NAT refuses counts
    /// as `None`.
    pub(crate) fn set_outside(&mut self, outside: Option<Outside>) {
        // While the configuration is suspended, `None` is a change, too: it ends the sessions.
        if self.outside == outside && !self.suspended {
            return;
        }
        self.refused = None;
        if let Err(error) = self.replace_outside(outside) {
            warning!(
                "outside address refused: {}: {}",
                error.field,
                error.problem
            );
            self.refused = outside;
            // Without addresses there is nothing to refuse.
            let _ = self.replace_outside(None);
        }
        match self.outside {
            Some(outside) => log_outside(outside),
            None => info!("no outside address"),
        }
        self.waker.wake();
    }

    /// Takes the outside configuration out of use, but leaves the sessions of its address alone.
    pub(crate) fn suspend_outside(&mut self) {
        if self.outside.take().is_some() {
            self.suspended = true;
            self.outside_changed = true;
            info!("outside configuration lost");
            self.waker.wake();
        }
    }

    pub(crate) fn external_addresses(&self) -> Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES> {
        self.nat.external_addresses().iter().copied().collect()
    }
}

fn log_outside(outside: Outside) {
    info!("outside address {:?}", outside.address.address().octets());
    if let Some(gateway) = outside.gateway
        && !outside.address.contains(gateway)
    {
        warning!(
            "gateway {:?} is not in the outside network",
            gateway.octets()
        );
    }
}
