// A hundred payloads in every field of what is scraped, on every page that shows it, with the policy and with the browser told to
// ignore it: nothing runs, nothing leads to a script, and every page in HTML has its policy.
import { createServer } from 'node:http';
import { LONG } from '../lint/tab.mjs';

const PAYLOADS = [
  '<script>hit(1)</script>', '<img src=x onerror=hit(2)>', '"><svg onload=hit(3)>', "'><body onload=hit(4)>", '</title><script>hit(5)</script>',
  '</script><script>hit(6)</script>', '</textarea><img src=x onerror=hit(7)>', '<iframe srcdoc="<script>parent.hit(8)</script>"></iframe>',
  '<svg><script>hit(9)</script></svg>', '<math><mtext></p><style><img src=x onerror=hit(10)></style></mtext></math>', '<details open ontoggle=hit(11)>x</details>',
  '" autofocus onfocus=hit(12) x="', "' onmouseover=hit(13) x='", 'javascript:hit(14)', 'data:text/html,<script>parent.hit(15)</script>', 'vbscript:hit(16)',
  'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="hit(17)"/>', '{{constructor.constructor("hit(18)")()}}', '${hit(19)}<b>', '<template><script>hit(20)</script></template>',
];
const mixed = (text) => [...text].map((one, at) => (at % 2 ? one.toUpperCase() : one.toLowerCase())).join('').replace(/hit/gi, 'hit');
const entities = (text) => text.replace(/[<>"':{(]/g, (one) => `&#x${one.charCodeAt(0).toString(16)};`);
const broken = (text) => `${text.slice(0, 3)}\t\n\0${text.slice(3).replaceAll('=', '\u000c=')}`;
const ATTACKS = [(text) => text, mixed, entities, broken, (text) => `\u0001 \u2028\t${text}`].flatMap((change) => PAYLOADS.map(change));
const URLS = ['javascript:hit(30)//', 'JaVaScRiPt:hit(31)//', ' \u0001javascript:hit(32)//', 'java\tscript:hit(33)//', 'data:text/html,', 'vbscript:hit(34)//', '//javascript:hit(35)/', 'https://x.invalid/"onerror="hit(36)" '];
const NAMES = ['first', 'second'];

const rows = (attacks) => attacks.map((text, at) => ({
  title: text, link: URLS[at % URLS.length] + text, url: text, image: text, poster: `https://x.invalid/${text}`, date: text, price: text, category: text,
  summary: text, note: { deep: [text] }, [text]: text,
}));

/** Notes what runs; `bare` lets everything run that the policy would have stopped. */
async function opened(browser, address, bare) {
  const page = await browser.newPage();
  const told = { page, policy: [], dialogs: 0 };
  await page.setBypassCSP(bare);
  page.on('dialog', (dialog) => { told.dialogs += 1; dialog.dismiss(); });
  await page.evaluateOnNewDocument(() => {
    globalThis.hits = [];
    globalThis.hit = (which) => globalThis.hits.push(which);
    addEventListener('securitypolicyviolation', (event) => globalThis.hits.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  // Pictures lead nowhere here, and are not waited for.
  await page.goto(address, { waitUntil: 'domcontentloaded' });
  return told;
}

export async function scenario({ browser, assert, serve }) {
  assert.equal(ATTACKS.length, 100);
  assert.equal(new Set(ATTACKS).size, 100, 'each is another one');
  let reads = 0;
  const site = createServer((request, response) => {
    const at = NAMES.indexOf(request.url.slice(1));
    response.setHeader('content-type', at < 0 ? 'text/html' : 'application/json');
    response.statusCode = request.url === '/failing' && reads++ ? 500 : 200;
    response.end(at < 0 ? `${ATTACKS.join('')}` : JSON.stringify(rows(ATTACKS.slice(at * 50, at * 50 + 50))));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => site.once('listening', resolve));
  const source = (name) => `[source.${name}]\nurl = "http://127.0.0.1:${site.address().port}/${name}"\nformat = "json"\nfresh_for = "1h"\nmin_interval = "0s"\ndescription = ${JSON.stringify(ATTACKS[0])}\n`;
  const names = [...NAMES, 'broken', 'failing'];
  const config = `[server]\n[store]\nurl = "memory:"\n[fetch]\nallow_private = true\nrobots = false\n${names.map(source).join('')}`;
  const { base } = await serve('fields', config);
  for (const name of names) await (await fetch(`${base}/api/${name}`)).text();
  for (const name of NAMES) {
    const { items } = await (await fetch(`${base}/api/${name}`)).json();
    assert.equal(items.length, 50, `${name} is there`);
  }
  const html = { headers: { accept: 'text/html' } };
  const attack = encodeURIComponent(ATTACKS[2]);
  const paths = [
    '/', `/?q=${attack}`, '/docs', '/demo', `/sources/${attack}`, `/docs?source=${attack}`,
    ...names.flatMap((name) => [`/sources/${name}`, `/docs?source=${name}`]), `/sources/first?${attack}=${attack}`, `/${attack}`,
  ];
  let pages = 0;
  for (const path of paths) {
    const answer = await fetch(`${base}${path}`, html);
    if (!answer.headers.get('content-type').startsWith('text/html')) continue;
    pages += 1;
    const policy = answer.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/, path);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|script-src[^;]*(\*|data:|https?:)/, path);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', path);
    await answer.text();
  }
  assert(pages >= 10, `${pages} pages`);
  let shown = 0;
  for (const path of [...paths.slice(0, 4), ...paths.filter((one) => /\/(sources|docs\?source=)\/?(first|second|broken|failing)/.test(one))]) {
    for (const bare of [false, true]) {
      const { page, dialogs } = await opened(browser, `${base}${path}`, bare);
      if (path === '/demo') await page.waitForFunction(`document.querySelectorAll('.items li .name').length >= 40`, LONG);
      // What waits for a gesture gets one.
      const { hits, leads } = await page.evaluate(async () => {
        document.querySelectorAll('details').forEach((part) => { part.open = true; });
        const all = [...document.querySelectorAll('*')];
        for (const one of all) for (const kind of ['mouseover', 'focus', 'toggle', 'load', 'error']) if (!['IMG', 'SCRIPT', 'LINK'].includes(one.tagName)) one.dispatchEvent(new Event(kind));
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        const leads = all.flatMap((one) => ['href', 'src', 'action', 'formAction', 'data', 'srcdoc'].map((name) => one[name]?.baseVal ?? one[name]).filter((value) => typeof value === 'string' && /^[\s\0-\x20]*(j\s*a\s*v\s*a|vbs|data:text|data:image\/svg)/i.test(value)));
        const handlers = all.filter((one) => [...one.attributes].some((attribute) => attribute.name.startsWith('on'))).map((one) => one.outerHTML.slice(0, 200));
        return { hits: globalThis.hits, leads: [...leads, ...handlers] };
      });
      const images = hits.filter((one) => !String(one).startsWith('policy: img-src'));
      assert.deepEqual([images, leads, dialogs], [[], [], 0], `${path}${bare ? ' without its policy' : ''}`);
      shown += 1;
      await page.close();
    }
  }
  site.close();
  const views = `0 in ${shown} views of ${ATTACKS.length} payloads in 11 fields, half of them without the policy`;
  console.log(`trust T11 | executions | ${views} | 0 | held`);
  console.log(`trust T11 | pages in HTML without a policy | 0 of ${pages} | 0 | held`);
}
