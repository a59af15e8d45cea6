'use strict';
/* The search's own process inside the sandbox: reads its orders from a file, tells what it finds in lines of JSON.
 * Candidates are tried in threads that share nothing with it; what passes there is confirmed by the check itself, in
 * processes of its own, before it is told. */

const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { Worker } = require('node:worker_threads');

const orders = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const tell = (message) => fs.writeSync(1, `${JSON.stringify(message)}\n`);
const began = Date.now();
const MOST_BYTES = 3 << 20;
const left = () => orders.deadline_ms - (Date.now() - began);

class Thread {
  constructor() {
    this.worker = new Worker(path.join(__dirname, 'thread.js'), {
      workerData: { root: orders.root, files: orders.files, tests: orders.tests, mapped: orders.mapped,
        globals: orders.globals },
      stdout: true, stderr: true, resourceLimits: { maxOldGenerationSizeMb: 256 },
    });
    this.worker.stdout.resume();
    this.worker.stderr.resume();
    this.waiting = null;
    const lost = () => this.heard({ ok: false, lost: true });
    this.worker.on('message', (message) => this.heard(message));
    this.worker.on('error', lost);
    this.worker.on('exit', () => { this.dead = true; lost(); });
  }

  heard(message) {
    if (message.test || message.begins) return this.told?.(message);
    const waiting = this.waiting;
    this.waiting = null;
    waiting?.(message);
  }

  next(limit_ms) {
    return new Promise((done) => {
      const timer = setTimeout(() => { this.dead = true; this.heard({ ok: false, slow: true }); }, limit_ms);
      this.waiting = (message) => { clearTimeout(timer); done(message); };
      if (this.dead) this.heard({ ok: false, lost: true });
    });
  }

  async start() {
    return (await this.next(20000)).ready === true;
  }

  ask(order, limit_ms) {
    const answer = this.next(limit_ms);
    this.worker.postMessage(order);
    return answer;
  }

  end() {
    this.dead = true;
    return this.worker.terminate();
  }
}

/* What every test does, one that never ends included: it is left out when the rest is asked again. */
async function survey() {
  const hung = [];
  let tests = [], seconds = 0, coverage = true;
  for (let round = 0; round < 6 && left() > 0; round++) {
    const thread = new Thread();
    let current = null, last = Date.now();
    tests = [];
    thread.told = (message) => {
      last = Date.now();
      if (message.test) tests.push(message.test);
      current = message.begins ?? null;
    };
    let answer = { lost: true };
    if (await thread.start()) {
      const watch = setInterval(() => { if (Date.now() - last > orders.hang_ms) { thread.heard({ slow: true }); } }, 200);
      answer = await thread.ask({ op: 'survey', coverage, skip: hung.map((one) => [one.file, ...one.names].join('\0')) }, Math.max(1000, left()));
      clearInterval(watch);
    }
    await thread.end();
    if (answer.seconds !== undefined) { seconds = answer.seconds; break; }
    if (answer.slow && current) hung.push(current);
    else coverage = false;
  }
  const error = { name: 'Hung', message: 'the test does not end', stack: '', cause: '' };
  return told([...tests, ...hung.map((one) => ({ ...one, error, hung: true }))], seconds);
}

/* What a sandbox may say is limited: what passing tests ran is left out, every second one at a time, until it fits. */
function told(tests, seconds) {
  for (;;) {
    const message = { t: 'survey', tests, seconds };
    const full = tests.filter((one) => one.covered);
    if (full.length === 0 || JSON.stringify(message).length < MOST_BYTES) return tell(message);
    const passing = full.filter((one) => !one.error);
    for (const [at, one] of (passing.length ? passing : full).entries()) if (at % 2 === 0) delete one.covered;
  }
}

async function search() {
  const found = [];
  let at = 0, tried = 0, enough = Infinity, lost = 0;
  const over = () => at >= orders.candidates.length || Date.now() > enough || left() < 300 || found.length >= orders.patches;
  async function worker() {
    let thread = null;
    while (!over()) {
      if (thread === null || thread.dead) {
        if (thread) await thread.end();
        thread = new Thread();
        if (!(await thread.start())) { lost++; if (lost > 8) break; continue; }
      }
      const n = at++;
      const answer = await thread.ask({ edits: orders.candidates[n], order: orders.order, must: orders.must,
        spare: orders.spare }, orders.limit_ms);
      tried++;
      if (answer.ok) {
        found.push(n);
        tell({ t: 'plausible', n });
        enough = Math.min(enough, Date.now() + orders.linger_ms);
      }
    }
    await thread?.end();
  }
  await Promise.all(Array.from({ length: orders.cores }, worker));
  tell({ t: 'idle', tried, why: left() < 300 ? 'deadline' : at >= orders.candidates.length ? 'exhausted' : 'enough' });
  return found;
}

/* Tries candidates by the command itself, in copies of the tree, so that nothing is shared. */
async function commands() {
  const { spawn } = require('node:child_process');
  let at = 0, tried = 0, enough = Infinity, count = 0;
  const over = () => at >= orders.candidates.length || Date.now() > enough || left() < 500 || count >= orders.patches;
  const kill = (child) => { try { process.kill(-child.pid, 'SIGKILL'); } catch { /* gone already */ } };
  const once = (folder, command) => new Promise((done) => {
    const child = spawn('sh', ['-c', command], { cwd: folder, stdio: 'ignore', detached: true });
    const timer = setTimeout(() => kill(child), Math.min(orders.limit_ms, Math.max(500, left())));
    child.on('close', (code) => { clearTimeout(timer); kill(child); done(code === 0); });
    child.on('error', () => done(false));
  });
  async function worker(_, number) {
    const folder = `${orders.root}/.nightshift-${number}`;
    copy(folder);
    while (!over()) {
      const n = at++;
      const names = write(folder, orders.candidates[n]);
      const ok = (!orders.narrow || (await once(folder, orders.narrow))) && (await once(folder, orders.command));
      write(folder, [], names);
      tried++;
      if (ok) {
        count++;
        tell({ t: 'plausible', n });
        enough = Math.min(enough, Date.now() + orders.linger_ms);
      }
    }
    fs.rmSync(folder, { recursive: true, force: true });
  }
  await Promise.all(Array.from({ length: orders.cores }, worker));
  tell({ t: 'idle', tried, why: left() < 500 ? 'deadline' : at >= orders.candidates.length ? 'exhausted' : 'enough' });
}

function copy(folder) {
  fs.mkdirSync(folder);
  for (const name of fs.readdirSync(orders.root)) {
    if (name.startsWith('.nightshift-')) continue;
    if (name === 'node_modules') fs.symlinkSync(path.join(orders.root, name), path.join(folder, name));
    else fs.cpSync(path.join(orders.root, name), path.join(folder, name), { recursive: true, verbatimSymlinks: true });
  }
}

function write(folder, edits, restore = []) {
  const texts = new Map(restore.map((name) => [name, orders.originals[name]]));
  for (const [name, start, end, text] of [...edits].sort((a, b) => b[1] - a[1])) {
    const before = texts.get(name) ?? orders.originals[name];
    texts.set(name, before.slice(0, start) + text + before.slice(end));
  }
  for (const [name, text] of texts) fs.writeFileSync(path.join(folder, name), text);
  return [...texts.keys()];
}

({ survey, search, commands })[orders.op]().then(() => process.exit(0));
