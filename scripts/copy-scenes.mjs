// What the package fastv-scenes holds, from where it lies in the clone: `npm pack --workspace fastv-scenes` runs this.
import { cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
for (const folder of ['models/scenes-llava', 'assets/scenes']) {
  const target = fileURLToPath(new URL(`packages/fastv-scenes/${folder}`, root));
  rmSync(target, { recursive: true, force: true });
  // rewritten decoders are made where they are used
  const filter = (path) => !/\.fastv-[^/\\]*\.onnx$/u.test(path);
  cpSync(fileURLToPath(new URL(folder, root)), target, { recursive: true, filter });
}
