// A tab that notes what goes wrong in it, and what every page has to be.

export const LONG = { timeout: 60_000, polling: 100 };

/** A tab at an address. `wrong`: errors and breaches of the policy so far; what `forgives` fits is none. */
export async function tab(browser, address, { width = 1280, height = 900, scheme = 'light', forgives = /$^/, scale = 1 } = {}) {
  const page = await browser.newPage();
  const seen = { page, wrong: [], requests: [], dialogs: 0 };
  const note = (words) => forgives.test(words) || seen.wrong.push(words);
  page.on('console', (message) => message.type() === 'error' && note(`${message.text()} (${message.location().url})`));
  page.on('pageerror', (error) => note(String(error)));
  page.on('request', (request) => seen.requests.push(request.url()));
  page.on('dialog', (dialog) => { seen.dialogs += 1; dialog.dismiss(); });
  await page.evaluateOnNewDocument(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.setViewport({ width, height, deviceScaleFactor: scale });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.goto(address, { waitUntil: 'load' });
  return seen;
}

/** What axe finds that is serious, in light and dark, on a phone and a desk; and whether anything is wider than the window. */
export async function judged({ browser, axe, assert }, address, options = {}) {
  for (const [width, height] of [[360, 740], [1280, 900]]) {
    for (const scheme of ['light', 'dark']) {
      const { page, wrong } = await tab(browser, address, { width, height, scheme, ...options });
      await page.evaluate(() => document.querySelectorAll('details').forEach((part) => { part.open = true; }));
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
        const told = (one) => `${one.impact} ${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target} ${node.any?.[0]?.message ?? ''}`).join('; ')}`;
        return violations.filter((one) => ['serious', 'critical', 'moderate'].includes(one.impact)).map(told);
      });
      assert.deepEqual(found, [], `axe at ${address}, ${width} px, ${scheme}`);
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert(wide <= room, `${address} is ${wide} px wide where there are ${room}`);
      assert.deepEqual(wrong, [], address);
      await page.close();
    }
  }
}

/** The badges of a card or of a whole page, as they are read. */
export const badges = (page, within) => page.$$eval(`${within} .badges:first-of-type .badge`, (all) => all.map((one) => one.textContent.trim()));
