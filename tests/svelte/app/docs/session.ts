// What `db.ts` of docs/svelte.md takes from the app; it and the examples are put beside this file.
import { tokenFor } from '../../../support/page/token.js';

export const url = location.hash.slice(1);
export const user = { id: 'dora' };
export const getToken = () => tokenFor(url, user.id);
