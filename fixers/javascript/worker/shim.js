'use strict';
/* `node:test` for the search: collects tests and runs them in their order, without processes and without reports. */

const real = require('node:test');
const { expect, spies } = require('./expect.js');

class Suite {
  constructor(name, parent, skipped) {
    Object.assign(this, { name, parent, skipped, items: [], before: [], after: [], beforeEach: [], afterEach: [] });
  }

  path(name) {
    return this.parent ? [...this.parent.path(this.name), name] : [name];
  }
}

function split(args) {
  const name = typeof args[0] === 'string' ? args.shift() : undefined;
  const options = typeof args[0] === 'object' && args[0] !== null ? args.shift() : {};
  const body = typeof args[0] === 'function' ? args[0] : undefined;
  return { name: name ?? body?.name ?? '<anonymous>', options, body };
}

function shim() {
  const root = new Suite('', null, false);
  let current = root;
  const waiting = [];

  const makeTest = (extra) => (...args) => {
    const { name, options, body } = split(args);
    const all = { ...options, ...extra };
    current.items.push({ name, body, options: all, suite: current });
    return Promise.resolve();
  };
  const makeSuite = (extra) => (...args) => {
    const { name, options, body } = split(args);
    const suite = new Suite(name, current, Boolean({ ...options, ...extra }.skip) || current.skipped);
    const outer = current;
    outer.items.push(suite);
    current = suite;
    try {
      const done = body?.(suite);
      if (done?.then) waiting.push(done);
    } catch (error) {
      suite.items.push({ name: '<suite>', suite, options: {}, body: () => { throw error; } });
    } finally {
      current = outer;
    }
    return Promise.resolve();
  };
  const variants = (make) => Object.assign(make({}), {
    skip: make({ skip: true }), todo: make({ todo: true }), only: make({}),
  });
  const rows = (make) => (table) => (name, body) => {
    for (const row of table) {
      const given = Array.isArray(row) ? row : [row];
      let at = 0;
      make({})(String(name).replace(/%[sdifjop]/g, () => String(given[at++])), () => body(...given));
    }
  };
  const test = Object.assign(variants(makeTest), { each: rows(makeTest) });
  const describe = Object.assign(variants(makeSuite), { each: rows(makeSuite) });
  const hook = (kind) => (body) => { current[kind].push(body); };
  Object.assign(test, {
    test, it: test, describe, suite: describe, mock: real.mock,
    before: hook('before'), after: hook('after'), beforeEach: hook('beforeEach'), afterEach: hook('afterEach'),
  });
  test.default = test;
  /* What jest, vitest and mocha give their tests, as globals or to be imported. */
  const globals = {
    test, it: test, specify: test, describe, suite: describe, context: describe, expect, jest: spies, vi: spies,
    before: test.before, after: test.after, beforeEach: test.beforeEach, afterEach: test.afterEach,
    beforeAll: test.before, afterAll: test.after,
  };
  return { exports: test, root, waiting, globals };
}

function called(body, context) {
  if (body.length < 2) return body.call(context, context);
  return new Promise((resolve, reject) => body.call(context, context, (error) => (error ? reject(error) : resolve())));
}

async function context(item, report, names) {
  const after = [];
  const own = {
    name: item.name, fullName: names.join(' > '), signal: new AbortController().signal, mock: real.mock, skipped: false,
    diagnostic() {}, runOnly() {}, plan() {}, skip() { own.skipped = true; }, todo() { own.skipped = true; },
    assert: require('node:assert'),
    before(body) { return body(); }, after(body) { after.push(body); }, beforeEach(body) { own.each = body; }, afterEach() {},
    async test(...args) {
      const inner = split(args);
      await own.each?.();
      await one({ ...inner, suite: null }, report, [...names, inner.name]);
    },
  };
  return { own, after };
}

/* Runs one test; `report(id, error|null)` hears of it and throws to stop everything. */
async function one(item, report, names) {
  if (item.options.skip || !item.body || report.begins(names) === false) return;
  const { own, after } = await context(item, report, names);
  let failed = null;
  try {
    for (const suite of chain(item.suite)) for (const body of suite.beforeEach) await body.call(own, own);
    await called(item.body, own);
  } catch (error) {
    failed = { error };
  }
  try {
    for (const body of after) await body(own);
    for (const suite of chain(item.suite).reverse()) for (const body of suite.afterEach) await body.call(own, own);
  } catch (error) {
    failed ??= { error };
  }
  if (failed?.error?.stopped) throw failed.error;
  if (own.skipped || item.options.todo) failed = null;
  await report(names, failed);
}

function chain(suite) {
  return suite ? [...chain(suite.parent), suite] : [];
}

async function run(suite, report) {
  if (suite.skipped) return;
  let failed = null;
  try {
    for (const body of suite.before) await body();
  } catch (error) {
    failed = { error };
  }
  for (const item of suite.items) {
    if (item instanceof Suite) await run(item, report);
    else if (failed) await report(suite.path(item.name), failed);
    else await one(item, report, suite.path(item.name));
  }
  for (const body of suite.after) await body();
}

module.exports = { shim, run };
