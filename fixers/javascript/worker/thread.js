'use strict';
/* One thread of the search: tries candidates one after the other; the main thread ends it when one takes too long. */

const path = require('node:path');
const { parentPort, workerData } = require('node:worker_threads');
const { Loader } = require('./loader.js');
const { run, shim } = require('./shim.js');

const { root, files, tests, mapped, globals } = workerData;
const absolute = (name) => path.join(root, name);
const plain = new Map(Object.entries(files).map(([name, text]) => [absolute(name), text]));
const sources = new Map(Object.entries(mapped).map(([built, source]) => [absolute(built), absolute(source)]));

class Stopped extends Error {
  constructor(why) {
    super(why);
    this.stopped = true;
  }
}

let stray = null;
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => { stray ??= { error }; });
}

function applied(edits) {
  const texts = new Map(plain);
  for (const [name, start, end, text] of [...edits].sort((a, b) => b[1] - a[1])) {
    const file = absolute(name);
    const before = texts.get(file);
    texts.set(file, before.slice(0, start) + text + before.slice(end));
  }
  return texts;
}

/* Runs the test files on the given edits; `report(file, names, failed)` hears of every test, `begins(file, names)` says
 * whether it is to be run. */
async function tried(edits, order, report, begins = () => true) {
  const texts = applied(edits);
  stray = null;
  for (const file of order) {
    const collected = shim();
    const shims = new Map([['node:test', collected.exports]]);
    for (const name of ['vitest', '@jest/globals', 'mocha']) shims.set(name, collected.globals);
    if (globals) Object.assign(globalThis, collected.globals);
    const loader = new Loader({ root, texts, mapped: sources, shims });
    const tell = async (names, failed) => {
      await null;
      report(file, names, failed ?? stray);
      stray = null;
    };
    tell.begins = (names) => begins(file, names);
    try {
      if (!begins(file, ['(file)'])) continue;
      await loader.run(absolute(file));
      await Promise.all(collected.waiting);
      await run(collected.root, tell);
      if (collected.root.items.length === 0) {
        await new Promise((done) => setImmediate(done));
        await tell(['(script)'], null);
      }
    } catch (error) {
      if (error?.stopped) throw error;
      await tell(['(file)'], { error });
    }
  }
}

function told(failed) {
  if (!failed || String(failed.error?.message).startsWith('unsupported')) return null;
  const { error } = failed;
  const text = (value, most) => { try { return String(value).slice(0, most); } catch { return ''; } };
  return { name: text(error?.name ?? typeof error, 100), message: text(error?.message ?? error, 2000),
    stack: text(error?.stack ?? '', 6000), cause: text(error?.cause?.stack ?? '', 3000) };
}

/* Tells of every test as it begins and ends, so that one that never ends is known by name. */
async function survey({ coverage, skip }) {
  const skipped = new Set(skip);
  const session = coverage ? new (require('node:inspector').Session)() : null;
  const post = (method, given) => new Promise((done) => session.post(method, given, (error, value) => done(error ? null : value)));
  if (session) {
    session.connect();
    await post('Profiler.enable');
    await post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }
  const began = performance.now();
  await tried([], tests, (file, names, failed) => {
    const test = { file, names, error: told(failed) };
    if (session) session.post('Profiler.takePreciseCoverage', (error, value) => { if (!error) test.covered = covered(value.result); });
    parentPort.postMessage({ test });
  }, (file, names) => {
    if (skipped.has([file, ...names].join('\0'))) return false;
    parentPort.postMessage({ begins: { file, names } });
    return true;
  });
  return { seconds: (performance.now() - began) / 1000 };
}

/* Per file of ours the [start, end, start, end…] that ran, in UTF-16 offsets. */
function covered(scripts) {
  const found = {};
  for (const { url, functions } of scripts) {
    const name = path.relative(root, url.replace(/^file:\/\//, ''));
    if (!(name in files)) continue;
    const ranges = functions.flatMap((one) => one.ranges).sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
    found[name] = (found[name] ?? []).concat(flat(ranges));
  }
  return found;
}

function flat(ranges) {
  const out = [];
  const open = [];
  let at = 0;
  const upTo = (place) => {
    const top = open[open.length - 1];
    if (top && top.count > 0 && place > at) out.push(at, place);
    at = Math.max(at, place);
  };
  for (const range of ranges) {
    while (open.length && open[open.length - 1].endOffset <= range.startOffset) upTo(open[open.length - 1].endOffset), open.pop();
    upTo(range.startOffset);
    at = range.startOffset;
    open.push(range);
  }
  while (open.length) upTo(open[open.length - 1].endOffset), open.pop();
  return out;
}

async function candidate({ edits, order, must, spare }) {
  const left = new Set(must);
  const tolerated = new Set(spare);
  let passed = 0;
  try {
    await tried(edits, order, (file, names, failed) => {
      const id = [file, ...names].join('\0');
      if (failed && !tolerated.has(id)) throw new Stopped(id);
      if (!failed) { passed++; left.delete(id); }
    });
  } catch (error) {
    if (error?.stopped) return { ok: false, passed };
    return { ok: false, passed, broke: true };
  }
  return { ok: left.size === 0, passed };
}

parentPort.on('message', async (order) => {
  try {
    const answer = order.op === 'survey' ? await survey(order) : await candidate(order);
    parentPort.postMessage({ n: order.n, ...answer });
  } catch (error) {
    parentPort.postMessage({ n: order.n, ok: false, broke: true, why: String(error?.stack ?? error).slice(0, 2000) });
  }
});
parentPort.postMessage({ ready: true });
