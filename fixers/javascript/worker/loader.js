'use strict';
/* Loads the tree's modules afresh for every candidate, in one realm, with other texts in place of some files.
 * Only modules of the tree are loaded anew; node's own and installed ones stay loaded. */

const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');
const { createRequire, isBuiltin } = require('node:module');
const { fileURLToPath, pathToFileURL } = require('node:url');

const EXTENSIONS = ['', '.js', '.cjs', '.mjs', '.json', '.ts', '.mts', '.tsx', '/index.js', '/index.cjs', '/index.ts'];

class Loader {
  /* `texts`: absolute path → what is to be compiled; `mapped`: built file → its source; `shims`: name → exports. */
  constructor({ root, texts, mapped, shims }) {
    Object.assign(this, { root: root + path.sep, texts, mapped, shims, cjs: new Map(), esm: new Map(), kinds: new Map() });
  }

  text(file) {
    return this.texts.has(file) ? this.texts.get(file) : fs.readFileSync(file, 'utf8');
  }

  own(file) {
    return file.startsWith(this.root) && !file.includes(`${path.sep}node_modules${path.sep}`);
  }

  /* A file, a shim ({shim}), or null for what node itself has to load. */
  resolve(name, from) {
    if (this.shims.has(name)) return { shim: name };
    if (isBuiltin(name)) return null;
    if (name.startsWith('file:')) name = fileURLToPath(name);
    if (name.startsWith('.') || path.isAbsolute(name)) {
      const file = this.file(path.resolve(path.dirname(from), name));
      if (file) return { file };
    }
    try {
      const file = createRequire(from).resolve(name);
      return this.own(file) ? { file } : null;
    } catch (error) {
      if (name.startsWith('.')) throw error;
      return null;
    }
  }

  file(wanted) {
    if (this.mapped.has(wanted)) return this.mapped.get(wanted);
    for (const extension of EXTENSIONS) {
      const found = wanted + extension;
      if (this.mapped.has(found)) return this.mapped.get(found);
      if (this.texts.has(found) || isFile(found)) return found;
    }
    const typed = wanted.replace(/\.([cm]?)js$/, '.$1ts');
    return this.texts.has(typed) ? typed : isFile(path.join(wanted, 'package.json')) ? createRequire(wanted + '/x').resolve(wanted) : '';
  }

  isModule(file) {
    if (/\.(mjs|mts|ts|tsx)$/.test(file)) return true;
    if (!file.endsWith('.js')) return false;
    const folder = path.dirname(file);
    if (!this.kinds.has(folder)) this.kinds.set(folder, packageType(folder) === 'module');
    return this.kinds.get(folder);
  }

  require(name, from) {
    const found = this.resolve(name, from);
    if (found === null) return createRequire(from)(name);
    if (found.shim) return this.shims.get(found.shim);
    return this.load(found.file);
  }

  load(file) {
    if (this.cjs.has(file)) return this.cjs.get(file).exports;
    if (this.isModule(file)) throw new Error(`unsupported: require of the module ${file}`);
    const module = { exports: {}, id: file, filename: file, loaded: false, children: [], paths: [] };
    this.cjs.set(file, module);
    if (file.endsWith('.json')) return (module.exports = JSON.parse(this.text(file)));
    const text = this.text(file).replace(/^#!.*/, '');
    const run = vm.compileFunction(text, ['exports', 'require', 'module', '__filename', '__dirname'], {
      filename: file, importModuleDynamically: (name) => this.import(name, file),
    });
    const requires = (name) => this.require(name, file);
    requires.resolve = (name) => this.resolve(name, file)?.file ?? createRequire(file).resolve(name);
    requires.cache = {};
    requires.main = undefined;
    module.require = requires;
    run.call(module.exports, module.exports, requires, module, file, path.dirname(file));
    module.loaded = true;
    return module.exports;
  }

  async import(name, from) {
    const module = await this.module(name, from);
    if (module.status === 'unlinked') await module.link((spec, parent) => this.module(spec, parent.identifier));
    if (module.status === 'linked') await module.evaluate();
    if (module.status === 'errored') throw module.error;
    return module.namespace;
  }

  module(name, from) {
    const found = this.resolve(name, from);
    const key = found?.file ?? name;
    if (!this.esm.has(key)) this.esm.set(key, this.made(found, name, from));
    return this.esm.get(key);
  }

  async made(found, name, from) {
    if (found?.shim) return synthetic(this.shims.get(found.shim), name);
    if (found === null) {
      const file = isBuiltin(name) ? name : pathToFileURL(createRequire(from).resolve(name)).href;
      const namespace = await import(file);
      return new vm.SyntheticModule(Object.keys(namespace), function () {
        for (const key of Object.keys(namespace)) this.setExport(key, namespace[key]);
      }, { identifier: file });
    }
    if (!this.isModule(found.file)) return synthetic(this.load(found.file), found.file);
    return new vm.SourceTextModule(this.text(found.file).replace(/^#!.*/, ''), {
      identifier: found.file,
      initializeImportMeta: (meta) => {
        meta.url = pathToFileURL(found.file).href;
        meta.filename = found.file;
        meta.dirname = path.dirname(found.file);
      },
      importModuleDynamically: (spec) => this.import(spec, found.file),
    });
  }

  async run(file) {
    if (this.isModule(file)) return this.import(file, file);
    return this.load(file);
  }
}

function synthetic(exported, identifier) {
  const inner = exported !== null && ['object', 'function'].includes(typeof exported) ? Object.keys(exported) : [];
  const names = [...new Set(['default', ...inner])];
  return new vm.SyntheticModule(names, function () {
    for (const name of inner) this.setExport(name, exported[name]);
    if (!inner.includes('default')) this.setExport('default', exported);
  }, { identifier });
}

function isFile(file) {
  try {
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function packageType(folder) {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8')).type ?? 'commonjs';
    } catch {
      if (at === path.dirname(at)) return 'commonjs';
    }
  }
}

module.exports = { Loader };
