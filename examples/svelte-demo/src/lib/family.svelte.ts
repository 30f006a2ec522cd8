// The family list: a space that sample users share. The development server keeps who is a member.
import type { Engine, Space } from '@mana/sync-engine';
import { serverUrl } from './config.ts';
import type { Device } from './device.svelte.ts';
import { fetchToken, type SampleUser, sampleUsers, userById } from './users.ts';

export interface Member extends SampleUser {
  readonly role: string;
}

/** Who asks the server, and by which way. */
export interface Caller {
  readonly as: SampleUser;
  readonly fetch: typeof globalThis.fetch;
}

export class Family {
  readonly #device: Device;
  #spaces = $state.raw<readonly Space[]>([]);
  /** Whether the family's list is shown, and new tasks go there. */
  shown = $state(false);
  /** Whether new tasks of the family's list are seen by nobody else. */
  keepsToSelf = $state(false);
  /** Who is in it, as the server said last. */
  members = $state.raw<readonly Member[]>([]);

  constructor(device: Device) {
    this.#device = device;
  }

  get space(): Space | undefined {
    return this.#spaces.find(({ type }) => type === 'family');
  }

  get others(): readonly Member[] {
    return this.members.filter(({ id }) => id !== this.#device.user?.id);
  }

  /** Whom the user may invite: owners decide who is in a space. */
  get invitable(): readonly SampleUser[] {
    const isIn = (user: SampleUser) => this.members.some(({ id }) => id === user.id);
    return this.isOwner ? sampleUsers.filter((user) => !isIn(user)) : [];
  }

  get isOwner(): boolean {
    return this.space?.role === 'owner';
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
    // Without the server one sees who was in it before.
    if (this.shown) await this.look().catch(() => {});
  }

  /** Makes the space with everybody in it, and shows it. */
  async start(): Promise<void> {
    const { user, engine } = this.#device;
    if (!user) return;
    const made = await this.#ask<Space>('POST', '', { name: 'Family', type: 'family' });
    for (const { id } of sampleUsers) {
      if (id !== user.id) await this.#ask('POST', `/${made.id}/members`, { userId: id });
    }
    await engine?.sync.syncNow();
    await this.show(true);
  }

  /** Asks the server who is in the space. */
  async look(): Promise<void> {
    const { space } = this;
    if (!space) return;
    const { members } = await this.#ask<{ members: { userId: string; role: string }[] }>('GET', `/${space.id}/members`);
    this.members = members.map(({ userId, role }) => ({ id: userId, name: userById(userId)?.name ?? userId, role }));
  }

  async invite({ id }: SampleUser): Promise<void> {
    await this.#member('POST', id);
    await this.look();
  }

  /** Takes somebody out of the space; oneself, too. */
  async remove({ id }: SampleUser): Promise<void> {
    await this.#member('DELETE', id);
    if (id === this.#device.user?.id) await this.#device.engine?.sync.syncNow();
    else await this.look();
  }

  /** Lets a member write (`member`), or only read (`viewer`). Only an owner does so: `by` says who, when it is not the user. */
  async setRole({ id }: SampleUser, role: 'member' | 'viewer', by?: Caller): Promise<void> {
    await this.#member('POST', id, role, by);
    if (!by) await this.look();
  }

  async #member(method: 'POST' | 'DELETE', userId: string, role?: string, by?: Caller): Promise<void> {
    if (this.space) await this.#ask(method, `/${this.space.id}/members`, { userId, role }, by);
  }

  get #caller(): Caller {
    const { user, network } = this.#device;
    if (!user) throw new Error('Nobody is signed in on this device');
    return { as: user, fetch: network.fetch };
  }

  /** Asks the development server about spaces. */
  async #ask<T>(method: string, path: string, body?: object, { as, fetch }: Caller = this.#caller): Promise<T> {
    const token = await fetchToken(fetch, serverUrl, as);
    const answer = await fetch(`${serverUrl}/dev/spaces${path}`, {
      method,
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`The server answered with status ${answer.status}`);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }

  reset(): void {
    this.#spaces = [];
    this.members = [];
    this.shown = false;
    this.keepsToSelf = false;
  }
}
