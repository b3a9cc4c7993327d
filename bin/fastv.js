#!/usr/bin/env node
import module from 'node:module';

// Official builds of ONNX Runtime report to Microsoft from 1.29 on. Nothing of fastv goes out unasked, so that is off
// unless the user says otherwise; it has to be said before ONNX Runtime is loaded.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
// Node 22 and later keep compiled code; earlier ones do not know how.
module.enableCompileCache?.();

const { run } = await import('../dist/cli/process.js');
await run(process.argv.slice(2));
