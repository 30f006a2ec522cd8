// The family list: a space that both sample users share, made at the development server, which keeps who is a member.
import type { Engine, Space } from '@mana/sync-engine';
import { serverUrl } from './config.ts';
import type { Device } from './device.svelte.ts';
import { fetchToken, sampleUsers } from './users.ts';

export class Family {
  readonly #device: Device;
  #spaces = $state.raw<readonly Space[]>([]);
  /** Whether the family's list is shown, and new tasks go there. */
  shown = $state(false);

  constructor(device: Device) {
    this.#device = device;
  }

  get space(): Space | undefined {
    return this.#spaces.find(({ type }) => type === 'family');
  }

  /** The server names the user's spaces with each answer; the engine keeps the list that it is told. */
  follow(engine: Engine): void {
    engine.on('spaces', (spaces) => {
      if (JSON.stringify(spaces) === JSON.stringify(this.#spaces)) return;
      this.#spaces = spaces;
      void this.#device.attempt('Learning your spaces', async () => {
        await engine.setSpaces(spaces);
        if (this.shown && !this.space) await this.show(false);
      });
    });
  }

  async show(family: boolean): Promise<void> {
    await this.#device.engine?.setActiveSpace(family ? (this.space?.id ?? null) : null);
    this.shown = family && this.space !== undefined;
  }

  /** Makes the space with everybody in it, and shows it. */
  async start(): Promise<void> {
    const { user, network } = this.#device;
    if (!user) return;
    const token = await fetchToken(network.fetch, serverUrl, user);
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
    const post = async (path: string, body: object) => {
      const answer = await network.fetch(`${serverUrl}${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`The server answered with status ${answer.status}`);
      return answer;
    };
    const made = (await (await post('/dev/spaces', { name: 'Family', type: 'family' })).json()) as Space;
    for (const { id } of sampleUsers) {
      if (id !== user.id) await post(`/dev/spaces/${made.id}/members`, { userId: id });
    }
    await this.#device.engine?.sync.syncNow();
    await this.show(true);
  }

  reset(): void {
    this.#spaces = [];
    this.shown = false;
  }
}
