/** Whatever goes wrong comes out as a `ManaError` with a code of the closed union. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorCodes, ManaError, toManaError } from '../src/errors.js';
import { rawError } from './raw-double.js';

describe('the error mapping', () => {
  it('keeps_code_retryable_details_and_cause', () => {
    const raw = rawError('quota_exceeded', true, { table: 'tasks' });
    const error = toManaError(raw);
    expect(error).toBeInstanceOf(ManaError);
    expect(error).toMatchObject({
      name: 'ManaError',
      code: 'quota_exceeded',
      retryable: true,
      details: { table: 'tasks' },
    });
    expect(error.message).toBe('raw quota_exceeded');
    expect(error.cause).toBe(raw);
  });

  it('calls_what_has_no_code_internal', () => {
    const thrown = new TypeError('x is undefined');
    expect(toManaError(thrown)).toMatchObject({ code: 'internal', retryable: false, details: null, cause: thrown });
    expect(toManaError('text')).toMatchObject({ code: 'internal', message: 'text' });
    expect(toManaError(undefined)).toMatchObject({ code: 'internal' });
  });

  it('calls_a_code_it_does_not_know_internal_and_names_it', () => {
    expect(toManaError(rawError('brand_new'))).toMatchObject({ code: 'internal', details: { code: 'brand_new' } });
  });

  it('leaves_a_mana_error_as_it_is', () => {
    const error = new ManaError('closed', 'closed');
    expect(toManaError(error)).toBe(error);
  });

  it('knows_every_code_of_the_engine', () => {
    const source = readFileSync(new URL('../../crate/src/engine/error.rs', import.meta.url), 'utf8');
    const codes = [...source.matchAll(/Self::\w+ => "(\w+)"/g)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(20);
    for (const code of codes) expect(errorCodes).toContain(code);
  });
});
