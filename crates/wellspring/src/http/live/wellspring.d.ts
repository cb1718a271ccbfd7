/** What a read of a source answers beside its items. */
export interface Answer {
  /** False on the one answer that waited for its refresh. */
  from_cache: boolean;
  /** Younger than its period. */
  cache_valid: boolean;
  /** The last successful refresh, `YYYY-MM-DD HH:MM:SS` in the server's time zone. */
  cache_date: string;
  /** The same moment with its offset (RFC 3339). */
  fetched_at: string;
  /** A refresh of it runs now. */
  refreshing_in_background: boolean;
  cache_age_hours?: number;
  /** Older than the source's `max_stale`. */
  expired?: true;
  /** Why the last refresh failed or was refused. */
  degraded?: { code: string; message: string };
  /** The items, under `items` or the source's `items_key`. */
  [key: string]: unknown;
}

/** `failed`: there is no data, and asking for it fails. `offline`: there is, but the server does not answer. */
export type StateName = 'loading' | 'fresh' | 'updating' | 'outdated' | 'offline' | 'failed';

export interface State {
  state: StateName;
  /** What a badge says. */
  text: string;
  /** What is wrong, in words; empty where nothing is. */
  about: string;
  /** When the data was last confirmed, by this machine's clock. */
  checkedAt: Date | null;
  /** A number that rises when the items change. */
  revision: number | null;
}

/** What badges say; a function is given the age in words, as in "3 minutes ago". */
export type Words = { [state in StateName]?: string | ((age: string) => string) };

export interface Options {
  /** An element, or a selector of one, whose text, `title` and `data-state` are kept. */
  badge?: Element | string;
  /** Badge texts in place of the English ones. */
  words?: Words;
  /** The language of ages, `id` for example; the page's own by default. */
  lang?: string;
  /** Called when the state or its text has changed: for badges of one's own. */
  onstate?: (state: State) => void;
  /** Called when asking fails that did not fail before. Asking goes on. Problems of the server have `status` and `problem`. */
  onerror?: (error: Error & { status?: number; problem?: Record<string, unknown> }) => void;
}

/**
 * Shows a source and keeps it fresh. `render` is called with what is there, and again when its items have changed.
 *
 * @param address `/api/cinema` on the server that this module came from, with the source's parameters, `limit` and `fields`; or a
 *   whole address of another.
 * @returns what stops it.
 */
export function watch<Item = Record<string, unknown>>(
  address: string,
  render: (items: Item[], answer: Answer) => void,
  options?: Options,
): () => void;
