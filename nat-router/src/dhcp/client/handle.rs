//! The application's handle of the client.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::task::Poll;

use embassy_sync::waitqueue::{MultiWakerRegistration, WakerRegistration};
use heapless::Vec;

use super::lease::{Lease, MAX_DNS_SERVERS};

/// Tasks that can wait for a change or for the end of a release at a time.
const WAITERS: usize = 4;

/// What the client and its handles share.
pub(crate) struct Shared {
    lease: RefCell<Option<Lease>>,
    /// The number of changes of `lease`, wrapping.
    changes: Cell<u32>,
    release: Cell<Release>,
    client: RefCell<WakerRegistration>,
    waiters: RefCell<MultiWakerRegistration<WAITERS>>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Release {
    No,
    Asked,
    Done,
}

impl Shared {
    pub(crate) const fn new(lease: Option<Lease>) -> Self {
        Self {
            lease: RefCell::new(lease),
            changes: Cell::new(0),
            release: Cell::new(Release::No),
            client: RefCell::new(WakerRegistration::new()),
            waiters: RefCell::new(MultiWakerRegistration::new()),
        }
    }

    /// Replaces the lease. Returns whether the new one differs in more than its duration and its
    /// server.
    pub(super) fn set_lease(&self, lease: Option<Lease>) -> bool {
        let before = self.lease.replace(lease.clone());
        // A renewal changes only the rest.
        let of_network = |lease: &Lease| {
            (
                lease.address,
                lease.gateway,
                lease.dns_servers.clone(),
                lease.mtu,
            )
        };
        let changed = before.as_ref().map(of_network) != lease.as_ref().map(of_network);
        if changed {
            self.changes.set(self.changes.get().wrapping_add(1));
            self.waiters.borrow_mut().wake();
        }
        changed
    }

    /// Whether the application has asked for a release that is not done yet.
    pub(super) fn is_release_asked(&self) -> bool {
        self.release.get() == Release::Asked
    }

    pub(super) fn released(&self) {
        self.release.set(Release::Done);
        self.waiters.borrow_mut().wake();
    }

    pub(super) fn register(&self, waker: &core::task::Waker) {
        self.client.borrow_mut().register(waker);
    }
}

/// The handle of the DHCP client outside. All copies are of the same client.
#[derive(Clone, Copy)]
pub struct DhcpClient {
    shared: &'static Shared,
}

impl DhcpClient {
    pub(crate) const fn new(shared: &'static Shared) -> Self {
        Self { shared }
    }

    /// The outside configuration in effect: a lease, or the static configuration.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        self.shared.lease.borrow().clone()
    }

    /// Waits until [`DhcpClient::lease`] has changed in more than its duration and its server, and
    /// sets `seen` to the number of the change. Begin with 0: the first lease is then a change,
    /// too, even if it is there already.
    pub async fn changed(&self, seen: &mut u32) {
        poll_fn(|cx| {
            let changes = self.shared.changes.get();
            if changes == *seen {
                self.shared.waiters.borrow_mut().register(cx.waker());
                return Poll::Pending;
            }
            *seen = changes;
            Poll::Ready(())
        })
        .await;
    }

    /// Releases the lease (RFC 2131 section 4.4.6), and waits until the message has left. From then
    /// on the outside has no configuration, and the client asks for no other lease until the router
    /// restarts. With a static configuration, it returns at once.
    ///
    /// Meanwhile, [`Services::run`](crate::Services::run) must run.
    pub async fn release(&self) {
        if self.shared.release.get() == Release::No {
            self.shared.release.set(Release::Asked);
        }
        self.shared.client.borrow_mut().wake();
        poll_fn(|cx| {
            if self.shared.release.get() == Release::Done {
                return Poll::Ready(());
            }
            self.shared.waiters.borrow_mut().register(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// The DNS servers of the outside; `None` while it is not configured.
    pub(crate) fn dns_servers(&self) -> Option<Vec<Ipv4Addr, MAX_DNS_SERVERS>> {
        self.shared
            .lease
            .borrow()
            .as_ref()
            .map(|lease| lease.dns_servers.clone())
    }

    /// The number of changes of the lease, wrapping.
    #[cfg(feature = "dns")]
    pub(crate) fn changes(&self) -> u32 {
        self.shared.changes.get()
    }

    /// With a static configuration there is nothing to release.
    pub(crate) fn set_static(&self) {
        self.shared.release.set(Release::Done);
    }
}
