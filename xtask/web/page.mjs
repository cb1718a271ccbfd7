// The page on the demo's slow sites: fresh, stale, refreshing, fresh again, without a reload and without losing one's place.
import { LONG, badges, judged, tab } from '../lint/tab.mjs';

const says = (source, word) => `[...document.querySelectorAll('#source-${source} .badge')].some((badge) => badge.textContent === '${word}')`;

export async function scenario(context) {
  const { browser, base, server, assert } = context;
  const seen = await tab(browser, `${base}/`, { forgives: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY/ });
  const { page } = seen;
  await page.evaluate(() => { globalThis.mark = 'the same document'; });
  // Cold at first: no data yet, being refreshed; then fresh, by itself.
  assert.deepEqual(await badges(page, '#source-cinema'), ['No data yet', 'Refreshing']);
  for (const source of ['cinema', 'events', 'google_trend']) await page.waitForFunction(says(source, 'Fresh'), LONG);
  await page.waitForFunction(`document.querySelectorAll('#source-cinema .picture img').length === 4`, LONG);
  await page.waitForFunction(`document.querySelector('#summary h1').textContent.includes('fresh')`, LONG);
  assert.equal(await page.$eval('#source-google_trend .locked', (part) => part.textContent), 'Refreshes by reads only');

  // Ages count on.
  const age = () => page.$eval('#source-cinema time[data-count=ago]', (time) => time.textContent);
  const before = await age();
  await page.waitForFunction(`document.querySelector('#source-cinema time[data-count=ago]').textContent !== ${JSON.stringify(before)}`, LONG);

  // It turns stale by itself; nobody has read it, so nothing was fetched.
  await page.waitForFunction(says('cinema', 'Stale'), LONG);
  const titles = () => page.$$eval('#source-cinema .samples li', (all) => all.map((one) => one.textContent).join());
  const old = await titles();
  await page.focus('#source-cinema button');
  await page.keyboard.press('Enter');
  await page.waitForFunction(says('cinema', 'Refreshing'), LONG);
  await page.waitForFunction(says('cinema', 'Fresh'), LONG);
  await page.waitForFunction(`document.querySelector('[data-said]').textContent === 'cinema is fresh.'`, LONG);
  assert.notEqual(await titles(), old, 'other films');
  assert.equal(await page.evaluate(() => document.activeElement.closest('[data-source]')?.dataset.source), 'cinema', 'the focus stays');
  assert.equal(await page.evaluate(() => globalThis.mark), 'the same document', 'without a reload');

  // A change that somebody else caused lands too, and a restart of the server is survived.
  await server.restart();
  await page.waitForFunction(says('events', 'No data yet'), LONG);
  await page.waitForFunction(says('events', 'Fresh'), LONG);
  assert.equal(await page.evaluate(() => globalThis.mark), 'the same document', 'without a reload');
  assert.deepEqual(seen.wrong, []);
  await page.close();
  for (const path of ['/', '/sources/cinema', '/sources/google_trend?geo=ID', '/docs', '/sources/nope']) {
    await judged(context, `${base}${path}`, path === '/sources/nope' ? { forgives: /404/ } : {});
  }
}
