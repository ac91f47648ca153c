// The way in for every npm script. It has no dependencies, so that it works on a fresh clone: it installs the packages
// and builds when needed, then hands over to the compiled program. All that it says goes to stderr; where nothing is to
// be done it says nothing, so that programs whose output is piped stay clean.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const oldestNode = [20, 19];
const lockPatienceMs = 10 * 60_000;

/** What each script runs, relative to dist. */
const programs = {
  start: 'src/dev/start.js',
  test: 'src/dev/run-tests.js',
  check: 'src/dev/check.js',
  bench: 'bench/main.js',
  demo: 'bench/demo.js',
  onhand: 'src/cli/main.js',
};

function say(line) {
  process.stderr.write(`${line}\n`);
}

function fail(message) {
  say(message);
  process.exit(1);
}

function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  fail(
    `Onhand needs Node.js ${oldestNode.join('.')} or newer; this is ${process.versions.node}.\n` +
      'Install a newer one (for example with "nvm install 22") and run the same command again.',
  );
}

const packageLock = () => join(root, 'package-lock.json');
const installMarker = () => join(root, 'node_modules', '.onhand-lock');

function sha256(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

function wantedInstall() {
  return sha256(readFileSync(packageLock()), process.platform, process.arch);
}

function isInstalled() {
  if (readText(installMarker()) === wantedInstall()) return true;
  if (!matchesNpmRecord()) return false;
  writeFileSync(installMarker(), wantedInstall());
  return true;
}

/** npm's own record of what it installed: an `npm ci` that was run by hand need not be repeated. */
function matchesNpmRecord() {
  const record = readText(join(root, 'node_modules', '.package-lock.json'));
  if (record === undefined) return false;
  const installed = JSON.parse(record).packages;
  const wanted = JSON.parse(readFileSync(packageLock(), 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) =>
      !path.startsWith('node_modules/') ||
      entry.optional ||
      (installed[path] !== undefined && installed[path].version === entry.version),
  );
}

function install() {
  if (isInstalled()) return;
  say('Installing packages (npm ci); the first time takes up to a minute.');
  const npm = npmCommand();
  const result = spawnSync(
    npm.command,
    [...npm.args, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  if (result.error) fail(`npm could not be run (${result.error.message}). Install npm 10 or newer.`);
  if (result.status !== 0)
    fail(`${firstLines(result.stderr, 20)}\nnpm ci failed: see above, then run the same command again.`);
  writeFileSync(installMarker(), wantedInstall());
}

/** npm explains itself first and then prints its whole manual. */
function firstLines(text, count) {
  return text.trim().split('\n').slice(0, count).join('\n');
}

function npmCommand() {
  const running = process.env.npm_execpath;
  if (running?.endsWith('npm-cli.js')) return { command: process.execPath, args: [running] };
  return { command: 'npm', args: [] };
}

const compiler = 'node_modules/typescript/bin/tsc';

/** What is built, from what, and how. Whatever is named here makes a build stale when it changes. */
const targets = [
  {
    title: "the client's package",
    folder: 'clients/node/dist',
    sources: ['clients/node', 'tsconfig.json', 'node_modules/typescript/package.json'],
    commands: (fresh) => [[compiler, '--project', 'clients/node', '--outDir', fresh]],
  },
  {
    title: 'the programs',
    folder: 'dist',
    sources: [
      'clients/node',
      'src',
      'test',
      'bench',
      'tsconfig.json',
      'node_modules/typescript/package.json',
    ],
    commands: (fresh) => [[compiler, '--outDir', fresh]],
  },
  {
    title: 'the web page',
    folder: 'clients/web/dist',
    sources: ['clients/web', 'src/gen/connect', 'package-lock.json'],
    commands: (fresh) => [
      [compiler, '--project', 'clients/web'],
      ['node_modules/vite/bin/vite.js', 'build', 'clients/web', '--outDir', fresh, '--logLevel', 'warn'],
    ],
  },
];

function sourceFiles(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => !/^(dist|node_modules)/.test(name))
    .flatMap((name) => sourceFiles(join(path, name)))
    .sort();
}

function wantedBuild({ sources }) {
  const files = sources
    .map((name) => join(root, name))
    .filter(existsSync)
    .flatMap(sourceFiles);
  return sha256(...files.flatMap((path) => [path.slice(root.length), readFileSync(path)]));
}

const buildMarker = (folder) => join(folder, '.onhand-build');

function isBuilt(target) {
  return readText(buildMarker(join(root, target.folder))) === wantedBuild(target);
}

/** Builds beside the folder and swaps the two, so that nothing ever starts from half a build. */
function build(target) {
  if (isBuilt(target)) return;
  say(`Building ${target.title}.`);
  const wanted = wantedBuild(target);
  const folder = join(root, target.folder);
  const [fresh, old] = [`${folder}-new`, `${folder}-old`];
  for (const leftOver of [fresh, old]) rmSync(leftOver, { recursive: true, force: true });
  const succeeds = (command) =>
    spawnSync(process.execPath, command, { cwd: root, stdio: ['ignore', 2, 2] }).status === 0;
  if (!target.commands(fresh).every(succeeds)) {
    rmSync(fresh, { recursive: true, force: true });
    fail('The build failed: correct what is named above and run the same command again.');
  }
  writeFileSync(buildMarker(fresh), wanted);
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(fresh, folder);
  rmSync(old, { recursive: true, force: true });
}

/** Runs `work` while no other launcher of this folder installs or builds. */
async function exclusively(work) {
  const lock = join(tmpdir(), `onhand-${sha256(root).slice(0, 12)}-${userInfo().uid}.lock`);
  const giveUpAt = Date.now() + lockPatienceMs;
  while (!takeLock(lock)) {
    if (Date.now() > giveUpAt)
      fail(`Another install or build has run for 10 minutes. If none does, remove ${lock}.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const release = () => rmSync(lock, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    release();
    process.removeListener('exit', release);
  }
}

function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (isAbandoned(lock)) rmSync(lock, { force: true });
    return false;
  }
}

function isAbandoned(lock) {
  const owner = Number(readText(lock));
  // An empty file is one that its owner is about to fill, unless the owner was killed just then.
  if (!owner) return Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 5_000;
  try {
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

async function prepare() {
  if (isInstalled() && targets.every(isBuilt)) return;
  await exclusively(() => {
    install();
    targets.forEach(build);
  });
}

async function main() {
  const [script, ...rest] = process.argv.slice(2);
  const program = programs[script];
  if (script !== 'build' && program === undefined) {
    fail(`Usage: node src/dev/launch.mjs <${[...Object.keys(programs), 'build'].join(' | ')}> [arguments]`);
  }
  refuseOldNode();
  await prepare();
  if (script === 'build') return say('Everything is built.');
  const entry = join(root, 'dist', program);
  if (!existsSync(entry)) fail(`${script} has no program yet: dist/${program} is missing.`);
  process.setSourceMapsEnabled(true);
  process.argv = [process.argv[0], entry, ...(rest[0] === '--' ? rest.slice(1) : rest)];
  await import(pathToFileURL(entry).href);
}

await main();
