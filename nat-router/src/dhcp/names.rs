//! The host names of clients (option 12), for the DNS forwarder.

use core::cell::RefCell;
use core::net::Ipv4Addr;

use heapless::Vec;

use super::leases::ClientKey;

/// The bytes of a name that are kept. The rest of a longer name is cut off.
pub(crate) const MAX_NAME: usize = 24;

/// Names that no client gets: those of the router, and those that programs look up to find a proxy
/// or a tunnel, which a client could offer to all others under such a name.
const RESERVED: [&[u8]; 5] = [b"router", b"localhost", b"local", b"wpad", b"isatap"];

pub(crate) type Name = Vec<u8, MAX_NAME>;

/// The name of the client at one address of the pool.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// Followed by zeros; all zeros for no name.
    name: [u8; MAX_NAME],
    owner: ClientKey,
    /// When the lease ends, in seconds since the start; zero while there is none.
    until: u32,
}

// The documentation says 36 bytes for a name.
const _: () = assert!(size_of::<Entry>() == 36);

impl Entry {
    pub(crate) const NONE: Self = Self {
        name: [0; MAX_NAME],
        owner: ClientKey([0; 8]),
        until: 0,
    };

    fn name(&self) -> &[u8] {
        let len = self.name.iter().position(|byte| *byte == 0);
        self.name.get(..len.unwrap_or(MAX_NAME)).unwrap_or_default()
    }

    fn is_leased(&self, now: u32) -> bool {
        self.until > now && !self.name().is_empty()
    }

    fn has(&self, name: &[u8], now: u32) -> bool {
        self.is_leased(now) && self.name().eq_ignore_ascii_case(name)
    }
}

/// The names of all clients: an entry for each address of the pool. The DHCP server writes them,
/// the DNS forwarder reads them. All copies are of the same names.
#[derive(Clone, Copy)]
pub(crate) struct Names<'d> {
    entries: &'d RefCell<[Entry]>,
    /// The first address of the pool.
    first: Ipv4Addr,
}

impl<'d> Names<'d> {
    pub(crate) const fn new(entries: &'d RefCell<[Entry]>, first: Ipv4Addr) -> Self {
        Self { entries, first }
    }

    /// Keeps the name that a client sends, for the time when it has the address. A message without
    /// a name leaves the name as it is, unless another client had it.
    pub(super) fn note(self, address: Ipv4Addr, owner: ClientKey, name: Option<&[u8]>) {
        self.change(address, |entry| {
            if entry.owner != owner {
                *entry = Entry {
                    owner,
                    ..Entry::NONE
                };
            }
            if let Some(name) = name {
                entry.name = [0; MAX_NAME];
                for (to, from) in entry.name.iter_mut().zip(sanitize(name)) {
                    *to = from;
                }
            }
        });
    }

    /// Publishes the name of the client that has leased an address. The name is forgotten if
    /// another client has it: so no client can take over the name of another.
    pub(super) fn lease(self, address: Ipv4Addr, owner: ClientKey, now: u32, until: u32) {
        self.note(address, owner, None);
        self.forget_others(address, owner);
        let is_taken = self
            .name_at(address)
            .and_then(|name| self.address_of(&name, now))
            .is_some_and(|other| other != address);
        self.change(address, |entry| {
            entry.until = until;
            if is_taken {
                entry.name = [0; MAX_NAME];
            }
        });
    }

    /// Forgets the names that a client has at addresses other than `address`.
    fn forget_others(self, address: Ipv4Addr, owner: ClientKey) {
        let index = self.index(address);
        for (other, entry) in self.entries.borrow_mut().iter_mut().enumerate() {
            if Some(other) != index && entry.owner == owner {
                *entry = Entry::NONE;
            }
        }
    }

    /// Withdraws the name of the client that has given its address back.
    pub(super) fn release(self, address: Ipv4Addr) {
        self.change(address, |entry| entry.until = 0);
    }

    /// The address of the client with this name.
    pub(crate) fn address_of(self, name: &[u8], now: u32) -> Option<Ipv4Addr> {
        let entries = self.entries.borrow();
        let index = entries.iter().position(|entry| entry.has(name, now))?;
        let index = u32::try_from(index).ok()?;
        Some(Ipv4Addr::from_bits(
            self.first.to_bits().wrapping_add(index),
        ))
    }

    /// The name of the client that has leased this address.
    pub(crate) fn name_of(self, address: Ipv4Addr, now: u32) -> Option<Name> {
        let entries = self.entries.borrow();
        let entry = entries.get(self.index(address)?)?;
        entry
            .is_leased(now)
            .then(|| entry.name().iter().copied().collect())
    }

    /// The name that is kept for this address, leased or not.
    fn name_at(self, address: Ipv4Addr) -> Option<Name> {
        let entries = self.entries.borrow();
        let name = entries.get(self.index(address)?)?.name();
        Some(name.iter().copied().collect())
    }

    fn index(self, address: Ipv4Addr) -> Option<usize> {
        let index = address.to_bits().checked_sub(self.first.to_bits())?;
        usize::try_from(index).ok()
    }

    fn change(self, address: Ipv4Addr, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.borrow_mut();
        if let Some(entry) = self.index(address).and_then(|index| entries.get_mut(index)) {
            change(entry);
        }
    }
}

/// A name as a label of letters, digits and hyphens (RFC 1123 section 2.1): the part before the
/// first dot in lower case, with a hyphen for each run of other characters. Empty if nothing is
/// left, or if no client may have it.
fn sanitize(name: &[u8]) -> Name {
    let mut label = Name::new();
    for byte in name.iter().copied().take_while(|byte| *byte != b'.') {
        let is_allowed = byte.is_ascii_alphanumeric();
        if is_allowed || label.last().is_some_and(|last| *last != b'-') {
            let byte = if is_allowed {
                byte.to_ascii_lowercase()
            } else {
                b'-'
            };
            if label.push(byte).is_err() {
                break;
            }
        }
    }
    while label.last() == Some(&b'-') {
        label.pop();
    }
    if RESERVED.contains(&&*label) {
        label.clear();
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 100);
    const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 101);
    const ONE: ClientKey = ClientKey([1; 8]);
    const OTHER: ClientKey = ClientKey([2; 8]);

    #[track_caller]
    fn assert_sanitized(name: &str, expected: &str) {
        let label = sanitize(name.as_bytes());
        assert_eq!(core::str::from_utf8(&label), Ok(expected), "{name:?}");
    }

    #[test]
    fn a_name_becomes_a_label_of_letters_digits_and_hyphens() {
        assert_sanitized("laptop", "laptop");
        assert_sanitized("Bob's iPhone", "bob-s-iphone");
        assert_sanitized("desk.example.com", "desk");
        assert_sanitized("--a__b--", "a-b");
        assert_sanitized("\0\u{ff}", "");
        assert_sanitized("", "");
        assert_sanitized("a-name-that-is-much-too-long", "a-name-that-is-much-too");
    }

    #[test]
    fn no_client_gets_a_name_that_would_make_it_the_router_or_a_proxy() {
        for name in [
            "router",
            "ROUTER",
            "localhost",
            "wpad",
            "WPAD.lan",
            "isatap",
        ] {
            assert_sanitized(name, "");
        }
    }

    #[test]
    fn a_name_is_published_while_its_client_has_the_address() {
        let entries = RefCell::new([Entry::NONE; 2]);
        let names = Names::new(&entries, FIRST);
        names.note(FIRST, ONE, Some(b"Laptop"));
        assert_eq!(names.address_of(b"laptop", 10), None, "not leased yet");
        names.lease(FIRST, ONE, 10, 20);
        assert_eq!(names.address_of(b"LAPTOP", 19), Some(FIRST));
        assert_eq!(names.name_of(FIRST, 19).as_deref(), Some(&b"laptop"[..]));
        assert_eq!(names.address_of(b"laptop", 20), None, "the lease is over");
        names.lease(FIRST, ONE, 20, 30);
        assert_eq!(names.address_of(b"laptop", 25), Some(FIRST), "renewed");
        names.release(FIRST);
        assert_eq!(names.address_of(b"laptop", 25), None);
    }

    #[test]
    fn a_client_cannot_take_over_the_name_of_another() {
        let entries = RefCell::new([Entry::NONE; 2]);
        let names = Names::new(&entries, FIRST);
        for (address, owner) in [(FIRST, ONE), (SECOND, OTHER)] {
            names.note(address, owner, Some(b"laptop"));
            names.lease(address, owner, 10, 20);
        }
        assert_eq!(names.address_of(b"laptop", 10), Some(FIRST));
        assert_eq!(names.name_of(SECOND, 10), None);
        names.note(SECOND, OTHER, Some(b"laptop"));
        names.lease(SECOND, OTHER, 20, 30);
        assert_eq!(
            names.address_of(b"laptop", 20),
            Some(SECOND),
            "it is free by now"
        );
    }

    #[test]
    fn a_client_takes_its_name_along_to_another_address() {
        let entries = RefCell::new([Entry::NONE; 2]);
        let names = Names::new(&entries, FIRST);
        for address in [FIRST, SECOND] {
            names.note(address, ONE, Some(b"laptop"));
            names.lease(address, ONE, 10, 20);
            assert_eq!(names.address_of(b"laptop", 15), Some(address));
        }
        assert_eq!(names.name_of(FIRST, 15), None);
    }

    #[test]
    fn the_next_client_at_an_address_does_not_inherit_the_name() {
        let entries = RefCell::new([Entry::NONE; 2]);
        let names = Names::new(&entries, FIRST);
        names.note(FIRST, ONE, Some(b"laptop"));
        names.lease(FIRST, ONE, 10, 20);
        names.note(FIRST, OTHER, None);
        names.lease(FIRST, OTHER, 30, 40);
        assert_eq!(names.name_of(FIRST, 35), None);
        assert_eq!(names.address_of(b"laptop", 35), None);
    }

    #[test]
    fn addresses_outside_the_pool_have_no_name() {
        let entries = RefCell::new([Entry::NONE; 1]);
        let names = Names::new(&entries, FIRST);
        for address in [
            SECOND,
            Ipv4Addr::new(192, 168, 77, 99),
            Ipv4Addr::UNSPECIFIED,
        ] {
            names.note(address, ONE, Some(b"laptop"));
            names.lease(address, ONE, 10, 20);
            assert_eq!(names.name_of(address, 15), None);
        }
        assert_eq!(names.address_of(b"laptop", 15), None);
    }
}
