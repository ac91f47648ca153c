import { describe, expect, test } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import {
  metadataPair,
  namespace,
  pointInTime,
  serverAddress,
  units,
  uuid,
  version,
  wholeNumber,
} from './arguments.js';

describe('arguments', () => {
  test.each(['127.0.0.1:50051', 'localhost:1', '[::1]:65535', 'inventory.example.org:443'])(
    'the address %s is taken',
    (text) => {
      expect(serverAddress(text)).toBe(text);
    },
  );

  test.each([
    '',
    'localhost',
    'localhost:',
    'localhost:0',
    'localhost:65536',
    '::1:50051',
    'http://a:1',
    'a b:1',
  ])('the address "%s" is refused', (text) => {
    expect(() => serverAddress(text)).toThrow(InvalidArgumentError);
  });

  test('whole numbers have bounds', () => {
    const parse = wholeNumber(1, 500);
    expect([parse('1'), parse('500'), parse('007')]).toEqual([1, 500, 7]);
    for (const text of ['0', '501', '', '1.0', '1e2', ' 1', '-1'])
      expect(() => parse(text)).toThrow('It must be a whole number from 1 to 500.');
  });

  test('units of any size that can be sent go to the service, which judges them', () => {
    expect([units('0'), units('-5'), units('10001'), units('2147483647')]).toEqual([
      0, -5, 10_001, 2_147_483_647,
    ]);
    for (const text of ['2147483648', 'two', '1.5', ''])
      expect(() => units(text)).toThrow('It must be a whole number of units, 1 to 10,000.');
  });

  test('versions keep all 64 bits', () => {
    expect([version('9223372036854775807'), version('007')]).toEqual(['9223372036854775807', '7']);
    for (const text of ['9223372036854775808', '-1', '', 'x']) expect(() => version(text)).toThrow();
  });

  test('event ids are UUIDs of any kind, never empty: the service would make another one at each try', () => {
    expect(uuid('FFFFFFFF-0000-0000-0000-00000000000A')).toBe('ffffffff-0000-0000-0000-00000000000a');
    for (const text of ['', 'x', '01890a5dac96774bbcceb302099a8057']) expect(() => uuid(text)).toThrow();
  });

  test('a namespace is a UUID of a known version', () => {
    expect(namespace('A3BB189E-8BF9-4888-9912-ACE4E6543002')).toBe('a3bb189e-8bf9-4888-9912-ace4e6543002');
    expect(() => namespace('ffffffff-0000-0000-0000-00000000000a')).toThrow('version 1 to 8');
  });

  test('metadata is cut at the first equals sign', () => {
    const one = metadataPair('till=4', undefined);
    expect(metadataPair('note=a=b', one)).toEqual({ till: '4', note: 'a=b' });
    expect(metadataPair('empty=', undefined)).toEqual({ empty: '' });
    expect(() => metadataPair('till=5', one)).toThrow('given twice');
    for (const text of ['till', '=4', '']) expect(() => metadataPair(text, undefined)).toThrow('KEY=VALUE');
  });

  test.each([
    ['2026-01-31T10:30:00Z', '1769855400', 0],
    ['2026-01-31t10:30:00.123456789+02:00', '1769848200', 123_456_789],
    ['2026-01-31', '1769817600', 0],
  ])('the time %s is %s s and %i ns', (text, seconds, nanos) => {
    expect(pointInTime(text)).toEqual({ seconds, nanos });
  });

  test.each([
    ['90s', 90],
    ['15m', 900],
    ['2h', 7_200],
    ['7d', 604_800],
    ['0s', 0],
  ])('the age %s is %i s ago', (text, agoSeconds) => {
    const { seconds, nanos } = pointInTime(text);
    const agoMs = Date.now() - (Number(seconds) * 1_000 + nanos / 1e6);
    expect(Math.abs(agoMs - agoSeconds * 1_000)).toBeLessThan(10_000);
  });

  test.each(['', 'now', '5', '5w', '-5m', '2026-02-30', '2026-01-31T10:30:00', '31.1.2026'])(
    'the time "%s" is refused',
    (text) => {
      expect(() => pointInTime(text)).toThrow('It must be a time as in 2026-01-31T10:30:00Z');
    },
  );
});
