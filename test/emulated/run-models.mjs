// Runs each model that is named on the command line, without inputs, and prints its output's numbers as JSON. Plain
// JavaScript, because an emulator shows it another processor.
import { createRequire } from 'node:module';

const { InferenceSession } = createRequire(import.meta.url)('onnxruntime-node');
for (const file of process.argv.slice(2)) {
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const { [session.outputNames[0]]: output } = await session.run({});
  console.log(JSON.stringify(Array.from(output.data)));
}
