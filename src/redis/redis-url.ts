/** Where Redis is: one server, the master that Sentinels name, or a cluster. */
export type RedisAddress =
  | { readonly kind: 'SINGLE'; readonly url: string }
  | ({ readonly kind: 'SENTINEL'; readonly master: string } & Nodes)
  | ({ readonly kind: 'CLUSTER' } & Nodes);

interface Nodes {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: boolean;
}

const FORM = /^redis(s?)(?:-(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/([^/?#]*))?$/;
const NODE = /^(\[[0-9a-fA-F:]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;
const DEFAULT_PORTS = { sentinel: 26379, cluster: 6379 } as const;

/**
 * Reads `redis://host:6379/0`, `redis-sentinel://host:26379,host:26379/master` or `redis-cluster://host:6379,host:6379`, each
 * with `rediss` instead of `redis` for TLS, and with `user:password@` before the hosts.
 *
 * @returns undefined where it is none of these.
 */
export function parseRedisUrl(text: string): RedisAddress | undefined {
  const [, secure, kind, login, hosts = '', path = ''] = FORM.exec(text) ?? [];
  if (secure === undefined) return undefined;
  if (kind === undefined) return URL.canParse(text) ? { kind: 'SINGLE', url: text } : undefined;
  const nodes = hosts.split(',').map((node) => nodeOf(node, DEFAULT_PORTS[kind as 'sentinel' | 'cluster']));
  const credentials = credentialsOf(login);
  if (credentials === undefined || !nodes.every((node) => node !== undefined)) return undefined;
  const shared = { nodes, ...credentials, tls: secure === 's' };
  if (kind === 'cluster') return path === '' ? { kind: 'CLUSTER', ...shared } : undefined;
  return path === '' ? undefined : { kind: 'SENTINEL', master: path, ...shared };
}

function nodeOf(text: string, defaultPort: number): { host: string; port: number } | undefined {
  const [, host, digits] = NODE.exec(text) ?? [];
  const port = digits === undefined ? defaultPort : Number(digits);
  return host === undefined || port < 1 || port > 65_535
    ? undefined
    : { host: host.replace(/^\[|\]$/g, ''), port };
}

function credentialsOf(login: string | undefined): Pick<Nodes, 'username' | 'password'> | undefined {
  if (login === undefined) return { username: undefined, password: undefined };
  const [username = '', ...password] = login.split(':');
  try {
    const part = (given: string) => (given === '' ? undefined : decodeURIComponent(given));
    return { username: part(username), password: part(password.join(':')) };
  } catch {
    return undefined;
  }
}
