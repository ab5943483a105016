/**
 * A small deterministic generator (mulberry32), so that a run is the same for the same seed.
 *
 * @param {number} seed
 * @returns {() => number} the next 32-bit unsigned value
 */
export function randomWords(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  };
}
