//! The options of a server's message: in the options field, or in the fields `file` and `sname`
//! (option overload, RFC 2131 section 4.1), whole or split (RFC 3396).
//!
//! smoltcp's iterator reads only the options field, and returns each part of a split option as an
//! option of its own.

use core::net::Ipv4Addr;

/// Where the fields of a message begin (RFC 2131 figure 1).
const SNAME_AT: usize = 44;
const FILE_AT: usize = 108;
const COOKIE_AT: usize = 236;
const OPTIONS_AT: usize = 240;

/// Option codes (RFC 2132, RFC 3442).
pub(super) mod code {
    pub(in super::super) const SUBNET_MASK: u8 = 1;
    pub(in super::super) const ROUTERS: u8 = 3;
    pub(in super::super) const DNS_SERVERS: u8 = 6;
    pub(in super::super) const HOST_NAME: u8 = 12;
    pub(in super::super) const DOMAIN_NAME: u8 = 15;
    pub(in super::super) const INTERFACE_MTU: u8 = 26;
    pub(in super::super) const BROADCAST_ADDRESS: u8 = 28;
    pub(in super::super) const LEASE_TIME: u8 = 51;
    pub(in super::super) const OVERLOAD: u8 = 52;
    pub(in super::super) const MESSAGE_TYPE: u8 = 53;
    pub(in super::super) const SERVER: u8 = 54;
    pub(in super::super) const RENEWAL_TIME: u8 = 58;
    pub(in super::super) const REBINDING_TIME: u8 = 59;
    pub(in super::super) const CLASSLESS_ROUTES: u8 = 121;
    pub(super) const PAD: u8 = 0;
    pub(super) const END: u8 = 255;
}

/// The fields that hold options, in the order in which they are read.
#[derive(Clone, Copy)]
pub(super) struct Options<'a> {
    fields: [&'a [u8]; 3],
}

impl<'a> Options<'a> {
    /// The options of a message, which begins with the field `op`; `None` if the message is too
    /// short for options.
    pub(super) fn of(message: &'a [u8]) -> Option<Self> {
        let options = message.get(OPTIONS_AT..)?;
        let (sname, file) = (
            message.get(SNAME_AT..FILE_AT)?,
            message.get(FILE_AT..COOKIE_AT)?,
        );
        let alone = Self {
            fields: [options, &[], &[]],
        };
        // It counts only in the field that always holds options.
        let overload = alone.bytes(code::OVERLOAD).next().unwrap_or(0);
        let used = |bit: u8, field: &'a [u8]| if overload & bit == 0 { &[] } else { field };
        Some(Self {
            fields: [options, used(1, file), used(2, sname)],
        })
    }

    pub(super) fn contains(self, code: u8) -> bool {
        self.parts(code).next().is_some()
    }

    /// The bytes of the option `code`. If it is split, those of all its parts in order.
    pub(super) fn bytes(self, code: u8) -> impl Iterator<Item = u8> + Clone + 'a {
        self.parts(code).flatten().copied()
    }

    /// The first address of the option `code`.
    pub(super) fn address(self, code: u8) -> Option<Ipv4Addr> {
        self.addresses(code).next()
    }

    /// The addresses of the option `code`. Up to three bytes left over at the end are ignored.
    pub(super) fn addresses(self, code: u8) -> impl Iterator<Item = Ipv4Addr> + 'a {
        let mut bytes = self.bytes(code);
        core::iter::from_fn(move || take(&mut bytes).map(Ipv4Addr::from_octets))
    }

    pub(super) fn u16(self, code: u8) -> Option<u16> {
        take(&mut self.bytes(code)).map(u16::from_be_bytes)
    }

    pub(super) fn u32(self, code: u8) -> Option<u32> {
        take(&mut self.bytes(code)).map(u32::from_be_bytes)
    }

    fn parts(self, code: u8) -> impl Iterator<Item = &'a [u8]> + Clone + 'a {
        // The order in which the parts of a split option are put together (RFC 3396).
        let [options, file, sname] = self.fields.map(Field);
        options
            .chain(file)
            .chain(sname)
            .filter(move |(found, _)| *found == code)
            .map(|(_, data)| data)
    }
}

/// The next `N` of `bytes`; `None` if there are fewer.
pub(super) fn take<const N: usize>(bytes: &mut impl Iterator<Item = u8>) -> Option<[u8; N]> {
    let mut taken = [0; N];
    for byte in &mut taken {
        *byte = bytes.next()?;
    }
    Some(taken)
}

/// The options of one field, up to its end or to an option that exceeds it.
#[derive(Clone)]
struct Field<'a>(&'a [u8]);

impl<'a> Iterator for Field<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *self.0 {
                [code::PAD, ref rest @ ..] => self.0 = rest,
                [code, len, ref rest @ ..] if code != code::END => {
                    let (data, rest) = rest.split_at_checked(len.into())?;
                    self.0 = rest;
                    return Some((code, data));
                }
                _ => return None,
            }
        }
    }
}
