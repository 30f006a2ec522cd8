// Answers that no sync server gives: of captive portals, broken proxies, deploys under way, and of liars.
import { gunzipSync } from 'node:zlib';

const any = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': 'Retry-After' };
const html = { ...any, 'Content-Type': 'text/html' };
const json = { ...any, 'Content-Type': 'application/json' };
const page = (title) => `<!doctype html><h1>${title}</h1>`;

/** By name, `{ status, headers, body }`, or a function that makes it from a request's headers and body. */
export const falsehoods = {
  html: { status: 200, headers: html, body: page('Sign in to the Wi-Fi') },
  garbage: { status: 200, headers: json, body: '{"protocol":2,"changes":[{"table":"tas\u0000' },
  'another shape': { status: 200, headers: json, body: '{"protocol":2,"changes":"none","accepted":7,"cursor":[]}' },
  nothing: { status: 200, headers: json, body: '' },
  'not found': { status: 404, headers: html, body: page('Not found') },
  gone: { status: 410, headers: json, body: '{"error":"gone"}' },
  'too large': { status: 413, headers: html, body: page('Request Entity Too Large') },
  'bad gateway': { status: 502, headers: html, body: page('Bad Gateway') },
  busy: { status: 503, headers: { ...html, 'Retry-After': '1' }, body: page('Service Unavailable') },
  forbidden: { status: 401, headers: html, body: page('Unauthorized') },
  // Takes every change and refuses it.
  contradiction: ({ headers, body }) => {
    const eventIds = eventIdsIn(headers, body);
    const rejected = eventIds.map((eventId) => ({ eventId, code: 'invalid_change', message: 'no' }));
    const said = { protocol: 2, accepted: eventIds, rejected, serverTime: new Date().toISOString() };
    return { status: 200, headers: json, body: JSON.stringify(said) };
  },
  // Speaks of changes that nobody sent.
  stranger: () => {
    const said = { protocol: 2, accepted: ['nobody-sent-this'], rejected: [], serverTime: new Date().toISOString() };
    return { status: 200, headers: json, body: JSON.stringify(said) };
  },
};

/** The false answer of that name to a request. */
export function falsehood(name, request) {
  const made = falsehoods[name];
  return typeof made === 'function' ? made(request) : made;
}

function eventIdsIn(headers, body) {
  const text = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
  try {
    return JSON.parse(text).changes.map(({ eventId }) => eventId);
  } catch {
    // It pushes nothing.
    return [];
  }
}
