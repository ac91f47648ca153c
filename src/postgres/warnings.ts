import type { Client } from './pool.js';

/**
 * What `act` gives, and whether the server warned meanwhile: of a COMMIT, that the wait for a synchronous standby was given
 * up, and it is durable on the primary alone.
 */
export async function noticingWarnings<T>(
  client: Client,
  act: () => Promise<T>,
): Promise<{ readonly value: T; readonly warned: boolean }> {
  let warned = false;
  // By its SQLSTATE: the word WARNING is in the server's language. 00000 is a notice, all others warn.
  const onNotice = ({ code }: { code?: string | undefined }) => {
    warned ||= code !== '00000';
  };
  client.on('notice', onNotice);
  try {
    return { value: await act(), warned };
  } finally {
    client.off('notice', onNotice);
  }
}
