/** Compares figures with those that are committed. */

/** A new compiler release changes figures a little; look at larger changes. */
const TOLERANCE = 0.03;
const SMALL = 20;
/** Printed but not compared: function names change with every refactoring, and memory has its own check. */
const UNCOMPARED = new Set(['byFunction', 'bySection']);

/** @returns {string[]} a line for each figure that differs */
export function differences(expected, actual, path = '') {
  if (typeof expected === 'number') return differs(expected, actual) ? [`${path}: ${actual}, was ${expected}`] : [];
  return Object.keys(expected)
    .filter((key) => !UNCOMPARED.has(key))
    .flatMap((key) => differences(expected[key], actual?.[key], path ? `${path}.${key}` : key));
}

function differs(expected, actual) {
  return actual === undefined ? expected > SMALL : Math.abs(actual - expected) > Math.max(TOLERANCE * expected, SMALL);
}
