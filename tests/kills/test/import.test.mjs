// A real Chromium is killed again and again while a page takes an archive in: what is there then are whole pages, each with what is to
// be sent of it, and the import that is done again ends as one that nobody disturbed.
//
// KILLS says how often browsers are killed in this suite (50): a fifth of it falls to imports. SEED repeats the choices of a run.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { randomOf } from '../../support/page/random.js';
import { Phone } from '../../support/phone.mjs';
import { differences, unsent } from '../../support/replicas.mjs';
import { different, Pages, storedOf, wrongIn } from '../support/imports.mjs';
import { World } from '../support/world.mjs';

const kills = Math.ceil(Number(process.env.KILLS ?? 50) / 5);
const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
/** Milliseconds that one kill may take with all that belongs to it, on a busy machine. */
const patience = 45_000;
/** Some five megabytes: twenty pages. */
const rows = { tasks: 1800, notes: 1200, lists: 500 };
const passphrase = 'correct horse battery staple';
const archives = { plain: {}, sealed: { passphrase } };

describe('an import that is killed', { timeout: 120_000 + kills * patience }, () => {
  let world;
  let device;
  /** What an import that nobody disturbs comes to: its pages by archive, and the rows. */
  const undisturbed = { pages: {}, rows: null };
  const tally = { amid: 0, early: 0, over: 0, vanished: 0 };

  before(async () => {
    world = await World.start();
    await begin('maker');
    await device.told('open', 'bob', 9);
    for (const [name, options] of Object.entries(archives)) {
      await world.put(`${name}.mana`, Buffer.from(await device.told('make', rows, options), 'base64'));
    }
  });
  after(() => world?.stop());

  it('has_taken_whole_pages_and_ends_as_one_that_nobody_disturbed', async () => {
    console.log(`SEED=${seed} KILLS=${kills} of imports`);
    const random = randomOf(seed);
    const begun = performance.now();
    const names = Object.keys(archives);
    for (const name of names) await disturbNobody(name);
    try {
      for (let [killed, life] = [0, 0]; killed < kills; life += 1) {
        const times = Math.min(random.between(1, 3), kills - killed);
        await live(random, `ada${life}`, names[life % names.length], times);
        killed += times;
      }
    } finally {
      const seconds = (performance.now() - begun) / 1000;
      console.log(`${seconds.toFixed(0)} s: ${JSON.stringify(tally)}, seed ${seed}`);
    }
    // A run whose kills met nothing shows nothing.
    assert.ok(tally.amid * 2 >= kills, 'at least half of the kills came amid an import');
  });

  /** Starts a browser on a profile that is new where it has a name. Gives what is stored, and where what the page tells goes. */
  async function begin(profile) {
    if (profile) device = await world.another(profile);
    const heard = new Pages();
    await device.start(new URL('import.html', world.address).href, (what) => heard.hear(what));
    return { stored: (await device.look()).rows, heard };
  }

  async function disturbNobody(name) {
    const { heard } = await begin(`undisturbed-${name}`);
    await device.told('open', 'ada', 7);
    await take(name);
    undisturbed.pages[name] = heard;
    const read = JSON.parse(await device.told('rows'));
    for (const [table, count] of Object.entries(rows)) assert.equal(read[table].length, count, table);
    if (undisturbed.rows) assert.deepEqual(different(read, undisturbed.rows, 'ada'), [], 'both archives hold the same');
    undisturbed.rows = read;
  }

  /** Takes an archive in on a new device, kills that so many times meanwhile, and then lets it end. */
  async function live(random, user, name, times) {
    const phone = new Phone(world.server, 'kills', Object.keys(rows), undefined, user);
    let { stored, heard } = await begin(user);
    for (let kill = 0; kill < times; kill += 1) {
      // Where it syncs, what was taken leaves the log while more is taken.
      await device.told('open', user, 7, ...(random.oneIn(2) ? [world.server.url] : []));
      await checkRows(user);
      const told = await killAmid(random, name, heard);
      ({ stored, heard } = await begin());
      await phone.pull();
      note(told, stored);
      if (stored) assert.deepEqual(wrongIn(stored, undisturbed.pages[name], undisturbed.rows, phone).slice(0, 10), []);
    }
    await device.told('open', user, 7, world.server.url);
    await checkRows(user);
    await take(name);
    await end(phone, user);
  }

  /** Every row that is there is whole. */
  async function checkRows(user) {
    const read = JSON.parse(await device.told('rows'));
    assert.deepEqual(different(read, undisturbed.rows, user).slice(0, 10), [], 'rows that are not whole');
    return read;
  }

  /** Kills the browser at a random moment of an import; gives the pages that it told. */
  async function killAmid(random, name, heard) {
    const { told, pace } = undisturbed.pages[name];
    const after = random.between(0, told.length - 1);
    const delay = random.next() * (after === 0 ? pace.first + pace.each : pace.each);
    device.told('take', `${name}.mana`, archives[name]).catch(() => {});
    await heard.reach(after);
    await pause(delay);
    await device.kill();
    return heard.told;
  }

  function note(told, stored) {
    const all = undisturbed.pages.plain.told.length;
    if (told.length === 0) tally.early += 1;
    else if (told.length < all) tally.amid += 1;
    else tally.over += 1;
    if (stored) assert.equal(storedOf(told, stored), told.length, 'pages that were told to be taken are there');
    // Chromium drops a database that a kill damaged: what was sent comes back, and the rest with the next import.
    else if (told.length > 0) tally.vanished += 1;
  }

  function take(name) {
    return device.told('take', `${name}.mana`, archives[name]);
  }

  /** The same rows as without a kill, each said to the server once. */
  async function end(phone, user) {
    const read = await checkRows(user);
    for (const [table, count] of Object.entries(rows)) assert.equal(read[table].length, count, table);
    await device.told('settle');
    await phone.pull();
    const { rows: stored } = await device.look();
    assert.equal(unsent(stored), 0, 'unsent changes after syncing');
    assert.deepEqual(differences(stored, phone).slice(0, 10), [], 'here and on the server');
    const inserts = new Set(phone.inserts);
    assert.equal(phone.inserts.length, inserts.size, 'each record was said once');
    const count = Object.values(rows).reduce((sum, some) => sum + some, 0);
    assert.equal(inserts.size, count);
    for (const bytes of [
      JSON.stringify(stored),
      JSON.stringify([...phone.records.values()].map((record) => [...record])),
    ])
      assert.ok(!bytes.includes('SECRET tasks'), 'what is sealed is sealed');
  }
});
