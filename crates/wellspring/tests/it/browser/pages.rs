//! Hand-written pages that fill themselves.

/// Fills the list after 800 ms, as tix.id does.
pub(super) const LATE: &str = "setTimeout(() => { document.querySelector('ul').innerHTML = '<li>One</li><li>Two</li>' }, 800)";

/// Asks an API and fills the list with what it says.
pub(super) const ASKING: &str = "fetch('/api/list?page=1').then(a => a.json()).then(all => {
  document.querySelector('ul').innerHTML = all.map(one => `<li>${one.title}</li>`).join('') })";
