// What comparing a device with the server found, in the words of this app.
import type { CheckResult, TableCheck } from '@mana/sync-engine';

/** A list that differs. */
export interface Difference {
  readonly what: string;
  readonly here: number;
  readonly there: number;
}

/** What a check found, for a person. */
export interface CheckWords {
  readonly kind: 'good' | 'bad' | 'unknown';
  readonly text: string;
  readonly advice: string;
  readonly differences: readonly Difference[];
}

const count = (number: number, one: string, many: string) =>
  `${number.toLocaleString('en-GB')} ${number === 1 ? one : many}`;

function differenceOf({ table, spaceId, local, server }: TableCheck): Difference {
  const list = spaceId === null ? 'your own list' : 'the family list';
  const what = `${table[0]?.toUpperCase()}${table.slice(1)} in ${list}`;
  return { what, here: local.records, there: server.records };
}

function leftOut(number: number): string {
  if (number === 0) return '';
  return ` ${count(number, 'record is', 'records are')} left out: they have changes that are not sent, or were not accepted.`;
}

/** Says what a check found. */
export function wordsFor({ state, tables, leftOut: left }: CheckResult): CheckWords {
  const differences = tables.filter((table) => !table.equal).map(differenceOf);
  const records = tables.reduce((sum, table) => sum + table.local.records, 0);
  switch (state) {
    case 'equal':
      return {
        kind: 'good',
        text: `This device and the server hold the same ${count(records, 'record', 'records')}.`,
        advice: leftOut(left).trim(),
        differences,
      };
    case 'different':
      return {
        kind: 'bad',
        text: 'This device and the server differ.',
        advice: `Read everything again: that loses nothing.${leftOut(left)}`,
        differences,
      };
    case 'moving':
      return {
        kind: 'unknown',
        text: 'Too much was changing to compare.',
        advice: 'Try again when nobody is writing.',
        differences,
      };
    case 'waiting':
      return {
        kind: 'unknown',
        text: `${count(left, 'record has', 'records have')} changes that the server does not have.`,
        advice: 'Let them be sent first, and decide about those that were not accepted.',
        differences,
      };
  }
}

/** The difference in words: how many are here and there, or that they are as many and yet not the same. */
export function sayDifference({ here, there }: Difference): string {
  if (here === there) return `${here} on both sides, but not all of them are the same`;
  return `${here} here, ${there} on the server`;
}
