// An app that is pulled only once somebody asks for it, from a tab that does not sync itself, over the real server.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { BareDevices } from '../support/bare-devices.mjs';

const timeout = 120_000;
/** More than two pages of a pull. */
const rows = 2500;

let devices;

before(async () => {
  devices = await BareDevices.start('apps.js');
  const writer = await devices.profile();
  await writer.told('open', devices.server.url, 'eager');
  await writer.told('fill', 'tasks', 3);
  await writer.told('fill', 'pages', rows);
  await writer.context.close();
});
after(() => devices?.stop());

it('comes_when_the_tab_that_does_not_sync_asks_and_stays', { timeout }, async () => {
  const { url } = devices.server;
  const reader = await devices.profile();
  await reader.told('open', url, 'lazy');
  await reader.told('sync');
  const beside = await reader.tab();
  await beside.told('open', url, 'lazy');
  assert.deepEqual(await Promise.all(['tasks', 'pages'].map((table) => reader.told('stored', table))), [3, 0]);

  assert.equal(await beside.told('ensure', 'book'), 'here');
  assert.equal(await beside.told('stored', 'pages'), rows);
  assert.equal(await beside.told('asked'), 0, 'the other tab syncs');
  for (const tab of [reader, beside]) {
    const told = (await tab.told('shown')).filter(({ total }) => total !== null);
    assert.ok(told.length >= 2, JSON.stringify(told));
    assert.ok(
      told.every(({ done, total }) => done > 0 && done < total && total === rows + 3),
      JSON.stringify(told),
    );
  }

  await reader.context.setOffline(true);
  assert.equal(await beside.told('ensure', 'book'), 'here', 'what is here needs no connection');
  assert.equal(await beside.told('ensure', 'nothing'), 'unknown_app');
  await reader.context.close();
});

it('comes_when_one_of_its_tables_is_read', { timeout }, async () => {
  const reader = await devices.profile();
  await reader.told('open', devices.server.url, 'lazy');
  await reader.told('sync');
  assert.equal(await reader.told('count', 'pages'), 0);
  await reader.page.waitForFunction(async (rows) => (await globalThis.device.count('pages')) === rows, rows);
  await reader.context.close();
});
