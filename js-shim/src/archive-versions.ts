/** Which version of each app's data an archive is of, and whether that can be brought to the version of here. */

import type { RawManifest } from './archive-raw.js';
import { ManaError } from './errors.js';
import type { RawApp, RawOptions } from './raw.js';

/** So many versions of the database back, an archive is taken without steps that lead on from it. */
const TRIED = 2;

/** The versions of what some apps write. */
export function appVersions(apps: Readonly<Record<string, RawApp>>, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, apps[name]?.schemaVersion ?? 1]));
}

/**
 * The version of an app's data in an archive. Where the archive does not say it, the version of the database tells no more than
 * whether it is this one; else all steps are gone, as with a database of which nobody said anything.
 */
export function versionIn(manifest: RawManifest, { apps, schema }: RawOptions, app: string): number {
  const here = apps[app]?.schemaVersion ?? 1;
  return saidOf(manifest, app) ?? (manifest.schemaVersion === schema.version ? here : 1);
}

/** Refuses what a newer version of the app wrote, and what an older one did from which no steps lead on. */
export function checkVersions(manifest: RawManifest, options: RawOptions): void {
  const { apps, schema } = options;
  isNotNewer(manifest.schemaVersion, schema.version);
  for (const [app, { schemaVersion }] of Object.entries(apps))
    isNotNewer(saidOf(manifest, app) ?? 1, schemaVersion, app);
  const details = { stored: manifest.schemaVersion, wanted: schema.version };
  if (details.stored >= details.wanted - TRIED || isLedOn(manifest, apps)) return;
  throw new ManaError(
    'schema_too_old',
    `The archive was written by a version of the app that is too old${pair(details)}.`,
    {
      details,
    },
  );
}

function isNotNewer(stored: number, wanted: number, app?: string): void {
  if (stored <= wanted) return;
  const details = { ...(app !== undefined && { app }), stored, wanted };
  const whose = app === undefined ? 'the app' : app;
  const message = `The archive was written by a newer version of ${whose}${pair(details)}: update the app.`;
  throw new ManaError('schema_too_new', message, { details });
}

const pair = ({ stored, wanted }: { stored: number; wanted: number }) => ` (${stored}, this is ${wanted})`;

/** Whether the apps declare how the archive's data become those of here. */
function isLedOn(manifest: RawManifest, apps: Readonly<Record<string, RawApp>>): boolean {
  const all = Object.entries(apps);
  // From the first step that is named, there is one for each version.
  const leads = ({ migrations }: RawApp, from: number) => Object.keys(migrations).some((to) => Number(to) <= from + 1);
  if (!manifest.appSchemaVersions) return all.some(([, app]) => leads(app, 1));
  return all.every(([name, app]) => {
    const said = saidOf(manifest, name);
    return said === undefined || said === app.schemaVersion || leads(app, said);
  });
}

function saidOf({ appSchemaVersions = {} }: RawManifest, app: string): number | undefined {
  return Object.hasOwn(appSchemaVersions, app) ? appSchemaVersions[app] : undefined;
}
