//! The browser side of each trait: IndexedDB, fetch, WebSocket, locks, channels, time. It decides nothing.
