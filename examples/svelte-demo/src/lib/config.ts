// Where this page's data lives and which server it talks to.

const query = new URLSearchParams(location.search);

/** The sync server: `?server=` for one visit, else what the build was given. */
export const serverUrl: string = (
  query.get('server') ??
  import.meta.env.VITE_SYNC_URL ??
  'http://localhost:3050'
).replace(/\/+$/, '');

/** Whether to begin by asking who it is: `?start=sign-in`. Else a visitor begins as a guest, with a few tasks to try. */
export const asksFirst: boolean = query.get('start') === 'sign-in';

/** Names this page's database, so that two tabs of one browser can be two devices: `?device=b`. */
export const deviceId: string = query.get('device')?.replace(/[^a-z0-9-]/gi, '') || 'a';
