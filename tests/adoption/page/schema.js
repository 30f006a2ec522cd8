// The older app's forty tables, as it declared them to Dexie, and as the app declares them to the engine.

const named = {
  tasks: 'id, projectId, *tags, [projectId+order], address.city, updatedAt, _updatedAtIndex',
  tags: 'id, &slug',
  settings: 'id',
  drafts: '++id, taskId',
};
const plain = Object.fromEntries(Array.from({ length: 36 }, (_, at) => [`table${at}`, 'id, order, [order+name]']));

export const version = 55;
export const tables = { ...named, ...plain };
export const synced = ['tasks', 'tags', 'settings', ...Object.keys(plain)];

/** What the older app kept for its own sync. */
export const own = {
  _pendingChanges: '++id, appId, collection, recordId, createdAt',
  _syncMeta: '[appId+collection]',
  _clientIdentity: 'id',
};

/** Unique indexes are refused on tables that sync: the mark goes, the index in the database stays. */
export const declared = { ...tables, tags: 'id, slug' };

export const apps = {
  todo: {
    tables: Object.fromEntries(
      synced.map((name) => [
        name,
        { dates: name === 'tasks' ? ['due'] : [], scope: name === 'settings' ? 'user' : 'space' },
      ]),
    ),
  },
};
