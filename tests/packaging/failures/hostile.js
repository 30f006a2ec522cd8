// Arguments that nobody should pass, and numbers that are the same for the same seed.
import { ManaError } from './pkg/index.js';

/** Mulberry32: the same numbers for the same seed. */
export function generator(start) {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
const revokedList = () => {
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  return proxy;
};

export const deep = (levels) => Array.from({ length: levels }).reduce((inner) => [inner], 1);

const fail = () => {
  throw new TypeError('a trap of the app');
};

/** What a function of the app throws comes out as it is; this one is told from the package's own failures. */
export const appError = new ManaError('internal', 'the app threw this');
const failAsTheApp = () => {
  throw appError;
};

/** Fails at whatever is done with it but one thing, so that each comes first somewhere. */
const trapped = (target, ...traps) => new Proxy(target, Object.fromEntries(traps.map((trap) => [trap, fail])));

/** An object all of whose fields, named as the package's options are, throw when they are read. */
const throwing = () => {
  const names =
    'id name title key keys changes kind principalId displayName type role table length then force wipe dryRun tombstones allKeys confirmTypeChange rawKey recoveryCode includeLowers schema stores version url';
  return Object.defineProperties(
    {},
    Object.fromEntries(names.split(' ').map((name) => [name, { get: fail, enumerable: true }])),
  );
};

const listThatThrows = () => Object.defineProperty([1, 2], 0, { get: fail, enumerable: true });
const detached = () => {
  const buffer = new ArrayBuffer(8);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
};
const cyclicList = () => {
  const list = [];
  list.push(list);
  return list;
};
const cyclic = () => {
  const object = { id: 'cyclic' };
  object.self = object;
  return object;
};

/** Makers, because some of these can be had only once. */
export const hostile = [
  () => undefined,
  () => null,
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => -1,
  () => 0.5,
  () => 2 ** 53,
  () => true,
  () => '',
  () => '\uD800',
  () => 'x'.repeat(1_000_000),
  () => '[a+b',
  () => '__proto__',
  () => Symbol('s'),
  () => Symbol.iterator,
  () => () => {},
  () => 1n,
  () => [],
  () => ({}),
  () => Object.create(null),
  () => new Array(3),
  () => deep(5000),
  cyclicList,
  cyclic,
  () => new Date('never'),
  () => new Map([[1, 2]]),
  () => new WeakMap(),
  () => Promise.resolve(1),
  () => Object.fromEntries([['then', fail]]),
  () => new Blob(['x']),
  () => document,
  () => /x/g,
  detached,
  revoked,
  revokedList,
  throwing,
  listThatThrows,
  () => ({ toString: fail, valueOf: fail, toJSON: fail }),
  () => ({ [Symbol.toPrimitive]: fail }),
  () => ({ [Symbol.iterator]: fail }),
  () => trapped({}, 'get'),
  () => trapped({}, 'ownKeys'),
  () => trapped({}, 'getPrototypeOf'),
  () => trapped({}, 'has', 'getOwnPropertyDescriptor'),
  () => trapped([1, 2], 'get'),
  () => trapped([1, 2], 'ownKeys'),
  () => new Proxy(() => {}, { apply: failAsTheApp, get: fail }),
  () => trapped({}, 'get', 'ownKeys', 'getPrototypeOf', 'has', 'set', 'getOwnPropertyDescriptor', 'defineProperty'),
];
