/** Tests of the checkers: they find each fault in a frame, and accept correct ones. No image is needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Invariants } from './invariants.mjs';
import { arp, echo, ethernet, fragments, icmpError, pattern, tcp, udp } from '../wire/build.mjs';
import { Malformed, parseFrame, reassemble } from '../wire/parse.mjs';

const MACS = { dst: '02:00:00:00:00:01', src: '02:00:00:00:00:02' };
const ENDS = { src: '198.51.100.77', dst: '203.0.113.9', srcPort: 5000, dstPort: 7 };
const QUOTED = udp({ src: ENDS.dst, dst: ENDS.src, srcPort: 7, dstPort: 5000 });

const DATAGRAMS = {
  UDP: udp({ ...ENDS, data: pattern(40) }),
  TCP: tcp({ ...ENDS, seq: 1, flags: ['syn'], data: pattern(30) }),
  'an echo request': echo({ src: ENDS.src, dst: ENDS.dst, id: 1, seq: 2, data: pattern(33) }),
  'an ICMP error': icmpError({ src: ENDS.src, dst: ENDS.dst, type: 3, code: 3, quoted: QUOTED }),
};

function padded(frame) {
  return Buffer.concat([frame, Buffer.alloc(Math.max(0, 60 - frame.length))]);
}

for (const [kind, datagram] of Object.entries(DATAGRAMS)) {
  test(`${kind} is accepted as built, and any bit that flips is found`, () => {
    const frame = padded(ethernet(MACS, datagram));
    parseFrame(frame);
    const end = 14 + datagram.length;
    for (let at = 14; at < end; at++) {
      for (let bit = 0; bit < 8; bit++) {
        frame[at] ^= 1 << bit;
        if (!hasNoChecksum(frame)) assert.throws(() => parseFrame(frame), Malformed, `byte ${at - 14}, bit ${bit}`);
        frame[at] ^= 1 << bit;
      }
    }
  });
}

/** In UDP a checksum can flip into 0, which means that there is none. */
const hasNoChecksum = (frame) => frame[23] === 17 && frame.readUInt16BE(40) === 0;

test('padding with bytes of another frame is found', () => {
  const frame = padded(ethernet(MACS, udp({ ...ENDS, data: pattern(4) })));
  parseFrame(frame);
  frame[59] = 1;
  assert.throws(() => parseFrame(frame), /padding/);
});

test('frames that are too short or too long, and other protocols, are found', () => {
  const payload = udp({ ...ENDS, data: pattern(1473) });
  assert.throws(() => parseFrame(ethernet(MACS, payload)), /1515 bytes/);
  assert.throws(() => parseFrame(ethernet(MACS, DATAGRAMS.UDP).subarray(0, 59)), /59 bytes/);
  assert.throws(() => parseFrame(padded(ethernet({ ...MACS, type: 0x86dd }, DATAGRAMS.UDP))), /EtherType/);
});

test('fragments are put together in any order, and a gap or a wrong checksum is found', () => {
  const datagram = udp({ ...ENDS, data: pattern(3000), id: 5 });
  const parts = fragments(datagram, 1500).map((piece) => parseFrame(padded(ethernet(MACS, piece))));
  assert.deepEqual(reassemble(parts.toReversed()).udp.data, pattern(3000));
  assert.throws(() => reassemble([parts[0], parts[2]]), /gap/);
  assert.throws(() => reassemble(parts.slice(0, 2)), /last fragment/);
  parts[1].ip.payload[100] ^= 1;
  assert.throws(() => reassemble(parts), /UDP checksum/);
});

/** The invariants of a world with this lease. */
const invariants = () => new Invariants({ wan: { dhcp: { leased: '198.51.100.77' } } });

const VIOLATIONS = {
  'an inside address outside': ['WAN', udp({ ...ENDS, src: '192.168.77.9' }), MACS.dst],
  'a destination inside, outside': ['WAN', udp({ ...ENDS, dst: '192.168.77.9' }), MACS.dst],
  'an address that is not leased': ['WAN', udp({ ...ENDS, src: '198.51.100.78' }), MACS.dst],
  'a packet for the outside, inside': ['LAN', udp(ENDS), MACS.dst],
  'a broadcast that is for one host': ['LAN', udp({ ...ENDS, dst: '192.168.77.9' }), 'ff:ff:ff:ff:ff:ff'],
  'a frame to a group': ['WAN', udp(ENDS), '01:00:5e:00:00:01'],
  'an inside address that an error quotes': [
    'WAN',
    icmpError({
      src: ENDS.src,
      dst: ENDS.dst,
      type: 3,
      code: 3,
      quoted: udp({ src: ENDS.dst, dst: '192.168.77.9', srcPort: 1, dstPort: 2 }),
    }),
    MACS.dst,
  ],
};

for (const [violation, [side, datagram, dst]] of Object.entries(VIOLATIONS)) {
  test(`the invariants reject ${violation}`, () => {
    const packet = parseFrame(padded(ethernet({ ...MACS, dst }, datagram)));
    assert.throws(() => invariants().check(side, packet), Malformed);
  });
}

test('the invariants accept a correct frame, and check its sender', () => {
  const checked = invariants();
  checked.check('WAN', parseFrame(padded(ethernet(MACS, udp(ENDS)))));
  const request = arp({ senderMac: '02:00:00:00:00:03', senderIp: ENDS.src, targetIp: '198.51.100.1' });
  assert.throws(() => checked.check('WAN', parseFrame(padded(request))), /sender/);
});
