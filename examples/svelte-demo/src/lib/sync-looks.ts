// Each state of sync as the indicator shows it: an icon, a word, and a sentence.
import type { SyncState } from '@mana/sync-engine';
import type { IconName } from '../components/Icon.svelte';

export interface Look {
  readonly icon: IconName;
  readonly label: string;
  readonly tone: 'calm' | 'good' | 'warn' | 'bad';
  readonly explain: string;
}

export const looks: Record<SyncState, Look> = {
  local: { icon: 'device', label: 'Only here', tone: 'calm', explain: 'Tasks stay on this device.' },
  syncing: { icon: 'refresh', label: 'Syncing', tone: 'calm', explain: 'Exchanging changes with the server.' },
  synced: { icon: 'cloudCheck', label: 'Synced', tone: 'good', explain: 'This device and the server agree.' },
  offline: {
    icon: 'cloudOff',
    label: 'Offline',
    tone: 'warn',
    explain: 'You can go on working. Changes are sent when the connection is back.',
  },
  error: { icon: 'alert', label: 'Sync problem', tone: 'bad', explain: 'Changes are kept; it will be tried again.' },
  'needs-auth': {
    icon: 'alert',
    label: 'Sign in again',
    tone: 'bad',
    explain: 'The server does not know this session.',
  },
  'update-required': {
    icon: 'alert',
    label: 'Update needed',
    tone: 'bad',
    explain: 'Reload to get the newest version.',
  },
  'storage-full': { icon: 'alert', label: 'Storage full', tone: 'bad', explain: 'Free some space on this device.' },
  'billing-required': { icon: 'alert', label: 'Sync paused', tone: 'warn', explain: 'The subscription has ended.' },
};
