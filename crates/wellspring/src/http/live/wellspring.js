// Live data of a Wellspring server, in two lines:
//
//   import { watch } from 'https://host/wellspring.js';
//   watch('/api/cinema', films => { … }, { badge: '#cinema-badge' });
//
// What is there is shown at once and swapped when fresher data has landed. All watches of a page, and of its other tabs,
// share one connection: a browser opens six to a host over HTTP/1.1, and streams must not use up those that fetches need.

const HERE = new URL('.', import.meta.url).href;
/** Query words that choose a part of a key's items; they name no other key. */
const OF_READS = ['limit', 'fields', 'max_age', 'wait', 'as_of'];
/** A tab that nobody has looked at for so long lets go of its connection. */
const HIDDEN_MS = 30_000;
/** The server breaks silence every 15 s; after this the connection is dead, whatever the system says of it. */
const SILENCE_MS = 45_000;
/** An answer that takes longer than any cold source may is not coming. */
const PATIENCE_MS = 90_000;
const LONGEST_MS = 30_000;

const WORDS = {
  loading: 'Loading…',
  updating: 'Updating…',
  fresh: age => `Updated ${age}`,
  outdated: age => `May be outdated (${age})`,
  offline: age => `Offline (${age})`,
  failed: 'Not available',
};

const hubs = new Map();
/** Spread, so that a restarted server does not meet all of its readers in one moment. */
const spread = ms => ms * (0.5 + Math.random());
/** `ages` in a language that a page may have misspelt. */
const agesIn = lang => {
  try {
    return new Intl.RelativeTimeFormat(lang, { numeric: 'auto' });
  } catch {
    return new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
  }
};
const backoff = attempt => spread(Math.min(LONGEST_MS, 1_000 * 2 ** attempt));

/** Shows a source and keeps it fresh until the function that is returned is called. See wellspring.d.ts. */
export function watch(address, render, options = {}) {
  // '/api/…' is on the server that this module came from, behind its prefix where it has one.
  const url = new URL(address.startsWith('/') ? `.${address}` : address, HERE);
  const at = url.pathname.lastIndexOf('/api/');
  if (at < 0) throw new TypeError(`${address} is no address of a source, as /api/cinema is`);
  const base = url.origin + url.pathname.slice(0, at + 1);
  const params = new URLSearchParams(url.search);
  OF_READS.forEach(word => params.delete(word));
  const name = url.pathname.slice(at + 5).replace(/\.json$/, '') + (String(params) && `?${params}`);
  if (!hubs.has(base)) hubs.set(base, new Hub(base));
  const watching = new Watch(url.href, name, hubs.get(base), render, options);
  return () => watching.stop();
}

class Watch {
  revision; checkedAt; staleAt; refreshing; degraded; error; shown; state; text; timer;
  /** The stream tells of it, so nobody has to ask. */
  live = false;
  /** The server knows its name. One that it does not know would cost all others their stream. */
  known = false;
  failures = 0;
  polls = 0;
  stopped = false;

  constructor(url, name, hub, render, options) {
    Object.assign(this, { url, name, hub, render, options });
    this.words = { ...WORDS, ...options.words };
    this.ages = agesIn(options.lang ?? (document.documentElement.lang || undefined));
    hub.watches.add(this);
    this.paint();
    this.load();
  }

  stop() {
    this.stopped = true;
    this.asking?.abort();
    clearTimeout(this.timer);
    this.hub.watches.delete(this);
    this.hub.sync();
  }

  async load() {
    // What is asked for meanwhile may be newer than what is on its way.
    if (this.loading) return void (this.again = true);
    clearTimeout(this.timer);
    this.loading = true;
    this.asking = new AbortController();
    const patience = setTimeout(() => this.asking.abort(), PATIENCE_MS);
    let wait;
    try {
      // Asks the server each time, also where a CDN or this browser may keep the answer: a 304 is cheap.
      const response = await fetch(this.url, { cache: 'no-cache', signal: this.asking.signal });
      // What stands between may answer in words of its own.
      const answer = await response.json().catch(broken => {
        if (response.ok) throw broken;
        return {};
      });
      if (this.stopped) return;
      this.known = ![400, 404].includes(response.status);
      if (!response.ok) {
        wait = this.known ? response.headers.get('retry-after') * 1_000 : 60_000;
        throw Object.assign(new Error(answer.detail ?? response.statusText), { status: response.status, problem: answer });
      }
      this.took(response, answer);
      this.failures = 0;
      this.error = undefined;
    } catch (error) {
      if (this.stopped) return;
      // Told once, not at every attempt.
      if (!this.error) this.options.onerror?.(error);
      this.error = error;
      wait = wait ? spread(wait) + 500 : backoff(this.failures++);
    } finally {
      clearTimeout(patience);
    }
    const { again, late } = this;
    this.again = this.late = this.loading = undefined;
    this.hub.sync();
    this.paint();
    if (again) return void this.load();
    this.plan(wait);
    if (late) this.told(late);
  }

  took({ headers }, answer) {
    const items = answer.items ?? Object.values(answer).find(Array.isArray);
    if (!items) throw new TypeError(`${this.url} answers with no items`);
    // By the server's clock, for this machine's may be wrong.
    const serverNow = Date.parse(headers.get('date')) || Date.now();
    const ttl = /ttl=(-?\d+)/.exec(headers.get('cache-status'))?.[1];
    this.revision = Number(/^(?:W\/)?"(\d+)-/.exec(headers.get('etag'))?.[1]);
    this.checkedAt = Date.now() - Math.max(0, serverNow - Date.parse(answer.fetched_at));
    // Whole seconds, of which the last has begun: asked before it is over, the server would have nothing to refresh.
    this.staleAt = answer.cache_valid ? Date.now() + (Number(ttl ?? 60) + 1) * 1_000 : 0;
    this.refreshing = answer.refreshing_in_background;
    this.degraded = answer.degraded;
    this.polls = this.refreshing ? this.polls + 1 : 0;
    const text = JSON.stringify(items);
    // Equal items are not drawn again: what somebody reads, or has opened, stays as it is.
    if (text === this.shown) return;
    this.shown = text;
    try {
      this.render(items, answer);
    } catch (error) {
      reportError(error);
    }
  }

  /** When to ask again: as it turns stale, for a read is what makes the server refresh; sooner where no stream tells. */
  plan(wait) {
    clearTimeout(this.timer);
    if (this.hub.asleep || this.stopped) return;
    const left = this.staleAt - Date.now();
    if (wait === undefined && left > 0 && !this.refreshing) wait = Math.min(left + 100 + 1_000 * Math.random(), 3_600_000);
    wait ??= this.live ? spread(LONGEST_MS) : backoff(Math.max(1, this.polls));
    this.timer = setTimeout(() => this.load(), wait);
  }

  /** The stream says how it is. */
  told(status) {
    this.live = true;
    // An answer that is on its way may be of before this; it must not have the last word.
    if (this.loading) return void (this.late = status);
    this.refreshing = status.refreshing;
    this.degraded = status.degraded;
    if (status.phase === 'gone' || (status.revision !== null && status.revision !== this.revision)) {
      this.load();
    } else if (status.checked_at && !this.error) {
      this.checkedAt = status.checkedAt;
      this.staleAt = status.staleAt;
      this.plan();
    }
    this.paint();
  }

  lost() {
    this.live = false;
    if (!this.loading) this.plan(spread(1_000));
  }

  paint() {
    const { words, options, checkedAt } = this;
    const seconds = Math.max(0, (Date.now() - checkedAt) / 1_000);
    let state = 'fresh';
    if (!checkedAt) state = this.error && !this.refreshing ? 'failed' : 'loading';
    else if (this.error) state = 'offline';
    else if (this.refreshing) state = 'updating';
    else if (this.degraded || this.staleAt <= Date.now()) state = 'outdated';
    const word = words[state];
    const text = typeof word === 'function' ? word(this.age(seconds)) : word;
    if (text === this.text && state === this.state) return;
    Object.assign(this, { text, state });
    const about = (this.error ?? this.degraded)?.message ?? '';
    const badge = typeof options.badge === 'string' ? document.querySelector(options.badge) : options.badge;
    if (badge) {
      badge.textContent = text;
      badge.title = about;
      badge.dataset.state = state;
    }
    options.onstate?.({ state, text, about, checkedAt: checkedAt ? new Date(checkedAt) : null, revision: this.revision || null });
  }

  age(seconds) {
    const [size, unit] = [[86_400, 'day'], [3_600, 'hour'], [60, 'minute']].find(([size]) => seconds >= size) ?? [1, 'second'];
    // Seconds in tens: a number that never rests draws the eye for nothing.
    const count = unit === 'second' ? Math.floor(seconds / 10) * 10 : Math.floor(seconds / size);
    return this.ages.format(-count || 0, unit);
  }
}

/** The watches of one server, and their share of the one stream. */
class Hub {
  watches = new Set();
  /** Of the tab that holds the stream: what other tabs want, and what was told last of each name. */
  others = new Map();
  last = new Map();
  listed = [];
  attempts = 0;
  asleep = false;
  tab = Math.random().toString(36);

  constructor(base) {
    this.base = base;
    const look = () => {
      clearTimeout(this.bedtime);
      if (document.visibilityState === 'hidden') this.bedtime = setTimeout(() => this.sleep(), HIDDEN_MS);
      else this.wake();
    };
    look();
    addEventListener('visibilitychange', look);
    addEventListener('pagehide', () => this.sleep());
    addEventListener('pageshow', event => event.persisted && this.wake());
    addEventListener('online', () => this.watches.forEach(watch => watch.load()));
    setInterval(() => this.asleep || this.watches.forEach(watch => watch.paint()), 1_000);
  }

  sleep() {
    this.asleep = true;
    this.leave();
    for (const watch of this.watches) {
      watch.live = false;
      clearTimeout(watch.timer);
    }
  }

  wake() {
    if (!this.asleep) return;
    this.asleep = false;
    this.watches.forEach(watch => watch.load());
  }

  /** Takes part with what is watched now. Gathered, since a page starts its watches one after another. */
  sync() {
    clearTimeout(this.syncing);
    this.syncing = setTimeout(() => {
      const want = [...this.watches].filter(watch => watch.known).map(watch => watch.name);
      if (this.asleep || !want.length) return this.leave();
      if (!this.joined) this.join();
      if (String(want) !== this.wanted) this.post({ tab: this.tab, want });
      this.wanted = String(want);
      if (this.leads) this.open(want);
    }, 100);
  }

  join() {
    this.joined = true;
    // Locks are for secure pages only; elsewhere each visible tab holds a stream of its own.
    if (!navigator.locks || !window.BroadcastChannel) return void (this.leads = true);
    const name = `wellspring ${this.base}`;
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }) => this.hear(data);
    this.queue = new AbortController();
    const lead = () => new Promise(release => {
      this.release = release;
      this.leads = true;
      this.post({ who: true });
      this.sync();
    });
    navigator.locks.request(name, { signal: this.queue.signal }, lead).catch(() => {});
  }

  leave() {
    if (!this.joined) return;
    this.post({ tab: this.tab, want: [] });
    this.close();
    this.channel?.close();
    this.queue?.abort();
    this.release?.();
    this.others.clear();
    this.joined = this.leads = this.channel = this.queue = this.release = this.wanted = undefined;
  }

  post(message) {
    this.channel?.postMessage(message);
  }

  /** Another tab speaks. */
  hear(message) {
    if (message.who) {
      this.wanted = undefined;
      this.sync();
    } else if (!message.want) {
      this.deliver(message);
    } else if (this.leads) {
      if (message.want.length) this.others.set(message.tab, message.want);
      else this.others.delete(message.tab);
      message.want.forEach(name => this.last.has(name) && this.post({ status: this.last.get(name) }));
      this.sync();
    }
  }

  deliver({ status, lost, back }) {
    for (const watch of this.watches) {
      if (status?.asked === watch.name) watch.told(status);
      if (lost) watch.lost();
      if (back) watch.load();
    }
  }

  tell(message) {
    this.deliver(message);
    this.post(message);
  }

  open(mine) {
    const names = [...new Set([...mine, ...[...this.others.values()].flat()])].sort().slice(0, 256);
    if (this.retrying || (this.source && names.every(name => this.listed.includes(name)))) return;
    this.close();
    this.listed = names;
    const source = this.source = new EventSource(`${this.base}api/stream?source=${encodeURIComponent(names.join(','))}`);
    const alive = () => {
      clearTimeout(this.silence);
      this.silence = setTimeout(() => this.fail(), SILENCE_MS);
    };
    alive();
    source.onopen = () => {
      alive();
      // Data that was lost in a restart may come back under the same number.
      if (this.attempts) this.tell({ back: true });
    };
    source.addEventListener('heartbeat', () => {
      alive();
      // It has held for a while: a server that only says hello is not asked every second.
      this.attempts = 0;
    });
    source.addEventListener('status', ({ data }) => {
      alive();
      const status = JSON.parse(data);
      status.checkedAt = Date.now() - status.age * 1_000;
      status.staleAt = Date.now() + status.fresh_for * 1_000;
      this.last.set(status.asked, status);
      this.tell({ status });
    });
    // By hand also where the browser would ask again itself: it gives up at an answer that is no stream, and asks in step.
    source.onerror = () => this.fail();
  }

  fail() {
    this.close();
    // Names that are wanted no more, or known no more, may be why.
    this.others.clear();
    this.post({ who: true });
    this.tell({ lost: true });
    this.retrying = setTimeout(() => {
      this.retrying = undefined;
      this.sync();
    }, backoff(this.attempts++));
  }

  close() {
    this.source?.close();
    this.source = undefined;
    this.last.clear();
    clearTimeout(this.silence);
    clearTimeout(this.retrying);
    this.retrying = undefined;
  }
}
