// Every state on one page, refreshing with a token and without the right to, hostile rows, no source and many sources.
import { createServer } from 'node:http';
import { LONG, badges, judged, tab } from '../lint/tab.mjs';

const TOKEN = 'lint-page-token';
const ATTACKS = [
  '<script>globalThis.hit = 1</script>', '"><img src=x onerror="globalThis.hit = 1">', "'-alert(1)-'", '</title><svg onload=alert(1)>',
  '{{constructor.constructor("alert(1)")()}}', 'javascript:alert(1)', '<iframe srcdoc="<script>parent.hit=1</script>">', '&lt;b&gt;&#0;\u202e',
];

/** An upstream: `ok` changes at every visit, `once` fails after the first, `never` always fails. */
async function upstream(own) {
  const visits = new Map();
  const site = createServer((request, response) => {
    const path = request.url.split('?')[0];
    const visit = (visits.get(path) ?? 0) + 1;
    visits.set(path, visit);
    response.setHeader('content-type', 'application/json');
    const fails = path === '/never' || (path === '/once' && visit > 1);
    response.statusCode = fails ? 500 : 200;
    const link = (text) => `javascript:${text}`;
    const rows = path === '/hostile'
      ? ATTACKS.map((text, id) => ({ id, title: text, link: link(text), image: id % 2 ? `${own()}/api/paid?max_age=0s` : 'http://127.0.0.1:9/dead.png', note: text, [text]: text }))
      : [1, 2, 3].map((row) => ({ title: `row ${row} of visit ${visit}`, price: row * visit, link: `https://example.com/${row}` }));
    response.end(fails ? 'no' : JSON.stringify(rows));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => site.once('listening', resolve));
  return { site, visits, address: `http://127.0.0.1:${site.address().port}` };
}

const config = (server, sources) => `[server]\n${server}\n[store]\nurl = "memory:"\n[fetch]\nallow_private = true\nrobots = false\n${sources}`;

async function states(context) {
  const { browser, assert, serve } = context;
  let base = '';
  const { site, visits, address } = await upstream(() => base);
  const source = (name, path, lines) => `[source.${name}]\nurl = "${address}${path}"\nformat = "json"\nfresh_for = "1h"\n${lines}\n`;
  const sources = [
    source('good', '/ok', 'description = "A good one"\nmin_interval = "0s"'),
    source('failing', '/once', 'min_interval = "0s"'),
    source('never', '/never', ''),
    source('old', '/old', 'fresh_for = "1s"\nmax_stale = "2s"').replace('fresh_for = "1h"\n', ''),
    source('cold', '/cold', 'warm = false'),
    source('paid', '/paid', 'manual_refresh = false\nwarm = false'),
    source('asked', '/asked?city={city}', '[source.asked.params.city]\npattern = "[a-z]+"'),
    source('hostile', '/hostile', 'description = "<script>globalThis.hit = 1</script>"'),
    source('secret', '/secret?key=${LINT_SECRET}', '[source.secret.headers]\nAuthorization = "Bearer ${LINT_SECRET}"'),
  ];
  const server = await serve('states', config('admin_token = "${LINT_TOKEN}"', sources.join('')), { LINT_TOKEN: TOKEN, LINT_SECRET: 'canary-9f2' });
  base = server.base;
  const authorization = { authorization: `Bearer ${TOKEN}` };
  for (const name of ['good', 'failing']) {
    // The first is there before the second is asked for: it would join the one that runs.
    await fetch(`${base}/api/${name}`);
    await fetch(`${base}/api/${name}/refresh`, { method: 'POST', headers: authorization });
  }
  const seen = await tab(browser, `${base}/`, { forgives: /status of (400|401)|ERR_UNSAFE_PORT/ });
  const { page } = seen;
  await page.waitForFunction(`document.querySelector('#source-old .badge').textContent === 'Expired'`, LONG);
  assert.deepEqual(await badges(page, '#source-good'), ['Fresh']);
  assert.deepEqual(await badges(page, '#source-failing'), ['Fresh', 'Degraded']);
  assert.deepEqual(await badges(page, '#source-never'), ['No data yet', 'Degraded']);
  assert.deepEqual(await badges(page, '#source-cold'), ['No data yet']);
  assert.deepEqual(await badges(page, '#source-asked'), ['Needs parameters']);
  assert.match(await page.$eval('#source-failing .trouble', (part) => part.textContent), /The last refresh failed.*500.*still served/s);
  assert.equal(await page.$('#source-paid button'), null);
  await page.reload();
  const order = await page.$$eval('.card', (all) => all.map((card) => card.dataset.source));
  assert.deepEqual(order.slice(0, 3), ['never', 'failing', 'old'], 'the troubled ones first');

  // The token is asked for once, a wrong one once more, and it stays in this tab alone.
  const refresh = (name, on = page) => on.click(`#source-${name} button`);
  const open = (on = page) => on.waitForSelector('dialog[open]', LONG);
  await refresh('good');
  await open();
  await page.type('dialog input', 'wrong');
  await page.keyboard.press('Enter');
  await page.waitForFunction(`document.querySelector('dialog[open] [data-ask-why]')?.textContent.startsWith('That was not')`, LONG);
  await page.type('dialog input', TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForFunction(`document.querySelector('[data-said]').textContent === 'good is fresh.'`, LONG);
  const reached = visits.get('/ok');
  await refresh('good');
  await page.waitForFunction(`document.querySelector('#source-good .samples').textContent.includes('visit ${reached + 1}')`, LONG);
  assert.equal(await page.$('dialog[open]'), null, 'not asked again');
  await refresh('failing');
  await page.waitForFunction(`document.querySelector('[data-said]').textContent.startsWith('failing was not refreshed: ')`, LONG);
  const other = await tab(browser, `${base}/`, { forgives: /status of 401|ERR_UNSAFE_PORT/ });
  await refresh('good', other.page);
  await open(other.page);
  await other.page.click('[data-ask-no]');
  await other.page.waitForFunction(`document.querySelector('[data-said]').textContent.includes('needs the admin token')`, LONG);

  // What an upstream says runs nothing, links nowhere bad and asks nothing of this server.
  for (const path of ['/sources/hostile', '/docs?source=hostile', '/sources/good', '/sources/asked', '/sources/asked?city=9', '/sources/secret']) {
    await page.goto(`${base}${path}`, { waitUntil: 'load' });
    const bad = await page.$$eval('a[href], img[src], form[action]', (all) => all.map((one) => one.href ?? one.src ?? one.action).filter((one) => /^(javascript|data):/.test(one)));
    assert.deepEqual(bad, [], path);
    assert(!(await page.content()).includes('canary-9f2'), `${path} tells a secret`);
  }
  assert.equal(await page.evaluate(() => globalThis.hit), undefined);
  assert.deepEqual([seen.dialogs, seen.requests.filter((one) => one.startsWith(`${base}/api/paid`))], [0, []]);
  await page.goto(`${base}/sources/good`, { waitUntil: 'load' });
  assert.match(await page.$eval('#history', (part) => part.textContent), /changed.*→/s);
  const next = visits.get('/ok') + 1;
  await page.click('#state button');
  await page.waitForFunction(`document.querySelector('#rows').textContent.includes('visit ${next}')`, LONG);
  assert.deepEqual([seen.wrong, other.wrong], [[], []]);
  await Promise.all([page.close(), other.page.close()]);
  for (const path of ['/', '/sources/hostile', '/sources/failing', '/sources/asked?city=9', '/docs?source=asked']) {
    await judged(context, `${base}${path}`, { forgives: /status of 400|ERR_UNSAFE_PORT/ });
  }
  site.close();
}

/** Where nobody has a token and the request comes from elsewhere, the page says why. */
async function refused({ browser, assert, serve }) {
  const { site, address } = await upstream(() => '');
  const server = await serve('refused', config('hosts = ["wells.example"]', `[source.good]\nurl = "${address}/ok"\nformat = "json"\nfresh_for = "1h"\n`));
  const { page, wrong } = await tab(browser, `${server.base}/`, { forgives: /status of 403/ });
  await page.click('#source-good button');
  await page.waitForFunction(`/was not refreshed: .*hosts/.test(document.querySelector('[data-said]').textContent)`, LONG);
  assert.deepEqual(wrong, []);
  await page.close();
  site.close();
}

async function none(context) {
  const server = await context.serve('none', config('', ''));
  const { page } = await tab(context.browser, `${server.base}/`);
  context.assert.equal(await page.$eval('h1', (title) => title.textContent), 'Nothing flows yet');
  await page.close();
  await judged(context, `${server.base}/`);
}

/** Five hundred sources are still one page, with a box that filters them. */
async function many({ browser, assert, serve }) {
  const names = [...Array(500)].map((_, number) => `source_${String(number).padStart(3, '0')}`);
  const source = (name) => `[source.${name}]\ndescription = "Number ${name.slice(-3)}"\nurl = "http://127.0.0.1:9/${name}"\nformat = "json"\nfresh_for = "1h"\nwarm = false\n`;
  const server = await serve('many', config('', names.map(source).join('')));
  const begun = Date.now();
  const { page, wrong } = await tab(browser, `${server.base}/`);
  const took = Date.now() - begun;
  assert(took < 8_000, `500 sources took ${took} ms`);
  await page.type('#filter', 'number 04');
  assert.equal(await page.$$eval('.card:not([hidden])', (all) => all.length), 15);
  assert.equal(await page.$eval('[data-filter-count]', (part) => part.textContent), '15 of 500 sources');
  // Without a script, the server filters.
  const text = await (await fetch(`${server.base}/?q=number+04`, { headers: { accept: 'text/html' } })).text();
  assert.equal(text.split('<article').length - 1, 15);
  assert.deepEqual(wrong, []);
  await page.close();
}

export async function scenario(context) {
  await Promise.all([states, refused, none, many].map((part) => part(context)));
}
