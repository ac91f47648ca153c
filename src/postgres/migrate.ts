import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import { projectRoot } from '../project-root.js';

/**
 * Brings the database to the newest schema. Safe beside other processes that do the same: one migrates, the others
 * wait for it. The login must own the database.
 *
 * @returns the names of the migrations that were applied now; empty where there was nothing to do.
 */
export async function migrate(databaseUrl: string): Promise<{ applied: string[] }> {
  const applied = await runner({
    databaseUrl,
    dir: join(projectRoot(), 'src/postgres/migrations'),
    migrationsTable: 'schema_migrations',
    direction: 'up',
    count: Number.POSITIVE_INFINITY,
    advisoryLockMode: 'wait',
    log: () => undefined,
  });
  return { applied: applied.map((migration) => migration.name) };
}
