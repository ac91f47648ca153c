import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';

/** How packages of Debian and Ubuntu are installed. */
export interface Apt {
  readonly program: string;
  /** A service that comes with a package is started unless this program says 101: we want the program, not the service. */
  readonly servicePolicy: string;
}

export const DEBIAN_APT: Apt = { program: '/usr/bin/apt-get', servicePolicy: '/usr/sbin/policy-rc.d' };

const timeoutMs = 600_000;

/** Installs a package, and starts nothing. @returns what went wrong. */
export function installWithApt(debianPackage: string, apt: Apt): string | undefined {
  const ownPolicy = !existsSync(apt.servicePolicy);
  if (ownPolicy) {
    writeFileSync(apt.servicePolicy, '#!/bin/sh\nexit 101\n');
    chmodSync(apt.servicePolicy, 0o755);
  }
  try {
    const problem =
      aptGet(apt, 'update') ?? aptGet(apt, 'install', '-y', '--no-install-recommends', debianPackage);
    // Nor shall a service start by itself at the next boot. Fails where there is none, which is as good.
    if (problem === undefined) spawnSync('systemctl', ['disable', debianPackage], { stdio: 'ignore' });
    return problem;
  } finally {
    if (ownPolicy) rmSync(apt.servicePolicy, { force: true });
  }
}

function aptGet({ program }: Apt, ...args: string[]): string | undefined {
  const waits = [
    ...['-o', 'Acquire::http::Timeout=15'],
    ...['-o', 'Acquire::Retries=1'],
    ...['-o', 'DPkg::Lock::Timeout=300'],
  ];
  const result = spawnSync(program, ['-qq', ...waits, ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  });
  if (result.status === 0) return undefined;
  return (
    result.error?.message ??
    (result.stderr.trim().split('\n').at(-1) || `apt-get ended with ${result.status}`)
  );
}
