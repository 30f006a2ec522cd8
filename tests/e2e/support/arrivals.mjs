// How long it takes from a commit on one device until the row is on another one's screen.

/** Has a page note when it says that a write is saved. */
export function watchCommits(page) {
  return page.evaluate(() => {
    const now = () => performance.timeOrigin + performance.now();
    window.commits = [];
    new MutationObserver((records) => {
      for (const { target, oldValue } of records) {
        if (oldValue !== 'saved' && target.dataset.state === 'saved') window.commits.push(now());
      }
    }).observe(document.body, { subtree: true, attributeFilter: ['data-state'], attributeOldValue: true });
  });
}

/** Has a page note when a title is shown for the first time. */
export function watchArrivals(page) {
  return page.evaluate(() => {
    const now = () => performance.timeOrigin + performance.now();
    window.arrivals = {};
    const note = () => {
      for (const { textContent } of document.querySelectorAll('[data-task] .text'))
        window.arrivals[textContent] ??= now();
    };
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
}

/** The newest commit that a page has noted. */
export function lastCommit(page) {
  return page.evaluate(() => window.commits.at(-1));
}

/** When a page first showed a title. */
export function arrivalOf(page, title) {
  return page.evaluate((text) => window.arrivals[text], title);
}

/** The value below which 95 of 100 are. */
export function p95(values) {
  return [...values].sort((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1];
}
