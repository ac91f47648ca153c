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
      !path.startsWith('node_modules/') || entry.optional || installed[path]?.version === entry.version,
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

function sourceFiles(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sourceFiles(path);
      return entry.name.endsWith('.ts') ? [path] : [];
    })
    .sort();
}

function wantedBuild() {
  const files = ['src', 'test', 'bench']
    .map((name) => join(root, name))
    .filter(existsSync)
    .flatMap(sourceFiles);
  const compiler = join(root, 'node_modules', 'typescript', 'package.json');
  return sha256(
    ...[join(root, 'tsconfig.json'), compiler, ...files].flatMap((path) => [
      path.slice(root.length),
      readFileSync(path),
    ]),
  );
}

const buildMarker = (folder) => join(folder, '.onhand-build');

function isBuilt() {
  return readText(buildMarker(join(root, 'dist'))) === wantedBuild();
}

/** Builds beside dist and swaps the folders, so that a program never starts from half a build. */
function build() {
  if (isBuilt()) return false;
  say('Building.');
  const wanted = wantedBuild();
  const fresh = join(root, 'dist-new');
  const old = join(root, 'dist-old');
  for (const leftOver of [fresh, old]) rmSync(leftOver, { recursive: true, force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const result = spawnSync(process.execPath, [compiler, '--outDir', fresh], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (result.status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    fail('The build failed: correct what is named above and run the same command again.');
  }
  writeFileSync(buildMarker(fresh), wanted);
  if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
  renameSync(fresh, join(root, 'dist'));
  rmSync(old, { recursive: true, force: true });
  return true;
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
  if (isInstalled() && isBuilt()) return false;
  return await exclusively(() => {
    install();
    return build();
  });
}

async function main() {
  const [script, ...rest] = process.argv.slice(2);
  const program = programs[script];
  if (script !== 'build' && program === undefined) {
    fail(`Usage: node src/dev/launch.mjs <${[...Object.keys(programs), 'build'].join(' | ')}> [arguments]`);
  }
  refuseOldNode();
  const built = await prepare();
  if (script === 'build') return say(built ? 'Built dist.' : 'dist is up to date.');
  const entry = join(root, 'dist', program);
  if (!existsSync(entry)) fail(`${script} has no program yet: dist/${program} is missing.`);
  process.setSourceMapsEnabled(true);
  process.argv = [process.argv[0], entry, ...(rest[0] === '--' ? rest.slice(1) : rest)];
  await import(pathToFileURL(entry).href);
}

await main();
