// What came and cannot be applied here, in the words of this app: how much of it, why, and what a person can do.
import type { QuarantineCode, QuarantineCount } from '@mana/sync-engine';

/** What waits for one reason. */
export interface Waiting {
  readonly code: QuarantineCode;
  /** How many, with those that found no room. */
  readonly many: string;
  /** Why, and what to do about it. */
  readonly text: string;
  readonly advice: string;
  /** What found no room, if anything. */
  readonly dropped: string;
}

/** For each code of docs/errors.md under "Quarantine": why `one` change waits, or several, and what to do. */
const reasons: Readonly<Record<QuarantineCode, { one: string; many: string; advice: string }>> = {
  schema_too_new: {
    one: 'is of a newer version of this app.',
    many: 'are of a newer version of this app.',
    advice: 'Reload to get the newest version.',
  },
  unknown_table: {
    one: 'is of a part of the app that this version does not have.',
    many: 'are of a part of the app that this version does not have.',
    advice: 'Reload to get the newest version.',
  },
  clock_ahead: {
    one: 'is dated in the future, by a device whose clock is wrong.',
    many: 'are dated in the future, by a device whose clock is wrong.',
    advice: 'Correct that device’s date and time. There is nothing to do here: it comes in by itself.',
  },
  not_unique: {
    one: 'has a value that another task here has, too.',
    many: 'have values that other tasks here have, too.',
    advice: 'It comes by itself when that task gets another one.',
  },
  space_mismatch: {
    one: 'is of a task that is in another list here.',
    many: 'are of tasks that are in another list here.',
    advice: 'Nothing you can do brings it in. Report this.',
  },
  malformed: {
    one: 'is damaged and cannot be read.',
    many: 'are damaged and cannot be read.',
    advice: 'Nothing you can do brings it in. Report this.',
  },
};

/** How many changes wait. */
export function waitingIn(counts: readonly QuarantineCount[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0);
}

/** `1 change from another device waits here`. */
export function waitHere(count: number): string {
  if (count === 0) return 'Changes from other devices found no room here';
  return count === 1
    ? '1 change from another device waits here'
    : `${number(count)} changes from other devices wait here`;
}

/** Puts what waits into words, what an update helps with first. */
export function inWords(counts: readonly QuarantineCount[]): readonly Waiting[] {
  const order = Object.keys(reasons);
  const sorted = [...counts].sort((a, b) => order.indexOf(a.code) - order.indexOf(b.code));
  return sorted.map(({ code, count, dropped }) => {
    const { one, many, advice } = reasons[code];
    return {
      ...{ code, advice },
      many: number(count + dropped),
      text: count + dropped === 1 ? one : many,
      dropped:
        dropped > 0
          ? `${number(dropped)} found no room here: what is lacking comes when everything is read again.`
          : '',
    };
  });
}

function number(count: number): string {
  return count.toLocaleString('en-GB');
}
