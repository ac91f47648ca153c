import { Writable } from 'node:stream';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import { OnhandError, type Reason } from '@onhand/client';
import { reportFailure } from './failure-report.js';
import { runCli } from './program.js';
import { type Terminal, TextChannel } from './terminal.js';

/** Where nothing listens. */
const NOWHERE = '127.0.0.1:1';

const recorder = (isTTY = false, noColour = false) => {
  const written = { out: '', err: '' };
  const channel = (name: 'out' | 'err') => {
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        written[name] += String(chunk);
        done();
      },
    });
    return new TextChannel(Object.assign(stream, { isTTY }), noColour);
  };
  const terminal: Terminal = { out: channel('out'), err: channel('err') };
  return { terminal, written };
};

const run = async (words: string[], environment: Record<string, string> = {}) => {
  const { terminal, written } = recorder();
  return { code: await runCli(words, environment, terminal), ...written };
};

describe('help', () => {
  test.each([
    [],
    ['get'],
    ['list'],
    ['sell'],
    ['restock'],
    ['events'],
    ['watch'],
    ['replay'],
    ['health'],
    ['apply'],
    ['dev'],
    ['dev', 'stop'],
    ['completion'],
  ])('of "%s" has examples and exit codes', async (...words) => {
    const { code, out, err } = await run([...words, '--help']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`Usage: npm run -s onhand -- ${words.join(' ')}`);
    expect(out).toContain('Examples:\n  npm run -s onhand -- ');
    expect(out).toMatch(/Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 /);
    expect(out).toContain('--server <host:port>');
  });

  test('is shown where no command is given, which is wrong usage', async () => {
    const { code, out, err } = await run([]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('Commands:');
  });
});

describe('completion', () => {
  test.each(['bash', 'zsh', 'fish'])('for %s names every command', async (shell) => {
    const { code, out, err } = await run(['completion', shell]);
    expect([code, err]).toEqual([0, '']);
    for (const command of [
      'get',
      'list',
      'sell',
      'restock',
      'apply',
      'events',
      'watch',
      'replay',
      'health',
      'dev',
    ]) {
      expect(out).toContain(command);
    }
    expect(out).toContain('onhand --');
  });
});

describe('wrong usage', () => {
  test.each([
    [['lst', 'S'], "unknown command 'lst'\n(Did you mean list?)"],
    [['get', 'S'], "missing required argument 'product'"],
    [['get', 'S', 'P', 'Q'], 'too many arguments'],
    [['get', 'S', 'P', '--fast'], "unknown option '--fast'"],
    [['get', 'S', 'P', '--server', 'here'], 'It must be HOST:PORT'],
    [['get', 'S', 'P', '--deadline-ms', '0'], 'It must be a whole number from 1 to 30000.'],
    [['list'], 'Say what to list: --store ID, --product ID, or both.'],
    [['sell', 'S', 'P', 'two'], 'It must be a whole number of units'],
    [['sell', 'S', 'P', '2', '--event-id', ''], 'It must be a UUID'],
    [['restock', 'S', 'P', '2', '--metadata', 'till'], 'It must be KEY=VALUE'],
    [['apply', 'no-such-file.csv'], 'no-such-file.csv cannot be read: ENOENT'],
    [['apply', 'x', '--mode', 'all'], 'It must be atomic or independent.'],
    [['apply', 'x', '--resume', '--again'], 'Give --resume or --again, not both.'],
    [['apply', 'x', '--refused', 'x'], 'Give --refused a file of its own.'],
    [['completion', 'csh'], 'Allowed choices are bash, zsh, fish.'],
    [['events'], "required option '--store <id>' not specified"],
    [['events', '--store', 'S', '--type', 'gift'], 'It must be sale, restock, return, count or waste.'],
    [['events', '--store', 'S', '--since', 'now'], 'It must be a time as in 2026-01-31T10:30:00Z'],
    [['events', '--store', 'S', '--limit', '0'], 'It must be a whole number from 1 to 100000.'],
    [['watch'], 'Say what to watch: --store ID, --product ID, or both.'],
    [['watch', '--store', 'S', '--count', '0'], 'It must be a whole number from 1 to 1000000000.'],
    [['watch', '--store', 'S', '--until-idle', '0.5'], 'It must be a whole number from 1 to 86400.'],
    [['replay', 'no-such-file.csv'], 'no-such-file.csv cannot be read: ENOENT'],
    [['replay', 'x.csv', '--concurrency', '0'], 'It must be a whole number from 1 to 1000.'],
  ])('%j is refused before anything is sent', async (words, message) => {
    const { code, out, err } = await run(words);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^Error: /);
    expect(err).toContain(message);
  });

  test('a port that is none is named with its variable', async () => {
    const { code, err } = await run(['get', 'S', 'P'], { ONHAND_GRPC_PORT: 'x' });
    expect([code, err]).toEqual([
      2,
      'Error: ONHAND_GRPC_PORT must be a port number from 1 to 65535, not "x".\n',
    ]);
  });
});

describe('a service that is not there', () => {
  test('is named, with what to do', async () => {
    const { code, out, err } = await run(['get', 'S', 'P'], { ONHAND_GRPC_PORT: '1' });
    expect([code, out]).toEqual([3, '']);
    expect(err).toContain('Error: The service cannot be reached: connect ECONNREFUSED 127.0.0.1:1');
    expect(err).toContain('Is the service running at 127.0.0.1:1? Start it with npm start');
  });

  test('is tried three times with one event id, which is shown before and after', async () => {
    const { code, out, err } = await run(['sell', 'S', 'P', '1', '--json', '--server', NOWHERE]);
    expect(code).toBe(3);
    const [, eventId] = /^Event id: ([0-9a-f-]{36})\n/.exec(err) ?? [];
    expect(err.match(/; trying again\./g)).toHaveLength(2);
    expect(err).toContain(`Repeat it with --event-id ${eventId}: it counts once.`);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'UNAVAILABLE', reason: '', eventId } });
  });
});

describe('the report of a failure', () => {
  const invalid = new OnhandError({
    reason: 'INVALID_FIELD',
    code: status.INVALID_ARGUMENT,
    message: 'The request is invalid',
    info: { limit: '10000' },
    violations: [{ field: 'quantity', description: 'Quantity must not exceed 10,000' }],
  });

  const report = (failure: unknown, json = false, isTTY = false, noColour = false) => {
    const { terminal, written } = recorder(isTTY, noColour);
    return { code: reportFailure(failure, terminal, { server: NOWHERE, json }), ...written };
  };

  test('has message, reason, fields, metadata and the next step', () => {
    const { code, err } = report(invalid);
    expect(code).toBe(2);
    expect(err).toBe(
      [
        'Error: The request is invalid',
        '  reason    INVALID_FIELD (INVALID_ARGUMENT)',
        '  quantity  Quantity must not exceed 10,000',
        '  limit     10000',
        '  Correct the field and try again; --help shows what a command takes.',
        '',
      ].join('\n'),
    );
  });

  test('is one JSON document on stdout too, where a program reads', () => {
    expect(JSON.parse(report(invalid, true).out)).toEqual({
      error: {
        code: 'INVALID_ARGUMENT',
        reason: 'INVALID_FIELD',
        message: 'The request is invalid',
        metadata: { limit: '10000' },
        fieldViolations: [{ field: 'quantity', description: 'Quantity must not exceed 10,000' }],
      },
    });
  });

  test.each([
    [status.NOT_FOUND, 'STOCK_NOT_FOUND', 1, 'restock STORE PRODUCT QUANTITY'],
    [status.FAILED_PRECONDITION, 'INSUFFICIENT_STOCK', 1, 'restock first'],
    [status.FAILED_PRECONDITION, 'EVENT_ID_REUSED', 1, 'Leave --event-id away'],
    [status.OUT_OF_RANGE, 'RESYNC', 1, 'Leave --from-cursor away'],
    [status.FAILED_PRECONDITION, 'STOCK_LIMIT', 1, 'log of the service'],
    [status.INTERNAL, 'UNRECOGNIZED', 1, `Is it an Onhand service that answers gRPC at ${NOWHERE}?`],
    [status.UNAVAILABLE, 'DATABASE_UNAVAILABLE', 3, 'Nothing was changed.'],
    [status.UNAVAILABLE, 'OUTCOME_UNKNOWN', 3, 'Repeat it with --event-id e1: it counts once.'],
    [status.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED', 3, '--deadline-ms. Repeat it with --event-id e1'],
    [status.RESOURCE_EXHAUSTED, 'QUEUE_FULL', 3, 'too much to do'],
  ])('of code %i %s exits with the right code and says what helps', (code, reason, exitCode, hint) => {
    const failure = new OnhandError({ reason: reason as Reason, code, message: 'No' });
    failure.eventIds = ['e1'];
    const reported = report(failure);
    expect(reported.code).toBe(exitCode);
    expect(reported.err).toContain(hint);
  });

  test('shows a defect of this program with its place', () => {
    const { code, err } = report(new TypeError('x is not a function'));
    expect(code).toBe(1);
    expect(err).toMatch(/A defect of this program: TypeError: x is not a function\n\s+at /);
  });

  test('is coloured on a terminal only, and not with NO_COLOR', () => {
    const failure = new OnhandError({ reason: 'STOCK_NOT_FOUND', code: status.NOT_FOUND, message: 'No' });
    expect(report(failure, false, true).err).toContain('\u001b[31mError:\u001b[39m No');
    expect(report(failure, false, true, true).err).not.toContain('\u001b');
    expect(report(failure).err).not.toContain('\u001b');
  });
});
