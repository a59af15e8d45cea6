'use strict';
/* The part of `expect` that jest and vitest share, for the search only: what it lacks is said to be unsupported, and the
 * real runner confirms every candidate that passes here. */

const assert = require('node:assert');
const { inspect, isDeepStrictEqual } = require('node:util');

const fail = (what, actual, wanted) => {
  throw new assert.AssertionError({ message: `${what}: ${inspect(actual)}, expected ${inspect(wanted)}`, actual, expected: wanted });
};
const plain = (value, seen = new Map()) => {
  if (value === null || typeof value !== 'object' || value instanceof Date || value instanceof RegExp) return value;
  if (seen.has(value)) return seen.get(value);
  if (Array.isArray(value)) {
    const list = [];
    seen.set(value, list);
    for (const one of value) list.push(plain(one, seen));
    return list;
  }
  if (value instanceof Map || value instanceof Set || value instanceof Error) return value;
  const made = {};
  seen.set(value, made);
  for (const key of Object.keys(value)) if (value[key] !== undefined) made[key] = plain(value[key], seen);
  return made;
};
const meant = (wanted) => wanted?.asymmetric === true;
const like = (actual, wanted) => {
  if (meant(wanted)) return wanted.match(actual);
  if (wanted instanceof Error) return actual instanceof Error && actual.message === wanted.message;
  if (Array.isArray(wanted)) return Array.isArray(actual) && actual.length === wanted.length && wanted.every((one, i) => like(actual[i], one));
  if (wanted !== null && typeof wanted === 'object' && Object.getPrototypeOf(wanted) === Object.prototype && actual !== null && typeof actual === 'object') {
    const a = plain(actual), w = plain(wanted);
    return Object.keys(a).length === Object.keys(w).length && Object.keys(w).every((key) => key in a && like(actual[key], wanted[key]));
  }
  return isDeepStrictEqual(plain(actual), plain(wanted));
};
const part = (actual, wanted) => {
  if (wanted === null || typeof wanted !== 'object' || meant(wanted) || Array.isArray(wanted)) return like(actual, wanted);
  return actual !== null && typeof actual === 'object' && Object.keys(wanted).every((key) => part(actual[key], wanted[key]));
};
const at = (actual, path) => (Array.isArray(path) ? path : String(path).split('.')).reduce((value, key) => value?.[key], actual);
const thrown = (error, wanted) => {
  if (wanted === undefined) return true;
  const text = String(error?.message ?? error);
  if (typeof wanted === 'string') return text.includes(wanted);
  if (wanted instanceof RegExp) return wanted.test(text);
  return typeof wanted === 'function' ? error instanceof wanted : text === wanted?.message;
};

const MATCHERS = {
  toBe: (a, w) => Object.is(a, w),
  toEqual: like,
  toStrictEqual: (a, w) => (meant(w) ? w.match(a) : isDeepStrictEqual(a, w)),
  toBeTruthy: (a) => Boolean(a), toBeFalsy: (a) => !a, toBeNull: (a) => a === null, toBeUndefined: (a) => a === undefined,
  toBeDefined: (a) => a !== undefined, toBeNaN: (a) => Number.isNaN(a),
  toBeGreaterThan: (a, w) => a > w, toBeGreaterThanOrEqual: (a, w) => a >= w, toBeLessThan: (a, w) => a < w,
  toBeLessThanOrEqual: (a, w) => a <= w,
  toBeCloseTo: (a, w, digits = 2) => a === w || Math.abs(a - w) < 10 ** -digits / 2,
  toContain: (a, w) => (typeof a === 'string' ? a.includes(w) : [...a].includes(w)),
  toContainEqual: (a, w) => [...a].some((one) => like(one, w)),
  toHaveLength: (a, w) => a?.length === w,
  toMatch: (a, w) => (w instanceof RegExp ? w.test(a) : String(a).includes(w)),
  toMatchObject: part,
  toHaveProperty: (a, path, ...w) => (w.length ? like(at(a, path), w[0]) : at(a, path) !== undefined),
  toBeInstanceOf: (a, w) => a instanceof w, toBeTypeOf: (a, w) => typeof a === w,
  toHaveBeenCalled: (a) => a.mock.calls.length > 0,
  toHaveBeenCalledTimes: (a, w) => a.mock.calls.length === w,
  toHaveBeenCalledWith: (a, ...w) => a.mock.calls.some((given) => like(given, w)),
  toHaveBeenLastCalledWith: (a, ...w) => like(a.mock.calls.at(-1), w),
};

function check(name, actual, wanted, not) {
  if (Boolean(MATCHERS[name](actual, ...wanted)) === not) fail(`${not ? 'not ' : ''}${name}`, actual, wanted[0]);
}

function throws(actual, wanted, not) {
  let error;
  let did = false;
  try { actual(); } catch (caught) { error = caught; did = true; }
  if ((did && thrown(error, wanted)) === not) fail(`${not ? 'not ' : ''}toThrow`, error, wanted);
}

function expectation(actual, not, way) {
  return new Proxy({}, { get(_, name) {
    if (name === 'then') return undefined;
    if (name === 'not') return expectation(actual, !not, way);
    if (name === 'resolves' || name === 'rejects') return expectation(actual, not, name);
    const throwing = name === 'toThrow' || name === 'toThrowError';
    if (!throwing && !(name in MATCHERS)) throw new Error(`unsupported: expect().${String(name)}`);
    return (...wanted) => {
      if (way === 'resolves') return Promise.resolve(actual).then((value) => check(name, value, wanted, not));
      if (way === 'rejects') {
        return Promise.resolve(typeof actual === 'function' ? actual() : actual).then(
          (value) => fail('rejects', value, wanted[0]),
          (error) => (throwing ? throws(() => { throw error; }, wanted[0], not) : check(name, error, wanted, not)));
      }
      return throwing ? throws(actual, wanted[0], not) : check(name, actual, wanted, not);
    };
  } });
}

const matching = (match) => ({ asymmetric: true, match });
const expect = Object.assign((actual) => expectation(actual, false, ''), {
  anything: () => matching((a) => a !== null && a !== undefined),
  any: (kind) => matching((a) => a instanceof kind || typeof a === kind.name.toLowerCase()),
  objectContaining: (w) => matching((a) => part(a, w)),
  arrayContaining: (w) => matching((a) => w.every((one) => a.some((other) => like(other, one)))),
  stringContaining: (w) => matching((a) => String(a).includes(w)),
  stringMatching: (w) => matching((a) => new RegExp(w).test(a)),
  closeTo: (w, digits = 2) => matching((a) => Math.abs(a - w) < 10 ** -digits / 2),
  assertions() {}, hasAssertions() {},
});

function fn(body = () => undefined) {
  let todo = body;
  const once = [];
  const made = function (...given) {
    made.mock.calls.push(given);
    const value = (once.shift() ?? todo).apply(this, given);
    made.mock.results.push({ type: 'return', value });
    return value;
  };
  return Object.assign(made, {
    mock: { calls: [], results: [] },
    mockReturnValue(value) { todo = () => value; return made; },
    mockReturnValueOnce(value) { once.push(() => value); return made; },
    mockResolvedValue(value) { todo = async () => value; return made; },
    mockResolvedValueOnce(value) { once.push(async () => value); return made; },
    mockRejectedValue(error) { todo = async () => { throw error; }; return made; },
    mockRejectedValueOnce(error) { once.push(async () => { throw error; }); return made; },
    mockImplementation(other) { todo = other; return made; },
    mockImplementationOnce(other) { once.push(other); return made; },
    mockClear() { made.mock.calls = []; made.mock.results = []; return made; },
    mockReset() { todo = () => undefined; return made.mockClear(); },
  });
}

const spies = new Proxy({ fn }, { get(own, name) {
  if (name in own) return own[name];
  throw new Error(`unsupported: ${String(name)} of the runner`);
} });

module.exports = { expect, spies };
