/** Compares figures with those that are committed. */

/** Another compiler release moves figures a little; what moves them more is worth a look. */
const TOLERANCE = 0.03;
const SMALL = 20;
/** What is told but not compared: names change with every refactoring, and memory has a check of its own. */
const UNCOMPARED = new Set(['byFunction', 'bySection']);

/** @returns {string[]} a line for each figure that is not as it was */
export function differences(expected, actual, path = '') {
  if (typeof expected === 'number') return differs(expected, actual) ? [`${path}: ${actual}, was ${expected}`] : [];
  return Object.keys(expected)
    .filter((key) => !UNCOMPARED.has(key))
    .flatMap((key) => differences(expected[key], actual?.[key], path ? `${path}.${key}` : key));
}

function differs(expected, actual) {
  return actual === undefined ? expected > SMALL : Math.abs(actual - expected) > Math.max(TOLERANCE * expected, SMALL);
}
