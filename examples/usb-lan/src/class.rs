//! The class CDC-NCM as the host sees it: descriptors, requests and notifications (NCM 1.0, CDC 1.2
//! and the ECM subclass 1.2).

use core::fmt::Write;

use embassy_usb::control::{InResponse, OutResponse, Recipient, Request, RequestType};
use embassy_usb::driver::Driver;
use embassy_usb::types::{InterfaceNumber, StringIndex};
use embassy_usb::{Builder, Handler};
use heapless::String;

use crate::counters::Tally;
use crate::link::Link;
use crate::ntb::check::MOST_DATAGRAMS;
use crate::ntb::{ALIGNMENT, LONGEST_BLOCK};
use crate::ring::Queue;
use crate::{MTU, Outgoing, PACKET};

const CLASS_COMMUNICATIONS: u8 = 0x02;
const SUBCLASS_NCM: u8 = 0x0d;
const CLASS_DATA: u8 = 0x0a;
const PROTOCOL_NTB: u8 = 0x01;

const CS_INTERFACE: u8 = 0x24;
const HEADER_DESCRIPTOR: [u8; 3] = [0x00, 0x10, 0x01];
const UNION: u8 = 0x06;
const ETHERNET: u8 = 0x0f;
/// Version 1.00. Of the optional requests only `SetEthernetPacketFilter` is offered: without it,
/// macOS 26 and iOS 26 go back to setting 0 in about one of three attachments.
const NCM_DESCRIPTOR: [u8; 4] = [0x1a, 0x00, 0x01, OFFERS_PACKET_FILTER];
const OFFERS_PACKET_FILTER: u8 = 1 << 0;

/// Room for the longest notification, so that it is not split: Windows expects each in one packet.
const NOTIFICATION: u16 = 16;
const NOTIFICATION_INTERVAL_MS: u8 = 16;

const SET_ETHERNET_PACKET_FILTER: u8 = 0x43;
const GET_NTB_PARAMETERS: u8 = 0x80;
const GET_NTB_FORMAT: u8 = 0x83;
const SET_NTB_FORMAT: u8 = 0x84;
const GET_NTB_INPUT_SIZE: u8 = 0x85;
const SET_NTB_INPUT_SIZE: u8 = 0x86;

/// The number of an interface, or what the host asks for.
type Word = [u8; 2];

/// The endpoints of the class.
pub(crate) struct Endpoints<D: Driver<'static>> {
    pub(crate) notify: D::EndpointIn,
    pub(crate) out: D::EndpointOut,
    pub(crate) into_host: D::EndpointIn,
    pub(crate) control_interface: u8,
}

/// Answers the host's requests, and follows what it selects.
pub(crate) struct Control {
    link: &'static Link,
    tally: &'static Tally,
    waiting: Queue<'static, Outgoing>,
    control_interface: InterfaceNumber,
    data_interface: InterfaceNumber,
    host_mac: StringIndex,
    host_mac_digits: String<12>,
}

/// Writes the descriptors, and allocates the endpoints.
pub(crate) fn describe<D: Driver<'static>>(
    builder: &mut Builder<'static, D>,
    host_mac: [u8; 6],
    (link, tally, waiting): (&'static Link, &'static Tally, Queue<'static, Outgoing>),
) -> (Control, Endpoints<D>) {
    let mut function = builder.function(CLASS_COMMUNICATIONS, SUBCLASS_NCM, 0);

    let mut interface = function.interface();
    let control_interface = interface.interface_number();
    let host_mac_index = interface.string();
    let mut setting = interface.alt_setting(CLASS_COMMUNICATIONS, SUBCLASS_NCM, 0, None);
    setting.descriptor(CS_INTERFACE, &HEADER_DESCRIPTOR);
    let number = u8::from(control_interface);
    setting.descriptor(CS_INTERFACE, &[UNION, number, number + 1]);
    setting.descriptor(CS_INTERFACE, &ethernet_descriptor(host_mac_index));
    setting.descriptor(CS_INTERFACE, &NCM_DESCRIPTOR);
    let notify = setting.endpoint_interrupt_in(None, NOTIFICATION, NOTIFICATION_INTERVAL_MS);

    let mut interface = function.interface();
    let data_interface = interface.interface_number();
    interface.alt_setting(CLASS_DATA, 0, PROTOCOL_NTB, None);
    let mut setting = interface.alt_setting(CLASS_DATA, 0, PROTOCOL_NTB, None);
    let out = setting.endpoint_bulk_out(None, PACKET as u16);
    let into_host = setting.endpoint_bulk_in(None, PACKET as u16);

    let control = Control {
        link,
        tally,
        waiting,
        control_interface,
        data_interface,
        host_mac: host_mac_index,
        host_mac_digits: digits(&host_mac),
    };
    let endpoints = Endpoints {
        notify,
        out,
        into_host,
        control_interface: number,
    };
    (control, endpoints)
}

/// ECM 1.2, table 3. There are no statistics and no filters.
fn ethernet_descriptor(host_mac: StringIndex) -> [u8; 11] {
    let [mtu_low, mtu_high] = (MTU as u16).to_le_bytes();
    let mac = u8::from(host_mac);
    [ETHERNET, mac, 0, 0, 0, 0, mtu_low, mtu_high, 0, 0, 0]
}

/// Hexadecimal digits, as many as fit.
pub(crate) fn digits<const N: usize>(bytes: &[u8]) -> String<N> {
    let mut text = String::new();
    for byte in bytes {
        if write!(text, "{byte:02X}").is_err() {
            break;
        }
    }
    text
}

/// NCM 1.0, table 6-3.
fn ntb_parameters() -> [u8; 28] {
    const ONLY_16_BIT: u16 = 1;
    let [size_0, size_1, size_2, size_3] = (LONGEST_BLOCK as u32).to_le_bytes();
    let [align, _] = (ALIGNMENT as u16).to_le_bytes();
    let [count, _] = (MOST_DATAGRAMS as u16).to_le_bytes();
    let [format, _] = ONLY_16_BIT.to_le_bytes();
    [
        28, 0, format, 0, // the length of this, formats
        size_0, size_1, size_2, size_3, // to the host: the longest block,
        align, 0, 0, 0, align, 0, // divisor, remainder and alignment
        0, 0, // reserved
        size_0, size_1, size_2, size_3, // from the host: the same,
        align, 0, 0, 0, align, 0, //
        count, 0, // and the most datagrams
    ]
}

/// The answer to a request for data, if there is one.
fn answer(request: u8) -> Option<heapless::Vec<u8, 28>> {
    let answer: &[u8] = match request {
        GET_NTB_PARAMETERS => &ntb_parameters(),
        GET_NTB_FORMAT => &[0, 0],
        GET_NTB_INPUT_SIZE => &(LONGEST_BLOCK as u32).to_le_bytes(),
        _ => return None,
    };
    heapless::Vec::from_slice(answer).ok()
}

/// Whether a setting is accepted.
///
/// The size of blocks to the host cannot be below 2048 bytes (section 6.2.7), and is no more here.
/// The packet filter is accepted without effect: the host filters by itself what it does not want.
fn accepts(request: u8, value: u16, data: &[u8]) -> bool {
    match request {
        SET_ETHERNET_PACKET_FILTER => true,
        SET_NTB_FORMAT => value == 0,
        SET_NTB_INPUT_SIZE => data
            .first_chunk()
            .is_some_and(|size| u32::from_le_bytes(*size) as usize >= LONGEST_BLOCK),
        _ => false,
    }
}

impl Control {
    fn is_addressed(&self, request: &Request) -> bool {
        request.request_type == RequestType::Class
            && request.recipient == Recipient::Interface
            && request.index == u16::from(u8::from(self.control_interface))
    }
}

impl Handler for Control {
    fn enabled(&mut self, _enabled: bool) {
        self.link.reset();
    }

    fn reset(&mut self) {
        self.link.reset();
    }

    fn configured(&mut self, configured: bool) {
        self.link.set_configured(configured);
    }

    fn suspended(&mut self, suspended: bool) {
        if suspended {
            self.tally.suspensions.add(1);
            // A frame of before is of no use to a host that slept.
            self.tally
                .unsent_link_down
                .add(self.waiting.drop_waiting() as u64);
        }
        self.link.set_suspended(suspended);
    }

    fn set_alternate_setting(&mut self, interface: InterfaceNumber, setting: u8) {
        if interface == self.data_interface {
            self.link.set_setting(setting);
        }
    }

    fn control_out(&mut self, request: Request, data: &[u8]) -> Option<OutResponse> {
        if !self.is_addressed(&request) {
            return None;
        }
        if accepts(request.request, request.value, data) {
            Some(OutResponse::Accepted)
        } else {
            Some(OutResponse::Rejected)
        }
    }

    fn control_in<'a>(
        &'a mut self,
        request: Request,
        buffer: &'a mut [u8],
    ) -> Option<InResponse<'a>> {
        if !self.is_addressed(&request) {
            return None;
        }
        let Some(answer) = answer(request.request) else {
            return Some(InResponse::Rejected);
        };
        let Some(place) = buffer.get_mut(..answer.len()) else {
            return Some(InResponse::Rejected);
        };
        place.copy_from_slice(&answer);
        Some(InResponse::Accepted(place))
    }

    fn get_string(&mut self, index: StringIndex, _language: u16) -> Option<&str> {
        (index == self.host_mac).then_some(self.host_mac_digits.as_str())
    }
}

/// The host may send and receive (CDC 1.2, section 6.3.1).
pub(crate) fn connected(interface: u8) -> [u8; 8] {
    const NETWORK_CONNECTION: u8 = 0x00;
    notification(NETWORK_CONNECTION, [1, 0], interface, 0)
}

/// The speed of the link in bits a second, down and up (section 6.3.3).
pub(crate) fn speed(interface: u8) -> [u8; 16] {
    const CONNECTION_SPEED_CHANGE: u8 = 0x2a;
    const FULL_SPEED: u32 = 12_000_000;
    let mut message = [0; 16];
    let (head, speeds) = message.split_at_mut(8);
    head.copy_from_slice(&notification(CONNECTION_SPEED_CHANGE, [0, 0], interface, 8));
    for speed in speeds.as_chunks_mut().0 {
        *speed = FULL_SPEED.to_le_bytes();
    }
    message
}

fn notification(code: u8, [low, high]: Word, interface: u8, data: u8) -> [u8; 8] {
    const CLASS_TO_HOST_FROM_INTERFACE: u8 = 0xa1;
    [
        CLASS_TO_HOST_FROM_INTERFACE,
        code,
        low,
        high,
        interface,
        0,
        data,
        0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_that_every_host_accepts() {
        let parameters = ntb_parameters();
        let word = |at: usize| u16::from_le_bytes([parameters[at], parameters[at + 1]]);
        assert_eq!(word(0), 28);
        assert_eq!(word(2), 1, "16-bit blocks only");
        for at in [4, 16] {
            assert_eq!(
                (word(at), word(at + 2)),
                (2048, 0),
                "NCM 1.0 asks for 2048 at least"
            );
            let divisor = word(at + 4);
            assert!(
                divisor >= 4 && divisor.is_power_of_two(),
                "Windows asks for it"
            );
            assert_eq!(word(at + 6), 0);
            assert!(word(at + 8) >= 4 && word(at + 8).is_power_of_two());
        }
        assert_eq!(word(26), 40);
    }

    #[test]
    fn a_size_of_blocks_below_2048_or_cut_short_is_refused() {
        let size = |value: u32| accepts(SET_NTB_INPUT_SIZE, 0, &value.to_le_bytes());
        assert!(size(2048) && size(16384) && size(u32::MAX));
        assert!(!size(2047) && !size(0));
        assert!(!accepts(SET_NTB_INPUT_SIZE, 0, &[0, 8, 0]));
        assert!(accepts(SET_NTB_INPUT_SIZE, 0, &[0, 8, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn the_32_bit_form_is_refused() {
        assert!(accepts(SET_NTB_FORMAT, 0, &[]));
        assert!(!accepts(SET_NTB_FORMAT, 1, &[]));
    }

    #[test]
    fn other_requests_are_refused() {
        for request in 0..=u8::MAX {
            let known = [GET_NTB_PARAMETERS, GET_NTB_FORMAT, GET_NTB_INPUT_SIZE];
            assert_eq!(
                answer(request).is_some(),
                known.contains(&request),
                "{request:#x}"
            );
            if ![
                SET_ETHERNET_PACKET_FILTER,
                SET_NTB_FORMAT,
                SET_NTB_INPUT_SIZE,
            ]
            .contains(&request)
            {
                assert!(!accepts(request, 0, &[]), "{request:#x}");
            }
        }
    }

    #[test]
    fn notifications_fit_into_one_packet() {
        assert_eq!(connected(0), [0xa1, 0, 1, 0, 0, 0, 0, 0]);
        let speed = speed(0);
        assert!(speed.len() <= NOTIFICATION.into());
        assert_eq!(speed[..8], [0xa1, 0x2a, 0, 0, 0, 0, 8, 0]);
        assert_eq!(speed[8..], [12_000_000u32.to_le_bytes(); 2].concat());
    }

    #[test]
    fn addresses_are_written_as_twelve_digits() {
        assert_eq!(
            digits::<12>(&[0x02, 0, 0xab, 0x10, 0xff, 0x0f]),
            "0200AB10FF0F"
        );
        assert_eq!(digits::<4>(&[1, 2, 3]), "0102");
    }
}
