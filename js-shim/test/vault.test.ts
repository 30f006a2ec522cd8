/** The vault as the app sees it. */

import { describe, expect, it, vi } from 'vitest';
import { openWith } from '../src/engine.js';
import type { Engine, EngineOptions, Table } from '../src/types.js';
import { isLocked, sealed } from '../src/vault.js';
import { options, rawError, World } from './raw-double.js';

interface Row {
  id: string;
  title: string;
}

async function opened(more: Partial<EngineOptions> = {}) {
  const world = new World();
  return { world, engine: await openWith(world, { ...options, ...more }) };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

it('is_locked_until_the_engine_says_otherwise_and_again_in_a_new_instance', async () => {
  const { world, engine } = await opened();
  const seen: string[] = [];
  engine.vault.state.subscribe((state) => seen.push(state));
  world.instance.host.event('vault', { locked: false, outdated: false });
  await settle();
  world.instance.host.event('vault', { locked: true, outdated: false });
  world.instance.host.event('vault', { locked: true, outdated: false });
  await settle();
  world.instance.host.event('vault', { locked: false, outdated: false });
  await settle();
  expect(() => world.instance.panic()).toThrow();
  await settle();
  expect(seen).toEqual(['locked', 'unlocked', 'locked', 'unlocked', 'locked']);
});

it('locks_the_instance_that_takes_the_place_of_a_dead_one', async () => {
  const { world, engine } = await opened();
  const first = world.instance;
  expect(() => first.panic()).toThrow();
  // The other tabs have the key still, and would give it to the next one.
  engine.vault.lock();
  await vi.waitFor(() => expect(world.instance.callsOf('lock')).toHaveLength(1));
  expect(world.instance).not.toBe(first);
});

it('locks_nothing_once_it_is_closed', async () => {
  const { world, engine } = await opened();
  await engine.close();
  engine.vault.lock();
  await settle();
  expect(world.instance.callsOf('lock')).toHaveLength(0);
});

it('hands_over_a_passphrase_as_typed_and_normalized', async () => {
  const { world, engine } = await opened();
  const wrapped = { kdf: 'PBKDF2-SHA256', iterations: 1, salt: '', iv: '', ciphertext: '' } as const;
  await engine.vault.unlock({ passphrase: 'ﬁve', wrapped });
  await engine.vault.unlock({ rawKey: new Uint8Array(32) });
  engine.vault.lock();
  expect(world.instance.callsOf('unlock')).toEqual([
    [{ passphrase: 'ﬁve', normalized: 'five', wrapped }],
    [{ rawKey: new Uint8Array(32) }],
  ]);
  expect(world.instance.callsOf('lock')).toHaveLength(1);
  await expect(engine.vault.unlock(null as never)).rejects.toMatchObject({ code: 'invalid_argument' });
});

it('shows_rows_with_sealed_values_as_locked', async () => {
  const { engine } = await opened();
  expect(engine.isLocked({ id: 'a', title: sealed })).toBe(true);
  expect(isLocked({ id: 'a', title: 'open' })).toBe(false);
  expect(`${sealed}`).toBe('[sealed]');
});

it('is_told_what_to_seal_and_that_the_format_is_not_guessed', async () => {
  const encryption = { fields: { tasks: ['title'] }, format: 2 } as const;
  const { world } = await opened({ encryption, vault: { waitMs: 10 } });
  expect(world.instance.options).toMatchObject({ encryption, vaultWaitMs: 10 });
  const without = await opened({ encryption: { fields: {} } as never });
  expect(without.world.instance.options.encryption).toEqual({ fields: {}, format: 0 });
});

it('says_when_an_older_key_is_here', async () => {
  const { world, engine } = await opened();
  const seen: string[] = [];
  engine.vault.state.subscribe((state) => seen.push(state));
  world.instance.host.event('vault', { locked: false, outdated: true });
  await settle();
  world.instance.host.event('vault', { locked: false, outdated: false });
  await settle();
  expect(seen).toEqual(['locked', 'outdated', 'unlocked']);
});

it('hands_a_new_key_over_with_what_keeps_it', async () => {
  const { world, engine } = await opened();
  const newKey = new Uint8Array(32).fill(8);
  const kept: number[] = [];
  await engine.vault.rotate({ newKey, persist: ({ generation }) => void kept.push(generation) });
  expect(world.instance.callsOf('rotate')[0]?.[0]).toBe(newKey);
  expect(kept).toEqual([2]);
  for (const wrong of [undefined, { newKey: 'text', persist: () => {} }, { newKey }]) {
    await expect(engine.vault.rotate(wrong as never)).rejects.toMatchObject({ code: 'invalid_argument' });
  }
});

it('wraps_the_key_with_a_passphrase_in_one_spelling_and_with_no_empty_one', async () => {
  const { world, engine } = await opened();
  expect(await engine.vault.createPassphraseWrap('ﬁve')).toMatchObject({ kdf: 'PBKDF2-SHA256' });
  expect(world.instance.callsOf('createPassphraseWrap')).toEqual([['five']]);
  for (const wrong of ['', undefined, 5]) {
    await expect(engine.vault.createPassphraseWrap(wrong as never)).rejects.toMatchObject({ code: 'invalid_argument' });
  }
});

describe('a change that has to know the row, while the vault is locked,', () => {
  const changes: Record<string, (engine: Engine) => Promise<unknown>> = {
    'update by a function': (engine) => engine.table<Row>('tasks').update('a', () => ({ title: 'B' })),
    modify: (engine) => engine.table<Row>('tasks').where('id').equals('a').modify({ title: 'B' }),
    'update of a row with its key beside it': (engine) => engine.table<Row>('beside').update('a', { title: 'B' }),
  };

  /** Locked until somebody has waited for the key, where `unlocks`. */
  async function locked(unlocks: boolean) {
    const { world, engine } = await opened();
    world.unlocks = unlocks;
    for (const table of ['tasks', 'beside']) world.tables.set(table, new Map([['a', { id: 'a', title: 'A' }]]));
    world.before = (instance, call) => {
      const isOpen = unlocks && instance.callsOf('unlockedInTime').length > 0;
      if (call === 'tx.write' && !isOpen) throw rawError('vault_locked');
    };
    return { world, engine };
  }

  it.each(Object.entries(changes))('waits for the key and is made then: %s', async (_, change) => {
    const { world, engine } = await locked(true);
    expect(await change(engine)).toBe(1);
    expect(world.instance.transactions.map(({ state }) => state)).toEqual(['aborted', 'committed']);
    expect(world.instance.callsOf('unlockedInTime')).toHaveLength(1);
  });

  it.each(Object.entries(changes))('fails when the key does not come in time: %s', async (_, change) => {
    const { world, engine } = await locked(false);
    await expect(change(engine)).rejects.toMatchObject({ code: 'vault_locked' });
    expect(world.instance.transactions.map(({ state }) => state)).toEqual(['aborted']);
  });

  it.each([
    ['update by a function', (tasks: Table<Row>, add: (row: Row) => void) => tasks.update('a', add)],
    ['modify', (tasks: Table<Row>, add: (row: Row) => void) => tasks.where('id').equals('a').modify(add)],
  ])('stores nothing that a function made of a value it could not read: %s', async (_, change) => {
    const { world, engine } = await opened();
    world.unlocks = true;
    // The key comes between reading and writing.
    const row = () => ({ id: 'a', title: world.instance.callsOf('unlockedInTime').length > 0 ? 'A' : sealed });
    for (const read of ['get', 'rows'] as const) world[read] = () => [row() as never];
    await change(engine.table<Row>('tasks'), (task) => {
      task.title = `${task.title}!`;
    });
    expect(world.instance.transactions.map(({ writes }) => writes)).toEqual([
      [],
      [[expect.stringMatching(/^update/), 'tasks', [['a', { title: 'A!' }]]]],
    ]);
  });

  it('fails at once inside a transaction of the app', async () => {
    const { world, engine } = await locked(true);
    const whole = engine.transaction('rw', 'tasks', (tx) => tx.table<Row>('tasks').update('a', () => ({ title: 'B' })));
    await expect(whole).rejects.toMatchObject({ code: 'vault_locked' });
    expect(world.instance.callsOf('unlockedInTime')).toEqual([]);
  });
});

it('is_told_after_how_long_a_vault_that_nobody_uses_is_locked', async () => {
  const listeners = new Map<string, () => void>();
  const page = {
    addEventListener: (name: string, listener: () => void) => listeners.set(name, listener),
    removeEventListener: (name: string) => listeners.delete(name),
  };
  vi.stubGlobal('document', page);
  const { world, engine } = await opened({ vault: { idleLockMs: 60_000 } });
  expect(world.instance.options.vaultIdleLockMs).toBe(60_000);
  listeners.get('keydown')?.();
  expect(world.instance.callsOf('vaultUsed')).toHaveLength(1);
  engine.close();
  listeners.get('pointerdown')?.();
  expect(listeners.size).toBe(0);
  vi.unstubAllGlobals();
});
