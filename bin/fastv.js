#!/usr/bin/env node
import { main } from '../dist/cli/main.js';

// `fastv … | head` closes the pipe: that is no failure.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await main(process.argv.slice(2));
