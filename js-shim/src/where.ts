/** The conditions of `where(…)`. */

import type { Access } from './access.js';
import { isList, optionsArgument } from './arguments.js';
import { invalidArgument, readArgument } from './errors.js';
import type { TableInfo } from './fields.js';
import { TableQuery } from './query.js';
import { condition, type QueryState } from './query-state.js';
import type { Query, WhereClause } from './types.js';

/** The conditions of `WhereClause<T, K>`; `state` is the query that the rows are for. */
export class IndexClause<T, K> implements WhereClause<T, K> {
  readonly #access: Access;
  readonly #table: TableInfo;
  readonly #index: string;
  readonly #state: QueryState;

  constructor(access: Access, table: TableInfo, index: string, state: QueryState) {
    this.#access = access;
    this.#table = table;
    this.#index = index;
    this.#state = state;
  }

  equals(key: K): Query<T> {
    return this.#on('equals', [key]);
  }

  notEqual(key: K): Query<T> {
    return this.#on('noneOf', [key]);
  }

  above(key: K): Query<T> {
    return this.#on('above', [key]);
  }

  aboveOrEqual(key: K): Query<T> {
    return this.#on('aboveOrEqual', [key]);
  }

  below(key: K): Query<T> {
    return this.#on('below', [key]);
  }

  belowOrEqual(key: K): Query<T> {
    return this.#on('belowOrEqual', [key]);
  }

  between(lower: K, upper: K, includeLower = true, includeUpper = false): Query<T> {
    return this.#on('between', [lower, upper], [includeLower, includeUpper]);
  }

  inAnyRange(
    ranges: readonly (readonly [K, K])[],
    options?: { readonly includeLowers?: boolean; readonly includeUppers?: boolean },
  ): Query<T> {
    const { includeLowers = true, includeUppers = false } = optionsArgument(options, 'The options of inAnyRange');
    const bounds = readArgument(() => {
      if (Array.isArray(ranges) && ranges.every((range) => Array.isArray(range) && range.length === 2))
        return ranges.flat();
      throw invalidArgument('inAnyRange takes an array of pairs of keys.', { index: this.#index });
    });
    return this.#on('inAnyRange', bounds, [includeLowers, includeUppers]);
  }

  anyOf(...keys: readonly K[] | [readonly K[]]): Query<T> {
    return this.#on('anyOf', listed(keys));
  }

  noneOf(...keys: readonly K[] | [readonly K[]]): Query<T> {
    return this.#on('noneOf', listed(keys));
  }

  startsWith(prefix: string): Query<T> {
    return this.#on('startsWith', [prefix]);
  }

  startsWithAnyOf(...prefixes: readonly string[] | [readonly string[]]): Query<T> {
    return this.#on('startsWith', listed(prefixes));
  }

  equalsIgnoreCase(text: string): Query<T> {
    return this.#on('equalsIgnoreCase', [text]);
  }

  anyOfIgnoreCase(...texts: readonly string[] | [readonly string[]]): Query<T> {
    return this.#on('equalsIgnoreCase', listed(texts));
  }

  startsWithIgnoreCase(prefix: string): Query<T> {
    return this.#on('startsWithIgnoreCase', [prefix]);
  }

  startsWithAnyOfIgnoreCase(...prefixes: readonly string[] | [readonly string[]]): Query<T> {
    return this.#on('startsWithIgnoreCase', listed(prefixes));
  }

  #on(name: string, keys: readonly unknown[], includes?: readonly [boolean, boolean]): Query<T> {
    const where = readArgument(() => condition(this.#table, this.#index, name, keys, includes));
    return new TableQuery(this.#access, this.#table, { ...this.#state, where });
  }
}

/** Several keys are given one by one, or as one array. */
function listed<K>(keys: readonly K[] | readonly [readonly K[]]): readonly K[] {
  return keys.length === 1 && isList(keys[0]) ? (keys[0] as readonly K[]) : (keys as readonly K[]);
}
