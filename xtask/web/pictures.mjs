// Pictures of the pages, for people: a phone and a desk, light and dark.
import { join } from 'node:path';
import { LONG, tab } from '../lint/tab.mjs';

export async function scenario({ browser, base, pictures, serve }) {
  const warm = await tab(browser, `${base}/`);
  await warm.page.waitForFunction(`document.querySelectorAll('.badge.fresh').length === 3`, LONG);
  for (let turn = 0; turn < 3; turn += 1) {
    for (const name of ['events', 'cinema']) await fetch(`${base}/api/${name}/refresh`, { method: 'POST' });
  }
  const gone = 'http://127.0.0.1:9/';
  const broken = await serve('broken', `[store]\nurl = "memory:"\n[fetch]\nallow_private = true\n[source.dead]\ndescription = "An upstream that is gone"\nurl = "${gone}"\nformat = "json"\nfresh_for = "1h"\n[source.idle]\ndescription = "Nobody has asked yet"\nurl = "${gone}"\nformat = "feed"\nfresh_for = "1h"\nwarm = false\n`);
  const shots = [['home', `${base}/`], ['source', `${base}/sources/cinema`], ['reference', `${base}/docs`], ['trouble', `${broken.base}/`]];
  // One of them refreshes while the pictures are taken.
  const again = fetch(`${base}/api/events/refresh`, { method: 'POST' }).catch(() => null);
  for (const [name, address] of shots) {
    for (const [size, width, height, scale] of [['desktop', 1280, 860, 1], ['phone', 390, 844, 2]]) {
      for (const scheme of ['light', 'dark']) {
        const { page } = await tab(browser, address, { width, height, scheme, scale });
        await page.waitForNetworkIdle({ idleTime: 300, concurrency: 1 });
        await page.screenshot({ path: join(pictures, `${name}-${size}-${scheme}.png`), fullPage: name !== 'reference' });
        await page.close();
      }
    }
  }
  await again;
}
