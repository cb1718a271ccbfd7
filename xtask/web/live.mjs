// Live data in a real browser: what is there is shown, what changes swaps in without a reload, a restart is survived, and eight
// sources in two tabs leave the browser connections for everything else.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LONG = { timeout: 60_000 };
const NAMES = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];

/** A tab that notes what went wrong in it, and which streams it opened. */
async function tab(browser, address) {
  const page = await browser.newPage();
  const seen = { page, wrong: [], streams: 0, loads: 0, mayFail: false };
  page.on('console', message => {
    const unreachable = seen.mayFail && /Failed to load resource/.test(message.text());
    if (message.type() === 'error' && !unreachable) seen.wrong.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', error => seen.wrong.push(String(error)));
  page.on('request', request => { seen.streams += request.resourceType() === 'eventsource'; });
  page.on('load', () => { seen.loads += 1; });
  await page.evaluateOnNewDocument(() => {
    addEventListener('securitypolicyviolation', event => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    // What a badge said, whenever it said something else.
    globalThis.badges = [];
    new MutationObserver(changes => changes.forEach(({ target }) => {
      const badge = target.nodeType === 1 ? target : target.parentElement;
      if (badge?.dataset?.state) globalThis.badges.push(`${badge.closest('section')?.id} ${badge.dataset.state}`);
    })).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-state'] });
  });
  await page.goto(address, { waitUntil: 'load' });
  return seen;
}

const first = name => `document.querySelector('#${name} .items li .name')?.textContent`;

async function shipped({ browser, base, server, assert }) {
  const seen = await tab(browser, `${base}/demo`);
  const { page } = seen;
  for (const name of ['cinema', 'events', 'google_trend']) {
    await page.waitForFunction(`document.querySelectorAll('#${name} .items li:not(.none)').length >= 10`, LONG);
  }
  const film = await page.evaluate(first('cinema'));
  await page.waitForFunction(`${first('cinema')} !== ${JSON.stringify(film)}`, LONG);
  const said = await page.evaluate(() => globalThis.badges);
  for (const state of ['loading', 'fresh', 'updating']) assert(said.includes(`cinema ${state}`), `cinema was ${state}: ${said}`);
  await page.waitForFunction(`document.querySelector('#news').textContent.includes('Cinema')`, LONG);
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the window');

  seen.mayFail = true;
  const before = await page.evaluate(first('events'));
  await page.evaluate(() => { globalThis.badges = []; });
  await server.restart();
  // The demo keeps nothing, so after a restart it begins anew: what was shown stays until there is something to show.
  assert.equal(await page.evaluate(first('events')), before);
  await page.waitForFunction(() => globalThis.badges.includes('events fresh') && globalThis.badges.includes('cinema fresh'), LONG);
  seen.mayFail = false;
  const later = await page.evaluate(first('cinema'));
  await page.waitForFunction(`${first('cinema')} !== ${JSON.stringify(later)}`, LONG);
  assert.equal(seen.loads, 1, 'without a reload');
  assert.deepEqual(seen.wrong, []);
  await page.close();
}

/** A server with eight sources of one slow site, whose items change when told. */
async function eight(program, use) {
  let edition = 1;
  const site = createServer((request, response) => setTimeout(() => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify([{ title: `${request.url} edition ${edition}` }]));
  }, 300)).listen(0, '127.0.0.1');
  await new Promise(resolve => site.once('listening', resolve));
  const folder = await mkdtemp(join(tmpdir(), 'live-'));
  const source = name => `[source.${name}]\nurl = "http://127.0.0.1:${site.address().port}/${name}"\nformat = "json"\nmin_interval = "1s"\nfresh_for = "${name === 'eight' ? '1h' : '4s'}"\n`;
  const fetching = '[fetch]\nallow_private = true\nrobots = false\n';
  await writeFile(join(folder, 'wellspring.toml'), `[store]\nurl = "memory:"\n${fetching}${NAMES.map(source).join('')}`);
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const command = ['--config', join(folder, 'wellspring.toml'), 'serve', '--listen', `127.0.0.1:${port}`];
  const child = spawn(program, command, { cwd: folder, stdio: 'ignore' });
  try {
    const base = `http://127.0.0.1:${port}`;
    for (let tries = 0; !(await fetch(`${base}/ready`).catch(() => null))?.ok; tries += 1) {
      if (tries > 200) throw new Error('the server of eight sources does not start');
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    await use(base, async () => {
      edition += 1;
      // The last one does not turn stale: that it is new, only the stream can tell a page.
      await fetch(`${base}/api/eight/refresh`, { method: 'POST' });
      return edition;
    });
  } finally {
    child.kill();
    site.close();
    await rm(folder, { recursive: true });
  }
}

async function twoTabs({ browser, base, assert }, next) {
  const tabs = [await tab(browser, `${base}/demo`), await tab(browser, `${base}/demo`)];
  const show = edition => NAMES.map(name => `${first(name)} === '/${name} edition ${edition}'`).join(' && ');
  for (const { page } of tabs) await page.waitForFunction(show(1), LONG);
  assert(await tabs[0].page.evaluate(() => document.querySelector('#notice').textContent.includes('none of the sources that ship')));
  const edition = await next();
  for (const { page } of tabs) await page.waitForFunction(show(edition), LONG);
  // It opens anew as it comes to know of more sources, but in one of them only.
  assert.equal(tabs.filter(seen => seen.streams).length, 1, `the tabs share a stream: ${tabs.map(seen => seen.streams)}`);
  for (const { page } of tabs) {
    const took = await page.evaluate(async () => {
      const start = performance.now();
      await Promise.all([...Array(6)].map((_, n) => fetch(`api/one?limit=${n}`)));
      return performance.now() - start;
    });
    assert(took < 2_000, `six fetches beside the streams took ${took} ms`);
  }
  // The tab that held the stream goes: the other takes over.
  const [gone, left] = tabs[0].streams ? tabs : tabs.toReversed();
  assert.deepEqual(gone.wrong, []);
  await gone.page.close();
  const last = await next();
  await left.page.waitForFunction(show(last), LONG);
  for (let tries = 0; left.streams < 1; tries += 1) {
    assert(tries < 100, 'the tab that is left opens a stream');
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  assert.equal(left.loads, 1, 'without a reload');
  assert.deepEqual(left.wrong, []);
  await left.page.close();
}

/** A page of another origin, and the server behind a prefix: what a front end elsewhere has. */
async function elsewhere({ browser, base, assert }, next) {
  const inner = new URL(base);
  const through = createServer((request, response) => {
    if (!request.url.startsWith('/behind/')) return response.writeHead(404).end();
    const onward = { host: inner.hostname, port: inner.port, path: request.url.slice(7), headers: { ...request.headers, host: inner.host } };
    const asked = ask(onward, answer => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    asked.on('error', () => response.destroy());
    response.on('close', () => asked.destroy());
    return asked.end();
  });
  const front = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><html lang="id"><link rel="icon" href="data:,"><p id="badge"></p><ul id="list"></ul><script type="module">
      import { watch } from '${at(through)}/behind/wellspring.js';
      globalThis.drawn = 0;
      globalThis.stop = watch('/api/one?fields=title', items => {
        globalThis.drawn += 1;
        document.querySelector('#list').textContent = items.map(item => item.title).join();
      }, { badge: '#badge', words: { fresh: age => 'Segar: ' + age } });
      watch('/api/absent', () => {}, { onerror: error => { globalThis.refused = error.status; } });
    </script>`);
  });
  for (const server of [through, front]) await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  try {
    for (const locks of [true, false]) {
      const seen = await tab(browser, 'about:blank');
      const { page } = seen;
      // What no such source answers is an error in the console too.
      seen.mayFail = true;
      if (!locks) await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
      await page.goto(at(front));
      const shows = edition => page.waitForFunction(`document.querySelector('#list').textContent === '/one edition ${edition}'`, LONG);
      await shows(await next());
      await page.waitForFunction(() => /^Segar: (sekarang|.* yang lalu)$/.test(document.querySelector('#badge').textContent), LONG);
      await page.waitForFunction(() => globalThis.refused === 404, LONG);
      assert(seen.streams > 0, 'a source that is not there costs the others no stream');

      // Put aside, as a page that its reader leaves is, and taken up again.
      await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide')));
      const [drawn, streams] = [await page.evaluate(() => globalThis.drawn), seen.streams];
      const edition = await next();
      await new Promise(resolve => setTimeout(resolve, 6_000));
      assert.equal(await page.evaluate(() => globalThis.drawn), drawn, 'a page that is put aside asks for nothing');
      await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
      await shows(edition);
      assert(seen.streams > streams, 'it listens again');

      await page.evaluate(() => globalThis.stop());
      const last = await page.evaluate(() => globalThis.drawn);
      await next();
      await new Promise(resolve => setTimeout(resolve, 6_000));
      assert.equal(await page.evaluate(() => globalThis.drawn), last, 'what was stopped draws nothing');
      assert.deepEqual(seen.wrong, []);
      await page.close();
    }
  } finally {
    for (const server of [through, front]) server.close();
  }
}

const at = server => `http://127.0.0.1:${server.address().port}`;

/** `server.program` is the built program; `server.restart()` ends the demo and starts it again at the same address. */
export async function scenario({ browser, base, server, assert }) {
  await shipped({ browser, base, server, assert });
  await eight(server.program ?? process.env.WELLSPRING, async (own, next) => {
    await twoTabs({ browser, base: own, assert }, next);
    await elsewhere({ browser, base: own, assert }, next);
  });
}
