//! What is run in a page, in a world of its own: the page's scripts neither see it nor change what it stands on.

/// Waits until an element matches: `(selector, patience in ms or null) → true | false | "what is wrong with the selector"`.
pub(super) const APPEARS: &str = r"(selector, patience) => new Promise(done => {
  const there = () => document.querySelector(selector) !== null;
  try { if (there()) return done(true); } catch (error) { return done(String(error.message)); }
  const watch = new MutationObserver(() => { if (there()) { watch.disconnect(); done(true); } });
  watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  if (patience !== null) setTimeout(() => { watch.disconnect(); done(there()); }, patience);
})";

/// Clicks the first element that matches: `(selector) → whether there was one`.
pub(super) const CLICK: &str = r"selector => {
  const found = document.querySelector(selector);
  if (found === null) return false;
  found.scrollIntoView({ block: 'center' });
  found.click();
  return true;
}";

/// Scrolls to the end and waits until the page grows: `(patience in ms) → whether it grew`.
pub(super) const SCROLL: &str = r"patience => new Promise(done => {
  const height = () => document.documentElement.scrollHeight;
  const nodes = () => document.getElementsByTagName('*').length;
  const before = [height(), nodes()];
  window.scrollTo(0, before[0]);
  const grew = () => height() > before[0] || nodes() > before[1];
  const watch = new MutationObserver(() => { if (grew()) { watch.disconnect(); done(true); } });
  watch.observe(document, { subtree: true, childList: true });
  setTimeout(() => { watch.disconnect(); done(grew()); }, patience);
})";

/// The document as it stands: `(most characters) → { address, title, length, html or null where it is longer }`.
pub(super) const READ: &str = r"most => {
  const html = document.documentElement === null ? '' : document.documentElement.outerHTML;
  const doctype = document.doctype === null ? '' : '<!doctype html>';
  return {
    address: document.URL,
    title: String(document.title).slice(0, 200),
    length: html.length,
    html: html.length <= most ? doctype + html : null,
  };
}";
