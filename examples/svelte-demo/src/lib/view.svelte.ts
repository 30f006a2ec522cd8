// What the list of one device shows: a project, a search, and the settings that follow the user to all devices.
import type { Changes } from '@mana/sync-engine';
import { live } from '@mana/sync-engine/svelte';
import type { Device } from './device.svelte.ts';
import { type Group, groupsOf, type Shown } from './queries.ts';
import type { Settings } from './schema.ts';
import { today } from './today.svelte.ts';

/** The key of the one record of settings. */
const settingsId = 'board';

export class View {
  readonly #device: Device;
  readonly #settings = live(() => this.#table?.where(':id').equals(settingsId));
  project = $state('');
  search = $state('');

  constructor(device: Device) {
    this.#device = device;
  }

  get #table() {
    return this.#device.engine?.table<Settings>('settings');
  }

  get #view(): NonNullable<Settings['view']> {
    return this.#settings.current?.[0]?.view ?? {};
  }

  get compact(): boolean {
    return this.#view.compact ?? false;
  }

  get shown(): Shown {
    const { project, search } = this;
    const { shown: family } = this.#device.family;
    return { project, search, sort: this.#view.sort ?? 'day', today: today.day, family };
  }

  /** Whether some tasks are not shown. */
  get narrowed(): boolean {
    return this.project !== '' || this.search.trim() !== '';
  }

  get groups(): Group[] {
    return groupsOf(this.#device.tasks, this.shown);
  }

  /** Changes settings, such as `{ 'view.sort': 'title' }`; the record is made when there is none. */
  set(changes: Changes<Settings>): Promise<boolean> {
    return this.#device.save('Saving the view', async () => this.#table?.upsert(settingsId, changes));
  }

  /** As on a device that was just opened. */
  reset(): void {
    this.project = '';
    this.search = '';
  }
}
