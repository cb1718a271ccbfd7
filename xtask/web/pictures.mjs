// Pictures of the pages, for people: a phone and a desk, light and dark; each state once.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { LONG, tab } from '../lint/tab.mjs';

const QUAKES = ['Banda Sea', 'South of Java', 'Off the coast of Sumatra', 'Flores Sea', 'Molucca Sea', 'Sunda Strait'];
const DAYS = ['New Year', 'Chinese New Year', 'Day of Silence', 'Labour Day', 'Independence Day', 'Christmas'];
const GOODS = ['Rice, medium', 'Sugar', 'Cooking oil', 'Eggs', 'Red chillies', 'Shallots', 'Beef'];

/** Sites with something new at every visit: `quakes` breaks off, `goods` takes for ever once it was seen often enough. */
async function upstream(films, events) {
  const visits = {};
  const turned = (list, by) => [...list.slice(by % list.length), ...list.slice(0, by % list.length)];
  const rows = {
    cinema: (visit) => turned(films, visit).slice(0, 15 + (visit % 3)),
    events: (visit) => turned(events, visit).slice(0, 8 + (visit % 2)),
    earthquakes: (visit) => turned(QUAKES, visit).map((title, rank) => ({ title, magnitude: (6.1 - rank / 4 + visit / 10).toFixed(1) })),
    holidays: () => DAYS.map((title) => ({ title })),
    prices: (visit) => GOODS.map((title, rank) => ({ title, price: 14_000 + rank * 1_700 + visit * 50 })),
  };
  const site = createServer((request, response) => {
    const name = request.url.slice(1);
    const visit = (visits[name] = (visits[name] ?? 0) + 1);
    const fails = name === 'earthquakes' && visit > 6;
    const patience = name === 'prices' && visit > 6 ? 60_000 : 80 + ((visit * 137) % 290);
    setTimeout(() => {
      response.writeHead(fails ? 503 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(fails ? [] : rows[name](visit)));
    }, patience).unref();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => site.once('listening', resolve));
  return `http://127.0.0.1:${site.address().port}`;
}

export async function scenario({ browser, base, pictures, serve }) {
  const items = async (name) => (await (await fetch(`${base}/api/${name}`)).json()).items;
  const [films, events] = await Promise.all([items('cinema'), items('events')]);
  const address = await upstream(films, events);
  const source = (name, fresh, about) => `[source.${name}]\ndescription = "${about}"\nurl = "${address}/${name}"\nformat = "json"\nfresh_for = "${fresh}"\nmin_interval = "0s"\n\n`;
  const config = `[store]\nurl = "memory:"\n[fetch]\nallow_private = true\nrobots = false\n
${source('cinema', '6d', 'Films now showing')}${source('events', '5d', 'Events on sale')}${source('prices', '12h', 'Groceries at the central market')}${source('earthquakes', '10m', 'Felt earthquakes')}${source('holidays', '1s', 'Public holidays')}`;
  const own = await serve('towns', config);
  for (const name of ['holidays', 'earthquakes', 'prices', 'events', 'cinema']) {
    await fetch(`${own.base}/api/${name}`);
    for (let turn = 0; turn < (name === 'holidays' ? 3 : 6); turn += 1) {
      const wait = name === 'prices' && turn === 5 ? '?wait=0' : '';
      await fetch(`${own.base}/api/${name}/refresh${wait}`, { method: 'POST' });
    }
  }
  const shots = [['home', `${own.base}/`], ['source', `${own.base}/sources/cinema`], ['trouble', `${own.base}/sources/earthquakes`], ['reference', `${base}/docs`]];
  for (const [name, address] of shots) {
    for (const [size, width, height, scale] of [['desktop', 1280, 860, 1], ['phone', 390, 844, 2]]) {
      for (const scheme of ['light', 'dark']) {
        const { page } = await tab(browser, address, { width, height, scheme, scale });
        await page.waitForFunction('[...document.images].every((image) => image.complete)', LONG);
        await page.waitForSelector('.pulse[data-pulse=live], .reference', LONG);
        await page.screenshot({ path: join(pictures, `${name}-${size}-${scheme}.png`), fullPage: name !== 'reference' });
        await page.close();
      }
    }
  }
}
