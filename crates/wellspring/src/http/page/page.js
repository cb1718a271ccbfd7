// The script of Wellspring's pages. They are whole without it; it counts ages on, shows what changes when it does, and asks for the
// admin token where a refresh needs one. The server renders everything; what changed is fetched and laid over what is there.

const body = document.body;
const root = new URL(body.dataset.root, location.href);
const skew = Number(body.dataset.now) - Date.now();
const now = () => Date.now() + skew;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);

// --- Ages, in the words of the server's own `span`.

function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  const two = (large, unit, small, part) => (small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${part}`);
  if (minutes === 0) return `${seconds} s`;
  if (hours === 0) return two(minutes, 'min', seconds % 60, 's');
  if (days === 0) return two(hours, 'h', minutes % 60, 'min');
  return two(days, 'd', hours % 24, 'h');
}

function tick() {
  const moment = now();
  for (const time of all('time[data-count]')) {
    const at = Date.parse(time.dateTime);
    const ago = time.dataset.count === 'ago';
    const words = ago ? `${span(moment - at)} ago` : at > moment ? `in ${span(at - moment)}` : 'now';
    if (time.textContent !== words) time.textContent = words;
  }
  // What turns stale by itself sends no event.
  for (const part of all('[data-turns]')) {
    if (Number(part.dataset.turns) <= moment && part.turned !== part.dataset.turns) {
      part.turned = part.dataset.turns;
      changed(part.dataset.key);
    }
  }
}

// --- Laying the new over the old: elements stay, so that focus, selection and loaded pictures do.

function lay(next, over) {
  if (over.nodeType !== next.nodeType || over.nodeName !== next.nodeName) {
    over.replaceWith(next.cloneNode(true));
    return;
  }
  if (over.nodeType !== Node.ELEMENT_NODE) {
    if (over.nodeValue !== next.nodeValue) over.nodeValue = next.nodeValue;
    return;
  }
  if (over.dataset.busy !== undefined) return;
  for (const { name, value } of [...next.attributes]) {
    if (over.getAttribute(name) !== value) over.setAttribute(name, value);
  }
  for (const { name } of [...over.attributes]) {
    const ours = name === 'hidden' && over.nodeName === 'IMG' && over.getAttribute('src') === next.getAttribute('src');
    if (!next.hasAttribute(name) && !ours && !(name === 'open' && over.nodeName === 'DETAILS')) over.removeAttribute(name);
  }
  const [olds, news] = [[...over.childNodes], [...next.childNodes]];
  news.forEach((child, index) => (olds[index] ? lay(child, olds[index]) : over.append(child.cloneNode(true))));
  olds.slice(news.length).forEach((child) => child.remove());
}

async function markup(address) {
  const answer = await fetch(address, { headers: { Accept: 'text/html' } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

async function update(key) {
  const parts = shows(key);
  const card = parts.find((part) => part.matches('.card'));
  if (card) {
    const next = one('article', await markup(new URL(`sources/${key.split('?')[0]}/card`, root)));
    const landed = card.dataset.revision !== next.dataset.revision;
    lay(next, card);
    // A style may show it; nothing depends on it.
    if (landed) card.classList.add('landed');
    card.addEventListener('animationend', () => card.classList.remove('landed'), { once: true });
  } else if (parts.length > 0) {
    const next = await markup(location.href);
    for (const part of all('[data-live]')) {
      const other = next.getElementById(part.id);
      if (other) lay(other, part);
    }
  }
  mend();
  tick();
}

const waiting = new Map();
let summing = 0;

// What changes several times at once is fetched once.
function changed(key) {
  if (!key || waiting.has(key)) return;
  const later = async () => {
    waiting.delete(key);
    await update(key).catch(() => {});
    const summary = document.getElementById('summary');
    if (!summary) return;
    clearTimeout(summing);
    summing = setTimeout(() => sum(summary).catch(() => {}), 300);
  };
  waiting.set(key, setTimeout(later, 150));
}

async function sum(summary) {
  const next = (await markup(new URL('?part=summary', root))).getElementById('summary');
  if (next) lay(next, summary);
}

// --- What changed: one stream for all of this page. It tells the present first, which is shown already as a rule.

const keys = () => [...new Set(all('[data-key]').map((part) => part.dataset.key))];
const shows = (key) => all('[data-key]').filter((part) => part.dataset.key === key);
const sign = ({ revision, phase, checked_at: checked, degraded }) => [revision, phase, checked, degraded?.message].map((part) => part ?? '').join('|');

const pulse = one('[data-pulse]');

function beat(state, word) {
  if (!pulse) return;
  pulse.hidden = false;
  pulse.dataset.pulse = state;
  one('[data-pulse-word]', pulse).textContent = word;
}

let stream = null;

function listen() {
  const address = new URL('api/stream', root);
  // On a page of one key that key, whichever it is; else what bare reads answer with.
  if (one('[data-live]')) address.searchParams.set('source', keys().join(','));
  const own = new EventSource(address);
  stream = own;
  own.addEventListener('status', (event) => {
    const told = JSON.parse(event.data);
    const parts = told.phase === 'gone' ? [] : shows(told.key);
    const part = parts.find((other) => other.dataset.sign !== undefined);
    if (part && part.dataset.sign !== sign(told)) changed(told.key);
    if (parts.length === 0) regroup();
  });
  own.addEventListener('open', () => beat('live', 'Live'));
  own.addEventListener('error', () => {
    beat('lost', 'Reconnecting');
    if (own.readyState === EventSource.CLOSED) setTimeout(() => stream === own && listen(), 5000);
  });
}

function silence() {
  stream?.close();
  stream = null;
}

// A browser has six connections to a server for all its tabs: one that nobody sees gives its own back after a while, and hears the
// present again when it is seen.
let leaving = 0;
document.addEventListener('visibilitychange', () => {
  clearTimeout(leaving);
  if (document.hidden) leaving = setTimeout(silence, 20000);
  else if (!stream && keys().length > 0) listen();
});
addEventListener('pagehide', silence);
addEventListener('pageshow', (event) => event.persisted && keys().length > 0 && listen());

// After a reload of the server's config there are other sources than those that are shown.
let regrouping = 0;

function regroup() {
  const cards = one('[data-cards]');
  if (!cards || location.search) return;
  clearTimeout(regrouping);
  regrouping = setTimeout(async () => {
    const next = await markup(root).catch(() => null);
    if (next && one('[data-cards]', next)) lay(one('[data-cards]', next), cards);
    if (next) lay(next.getElementById('summary'), document.getElementById('summary'));
    mend();
    tick();
  }, 500);
}

// --- Refreshing by hand.

const said = one('[data-said]');
const TOKEN = 'wellspring-admin-token';
let hush = 0;

function say(words, lasting) {
  clearTimeout(hush);
  said.textContent = words;
  if (!lasting) hush = setTimeout(() => (said.textContent = ''), 6000);
}

// The token, once for each tab; null where the asker is turned away.
function ask(why) {
  const dialog = one('[data-ask]');
  const field = one('input', dialog);
  if (why) one('[data-ask-why]', dialog).textContent = why;
  dialog.returnValue = '';
  field.value = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes' ? field.value.trim() : null), { once: true });
  });
}

function force(form, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const address = new URL(form.action);
  address.searchParams.set('wait', '1m');
  return fetch(address, { method: 'POST', headers });
}

async function refresh(form, source) {
  let token = sessionStorage.getItem(TOKEN);
  let answer = await force(form, token);
  while (answer.status === 401) {
    sessionStorage.removeItem(TOKEN);
    token = await ask(token ? 'That was not the configured token. Once more, please.' : '');
    if (!token) return say('Nothing was refreshed: it needs the admin token.', true);
    answer = await force(form, token);
    if (answer.status !== 401) sessionStorage.setItem(TOKEN, token);
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) return say(`${source} was not refreshed: ${(told.detail ?? `the server answered ${answer.status}`).replace(/\.$/, '')}.`, true);
  if (answer.status === 202) return say(`${source} is still being refreshed.`);
  if (told.degraded) return say(`${source} was not refreshed: ${told.degraded.message}.`, true);
  return say(`${source} is fresh.`);
}

document.addEventListener('submit', async (event) => {
  const source = event.target.dataset.refresh;
  if (source === undefined) return;
  event.preventDefault();
  const button = one('button', event.target);
  if (button.dataset.busy !== undefined) return;
  button.dataset.busy = '';
  button.setAttribute('aria-disabled', 'true');
  const word = button.firstChild;
  const before = word.nodeValue;
  word.nodeValue = 'Refreshing…';
  try {
    await refresh(event.target, source);
  } catch {
    say('The server cannot be reached.', true);
  } finally {
    delete button.dataset.busy;
    button.removeAttribute('aria-disabled');
    word.nodeValue = before;
    changed(event.target.closest('[data-key]')?.dataset.key);
  }
});

one('[data-ask-no]').addEventListener('click', () => one('[data-ask]').close(''));

// --- Pictures that are dead hide themselves.

function bury(image) {
  image.hidden = true;
  const list = image.closest('.pictured');
  if (list && all('img', list).every((other) => other.hidden)) list.classList.remove('pictured');
}

function mend() {
  all('.picture img').forEach((image) => {
    if (image.complete && image.naturalWidth === 0 && image.getAttribute('src')) bury(image);
    else if (image.complete) image.hidden = false;
  });
}

document.addEventListener('error', (event) => event.target instanceof HTMLImageElement && bury(event.target), true);
document.addEventListener('load', (event) => event.target instanceof HTMLImageElement && (event.target.hidden = false), true);

// --- The filter.

const filter = one('[data-filter]');

function sift() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const cards = all('[data-cards] > .card');
  let found = 0;
  for (const card of cards) {
    const text = `${card.dataset.source} ${one('.about', card)?.textContent ?? ''}`.toLowerCase();
    card.hidden = !words.every((word) => text.includes(word));
    found += card.hidden ? 0 : 1;
  }
  one('[data-filter-count]').textContent = words.length ? `${found} of ${cards.length} sources` : '';
}

if (filter) {
  one('[data-filter-go]').hidden = true;
  filter.form.addEventListener('submit', (event) => event.preventDefault());
  filter.addEventListener('input', sift);
  if (!location.search) sift();
}

// Examples name the address under which this server is seen.
all('[data-origin]').forEach((part) => (part.textContent = root.href));

mend();
tick();
setInterval(() => document.hidden || tick(), 1000);
document.addEventListener('visibilitychange', () => document.hidden || tick());
if (keys().length > 0) listen();
