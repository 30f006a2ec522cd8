// The Content-Security-Policy that the built demo runs under: in its page and in the headers of the preview server.

const directives = [
  "default-src 'self'",
  // WebAssembly may be compiled; nothing else may be evaluated.
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self' http://localhost:* http://127.0.0.1:* ws://localhost:* ws://127.0.0.1:*",
  "style-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
];

/** For `<meta http-equiv>`, which knows no `frame-ancestors`. */
export const pagePolicy = directives.join('; ');

/** For the response header. */
export const headerPolicy = [...directives, "frame-ancestors 'none'"].join('; ');
