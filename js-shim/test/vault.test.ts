/** The vault as the app sees it. */

import { expect, it, vi } from 'vitest';
import { openWith } from '../src/engine.js';
import type { EngineOptions } from '../src/types.js';
import { isLocked, sealed } from '../src/vault.js';
import { options, World } from './raw-double.js';

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

it('is_told_after_how_long_a_vault_that_nobody_uses_is_locked', async () => {
  const listeners = new Map<string, () => void>();
  const page = {
    addEventListener: (name: string, listener: () => void) => listeners.set(name, listener),
    removeEventListener: (name: string) => listeners.delete(name),
  };
  vi.stubGlobal('document', page);
  const { world, engine } = await opened({ vault: { lockAfterMs: 60_000 } });
  expect(world.instance.options.vaultLockAfterMs).toBe(60_000);
  listeners.get('keydown')?.();
  expect(world.instance.callsOf('vaultUsed')).toHaveLength(1);
  engine.close();
  listeners.get('pointerdown')?.();
  expect(listeners.size).toBe(0);
  vi.unstubAllGlobals();
});
