import { tryHistories } from './cache-histories.js';

/** Tries histories in a process of its own, as a mutant has to be. Its argument is the seed; it prints what they came to. */
process.stdout.write(JSON.stringify(tryHistories(Number(process.argv[2]))));
