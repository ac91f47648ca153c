import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Loaded before a service whose memory is measured: collects garbage all the time, so that its metrics tell what is held,
 * and not what has not been collected yet.
 */
const PERIOD_MS = 250;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
setInterval(collect, PERIOD_MS).unref();
