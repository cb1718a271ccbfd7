// The demo: three sources, or whichever there are, each by one call of `watch`.
import { watch } from '../wellspring.js';

const SHIPPED = ['cinema', 'events', 'google_trend'];
const TITLES = { cinema: 'Cinema', events: 'Events', google_trend: 'Trending searches' };
const base = new URL('..', import.meta.url);
const byId = id => document.getElementById(id);

/** An element with a class and a text. */
function made(tag, className, text = '') {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** The member that holds a picture, and the one that names an item, for sources that this page knows nothing of. */
function roles(item) {
  const names = Object.keys(item).filter(name => typeof item[name] === 'string');
  const picture = names.find(name => /img|image|poster|picture|thumb|cover/i.test(name) && /^https?:/.test(item[name]));
  const title = names.find(name => /title|name|query|headline|summary/i.test(name)) ?? names.find(name => name !== picture);
  return { picture, title };
}

/** Draws items into a list. Rows that were there before stay the elements they were, so only what is new moves. */
function draw(list, items) {
  const before = new Map([...list.children].map(row => [row.dataset.key, row]));
  const most = Math.max(...items.map(item => item.search_volume ?? 0), 1);
  const seen = new Set();
  const rows = items.slice(0, 24).map(item => {
    const { picture, title } = roles(item);
    const key = String(item[title] ?? JSON.stringify(item));
    const name = `${key} ${item[picture] ?? ''}`;
    let row = seen.has(name) ? undefined : before.get(name);
    seen.add(name);
    if (!row) {
      row = made('li', before.size ? 'new' : '');
      row.dataset.key = name;
      if (picture) row.append(poster(item[picture], key));
      row.append(made('span', 'name', key));
    }
    if (typeof item.search_volume === 'number') volume(row, item.search_volume, most);
    return row;
  });
  list.classList.toggle('posters', Boolean(items[0] && roles(items[0]).picture));
  // What scrolls sideways has to be reachable by keyboard.
  if (list.classList.contains('posters')) list.tabIndex = 0;
  list.classList.toggle('ranks', items.some(item => 'search_volume' in item));
  list.replaceChildren(...rows);
}

function poster(address, title) {
  const frame = made('span', 'poster', title.slice(0, 1));
  const image = new Image(150, 220);
  image.loading = 'lazy';
  image.decoding = 'async';
  image.alt = '';
  image.addEventListener('error', () => image.remove());
  image.src = address;
  frame.append(image);
  return frame;
}

function volume(row, count, most) {
  const volume = row.querySelector('.volume') ?? row.appendChild(made('span', 'volume'));
  volume.textContent = new Intl.NumberFormat(document.documentElement.lang, { notation: 'compact' }).format(count);
  // As a script's doing this passes the policy, which forbids styles in markup.
  row.style.setProperty('--share', `${Math.max(2, (100 * count) / most)}%`);
}

const fresh = new Set();
let telling;

/** Tells a screen reader what has changed: one sentence for all that changed in a while, and nothing of badges. */
function tell(title) {
  fresh.add(title);
  clearTimeout(telling);
  telling = setTimeout(() => {
    byId('news').textContent = `New data: ${[...fresh].join(', ')}.`;
    fresh.clear();
  }, 1_500);
}

function card({ name, description }) {
  const section = byId('card').content.cloneNode(true).firstElementChild;
  const part = selector => section.querySelector(selector);
  const title = TITLES[name] ?? name.replaceAll('_', ' ');
  section.id = name;
  part('h2').textContent = title;
  part('h2').id = `${name}-title`;
  section.setAttribute('aria-labelledby', `${name}-title`);
  part('.about').textContent = description ?? '';
  part('.raw').textContent = `GET /api/${name}`;
  part('.raw').href = new URL(`api/${name}`, base);
  part('.items').setAttribute('aria-labelledby', `${name}-title`);
  byId('cards').append(section);

  let drawn = false;
  const render = items => {
    draw(part('.items'), items);
    if (drawn) tell(title);
    drawn = true;
  };
  watch(`/api/${name}`, render, {
    badge: part('.badge'),
    onstate: ({ state, about }) => {
      section.dataset.state = state;
      part('.items').classList.toggle('waiting', !drawn);
      if (!drawn && state === 'failed') part('.items').replaceChildren(made('li', 'none', about));
    },
  });
}

/** How long answers took, by the browser's own measure: the sites behind them take seconds. */
function measure() {
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      const name = /\/api\/([a-z0-9_]+)$/.exec(entry.name)?.[1];
      const took = name && document.querySelector(`#${name} .took`);
      if (took) took.textContent = `answered in ${Math.max(1, Math.round(entry.duration))} ms`;
    }
  }).observe({ type: 'resource' });
}

function notice(...parts) {
  byId('notice').replaceChildren(...parts);
  byId('notice').className = 'notice';
  byId('notice').hidden = false;
}

async function start() {
  const { sources } = await (await fetch(new URL('api', base), { cache: 'no-cache' })).json();
  const shipped = SHIPPED.map(name => sources.find(source => source.name === name)).filter(Boolean);
  // Those that need a parameter have nothing to show without one.
  const others = sources.filter(source => source.freshness !== 'absent' || source.links.refresh || !source.parameters);
  const shown = (shipped.length ? shipped : others).slice(0, 8);
  if (!shown.length) {
    notice('No source is configured here yet. ', made('code', '', 'wellspring demo'), ' shows this page with three of them, offline.');
  } else if (shipped.length < SHIPPED.length) {
    const which = shipped.length ? `${shipped.length} of the three sources that ship` : 'none of the sources that ship';
    notice(`This server has ${which}, so here is what it has. `, made('code', '', 'wellspring demo'), ' shows all three, offline.');
  }
  measure();
  shown.forEach(card);
  const name = shown[0]?.name ?? 'cinema';
  const code = `import { watch } from '${new URL('wellspring.js', base)}';\nwatch('/api/${name}', items => show(items), { badge: '#badge' });`;
  byId('code').textContent = code;
  byId('copy').addEventListener('click', async ({ target }) => {
    try {
      await navigator.clipboard.writeText(code);
      target.textContent = 'Copied';
    } catch {
      // No clipboard for pages that are not secure: it is selected instead.
      getSelection().selectAllChildren(byId('code'));
      target.textContent = 'Selected';
    }
    setTimeout(() => { target.textContent = 'Copy'; }, 2_000);
  });
}

start().catch(error => {
  notice(`The server does not answer (${error.message}). `, 'This page tries again in a moment.');
  setTimeout(() => location.reload(), 5_000);
});
