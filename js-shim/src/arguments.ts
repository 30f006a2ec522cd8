/** Checks of what an app hands over, so that a wrong argument is refused by name and never half-understood. */

import { invalidArgument, readArgument } from './errors.js';

/** An object that is no array. */
export function objectArgument<T>(value: T, what: string): T {
  if (typeof value === 'object' && value !== null && !isList(value)) return value;
  throw wrong(what, 'an object');
}

/** Options that may be left out: a copy, which can be read without care. */
export function optionsArgument<T extends object>(value: T | undefined, what: string): Partial<T> {
  return value === undefined ? {} : readArgument(() => ({ ...objectArgument(value, what) }));
}

/** Options that may be left out, each `true` or `false`: what deletes data has to be said as it is meant. */
export function flagsArgument<T extends object>(value: T | undefined, what: string): Partial<T> {
  const flags = optionsArgument(value, what);
  if (Object.values(flags).every((flag) => flag === undefined || typeof flag === 'boolean')) return flags;
  throw wrong(what, 'true or false');
}

/** An array. */
export function listArgument<I>(value: readonly I[], what: string): readonly I[] {
  if (isList(value)) return value;
  throw wrong(what, 'an array');
}

/** Whether it is an array; of a revoked proxy nobody can tell. */
export function isList(value: unknown): value is readonly unknown[] {
  return readArgument(() => Array.isArray(value));
}

/** An array of strings. */
export function textsArgument(value: readonly string[], what: string): string[] {
  return readArgument(() => listArgument(value, what).map((item) => textArgument(item, `Each item of ${what}`)));
}

/** A string. */
export function textArgument(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw wrong(what, 'a string');
}

/** The name of a table. */
export function tableName(name: unknown): string {
  return textArgument(name, "A table's name");
}

/** A string, or `null` for what is not there. */
export function optionalText(value: unknown, what: string): string | null {
  return value === undefined || value === null ? null : textArgument(value, what);
}

/** A function. */
export function functionArgument<F>(value: F, what: string): F {
  if (typeof value === 'function') return value;
  throw wrong(what, 'a function');
}

/** A number from 0 on. */
export function numberArgument(value: unknown, what: string): number {
  if (typeof value === 'number' && value >= 0) return value;
  throw wrong(what, 'a number from 0 on');
}

/** One of some words. */
export function wordArgument<W extends string>(value: W, words: readonly W[], what: string): W {
  if (words.includes(value)) return value;
  throw wrong(what, `one of ${words.join(', ')}`);
}

function wrong(what: string, wanted: string) {
  return invalidArgument(`${what} must be ${wanted}.`);
}
