/** The FIFOs of OTG FS, in a RAM of 1024 words (RM0433, section 60.10): one for all that is received, one for each endpoint to the host. */
export const RAM_WORDS = 1024;
/** Words of the receive FIFO that are kept for SETUP packets: three of them, and what ends them. */
const FOR_SETUPS = 10;
/** The smallest FIFO to the host. */
const LEAST_WORDS = 16;

/** PKTSTS of GRXSTSP. */
export const STATUS = { data: 2, dataDone: 3, setupDone: 4, setup: 6 };

const wordsOf = (bytes) => Math.ceil(bytes / 4);

/** What is received: entries with a status word and, of packets, their bytes. */
export class ReceiveFifo {
  /** @param {(text: string) => void} mistake */
  constructor(mistake) {
    this.mistake = mistake;
    this.flush();
  }

  flush() {
    this.entries = [];
    this.left = [];
  }

  get used() {
    const waiting = this.entries.reduce((sum, { data }) => sum + 1 + wordsOf(data.length), 0);
    return waiting + this.left.length;
  }

  /** Whether a packet, and the entry that ends it, have room in a FIFO of `size` words. */
  hasRoom(bytes, size, { setup = false } = {}) {
    return this.used + 2 + wordsOf(bytes) <= size - (setup ? 0 : FOR_SETUPS);
  }

  push({ endpoint, status, data = new Uint8Array(0), pid = 0 }) {
    this.entries.push({ endpoint, status, data, pid });
  }

  /** GRXSTSR: the word of the oldest entry. */
  peek() {
    const [entry] = this.entries;
    if (!entry) return 0;
    const { endpoint, status, data, pid } = entry;
    return (endpoint | (data.length << 4) | (pid << 16) | (status << 17)) >>> 0;
  }

  /** GRXSTSP: takes the oldest entry; its data is read next. */
  pop() {
    const entry = this.entries.shift();
    if (this.left.length > 0) this.mistake('a status is taken before the data of the last packet');
    if (!entry) this.mistake('a status is taken from an empty receive FIFO');
    const padded = Buffer.alloc(4 * wordsOf(entry?.data.length ?? 0));
    padded.set(entry?.data ?? []);
    this.left = Array.from({ length: padded.length / 4 }, (_, i) => padded.readUInt32LE(4 * i));
    return entry;
  }

  read() {
    if (this.left.length === 0) this.mistake('data is read that no packet has');
    return this.left.shift() ?? 0;
  }

  /** Bytes of packets for other endpoints than 0 that the firmware has not read. */
  get unread() {
    return this.entries.reduce((sum, { endpoint, data }) => sum + (endpoint > 0 ? data.length : 0), 0);
  }
}

/**
 * Checks the places of all FIFOs in the RAM.
 *
 * @param {{name: string, start: number, words: number}[]} fifos
 * @returns {string | undefined} what is wrong
 */
export function misplaced(fifos) {
  const inOrder = [...fifos].sort((one, other) => one.start - other.start);
  for (const [i, { name, start, words }] of inOrder.entries()) {
    if (words < LEAST_WORDS) return `the ${name} has ${words} words, at least ${LEAST_WORDS} are needed`;
    if (start + words > RAM_WORDS) return `the ${name} ends beyond the ${RAM_WORDS} words of the RAM`;
    const next = inOrder[i + 1];
    if (next && start + words > next.start) return `the ${name} and the ${next.name} overlap`;
  }
  return undefined;
}
