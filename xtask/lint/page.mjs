// Runs every scenario of a folder in one real browser, each with a demo server of its own, and prints a line for each.
// Started by `cargo xtask lint-page`, which brings what it imports: PROGRAM BROWSER SCENARIOS LEAVINGS NAME|- [PICTURES]
import strict from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [program, executable, scenarios, leavings, only, pictures] = process.argv.slice(2);
// Packages stand beside what the run leaves, not beside this file.
const bring = createRequire(join(leavings, 'package.json'));
const puppeteer = (await import(pathToFileURL(bring.resolve('puppeteer-core')))).default;
const axe = bring('axe-core').source;
const started = [];

const freePort = () => new Promise((resolve, reject) => {
  const probe = createServer().on('error', reject).listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

/** A server on a port of its own: `words` for the command line, a config where there is one. */
async function serve(name, words, config, env = {}) {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const folder = join(leavings, name);
  await mkdir(folder, { recursive: true });
  const before = [];
  if (config) {
    await writeFile(join(folder, 'wellspring.toml'), config);
    before.push('--config', join(folder, 'wellspring.toml'));
  }
  const log = createWriteStream(join(folder, 'server.log'));
  await new Promise((resolve) => log.once('open', resolve));
  let child;
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  const start = async () => {
    child = spawn(program, [...before, ...words, '--listen', `127.0.0.1:${port}`], { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', log, log] });
    for (let tries = 0; !(await fetch(`${base}/ready`).catch(() => null))?.ok; tries += 1) {
      if (tries > 400 || child.exitCode !== null) throw new Error(`${name} does not start; see ${join(folder, 'server.log')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await start();
  const server = { base, program, stop, restart: async () => { await stop(); await start(); } };
  started.push(server);
  return server;
}

// One for each scenario: tabs that compete for one browser are slowed down by it.
const open = () => puppeteer.launch({ executablePath: executable, headless: 'shell', args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
const wanted = pictures ? ['pictures.mjs'] : (await readdir(scenarios)).filter((name) => name.endsWith('.mjs') && name !== 'pictures.mjs' && (only === '-' || name === `${only}.mjs`)).sort();
if (wanted.length === 0) throw new Error(`there is no scenario ${only}`);

async function one(file) {
  const name = file.replace(/\.mjs$/, '');
  const begun = Date.now();
  const browser = await open();
  try {
    const { scenario } = await import(pathToFileURL(join(scenarios, file)));
    const server = await serve(name, ['demo']);
    const more = { axe, pictures, serve: (label, config, env) => serve(`${name}-${label}`, ['serve'], config, env) };
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('it took longer than 120 s')), 120_000).unref());
    await Promise.race([scenario({ browser, base: server.base, server, assert: strict, ...more }), late]);
    console.log(`${name}: nothing wrong in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    return true;
  } catch (error) {
    console.log(`${name}: FAULT: ${error.stack ?? error}`);
    return false;
  } finally {
    await browser.close();
  }
}

// At once: they wait for the same slow sites most of the time.
const passed = await Promise.all(wanted.map(one));
await Promise.all(started.map((server) => server.stop().catch(() => {})));
process.exit(passed.every(Boolean) ? 0 : 1);
