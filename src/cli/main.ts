import { runCli } from './program.js';
import { processTerminal } from './terminal.js';

// A reader that has seen enough, such as `head`, closes its end: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await runCli(process.argv.slice(2), process.env, processTerminal(process.env));
