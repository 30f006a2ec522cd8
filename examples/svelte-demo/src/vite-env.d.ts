/// <reference types="vite/client" />
// What the build may be given.

interface ImportMetaEnv {
  /** Base URL of the sync server, such as `http://localhost:3050`. */
  readonly VITE_SYNC_URL?: string;
}
