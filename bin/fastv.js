#!/usr/bin/env node
// Official builds of ONNX Runtime report to Microsoft from 1.29 on. Nothing of fastv goes out unasked, so that is off
// unless the user says otherwise; it has to be said before ONNX Runtime is loaded.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
const { main } = await import('../dist/cli/main.js');

// `fastv … | head` closes the pipe: that is no failure.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await main(process.argv.slice(2));
