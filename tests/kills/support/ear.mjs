// What a tab of `tabs.js` told, and whether all tabs together lost or doubled something.
import assert from 'node:assert/strict';

export class Ear {
  /** The numbers of the writes that were shown as saved. */
  saved = new Set();
  begun = 0;
  pushes = [];
  complaints = [];
  /** How often the app was asked for a token. */
  asked = 0;
  name;

  constructor(name) {
    this.name = name;
  }

  /** @param {unknown} page which of several pages of this name tells it */
  hear({ begun, saved, broken, asked, push, begins, ends }, page) {
    if (begun) this.begun = begun;
    if (saved) this.saved.add(saved);
    if (broken) this.complaints.push(broken);
    if (asked) this.asked += 1;
    if (begins) this.pushes.push({ tab: this.name, page, push, begins });
    if (ends) this.#settle(page, ends, (one) => one.push === push);
  }

  /** Nobody hears any more how the pushes end that are under way. */
  deafen(page, at) {
    this.#settle(page, at, () => true);
  }

  #settle(page, at, is) {
    for (const one of this.pushes) if (one.page === page && is(one)) one.ends ??= Math.max(at, one.begins);
  }
}

/** Fails unless the server and each tab have everything that the tabs saved, once. `told` asks a tab's page. */
export async function holdsAll({ phone }, tabs, shared) {
  await phone.pull();
  const mine = [...phone.records.keys()].filter((key) => key.startsWith(`tasks/${shared}-`));
  const onServer = new Set(mine.map((key) => key.slice('tasks/'.length)));
  const inserts = phone.inserts.filter((key) => key.startsWith(`tasks/${shared}-`));
  assert.equal(inserts.length, onServer.size, 'every record was inserted once');
  const fields = phone.records.get(`tasks/${shared}`);
  for (const { ear, told } of tabs) {
    assert.deepEqual(ear.complaints, [], `${ear.name} complains`);
    const missing = [...ear.saved].filter((n) => !onServer.has(`${shared}-${ear.name}-${n}`));
    assert.deepEqual(missing, [], `the server has what ${ear.name} saved`);
    const number = fields.get(ear.name).value;
    assert.ok(number >= Math.max(...ear.saved) && number <= ear.begun, `${ear.name}: ${number}`);
    const shown = await told('look', `${shared}-`);
    assert.deepEqual(shown.sort(), [...onServer].sort(), `${ear.name} shows everything`);
  }
}

/** Pushes that began while one of another page was under way. */
export function crossings(pushes) {
  const sorted = pushes.toSorted((a, b) => a.begins - b.begins);
  const crossed = sorted.filter((push, at) =>
    sorted.slice(0, at).some((other) => other.page !== push.page && other.ends > push.begins),
  );
  return crossed.map(({ tab, push, begins }) => ({ tab, push, begins }));
}
