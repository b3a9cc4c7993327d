import { expect, it } from 'vitest';
import { classOf, processorClass } from './processor-class.js';
import { int8Products } from './processor.js';
import { nodeSessionClass } from './node-session.js';

it.each<[string, Parameters<typeof classOf>[0], string, string[]]>([
  // what products say goes before what the system lists: an emulator lists the instructions of its host
  ['x86-64, AVX2 without VNNI', 'saturating', 'x64', ['avx2', 'avx512_vnni', 'amx_int8']],
  ['x86-64, AMX', 'exact', 'x64', ['avx2', 'avx512_vnni', 'amx_int8']],
  ['x86-64, AVX-512 VNNI without AMX', 'exact', 'x64', ['avx2', 'avx512_vnni']],
  ['x86-64, AVX-VNNI', 'exact', 'x64', ['avx2', 'avx_vnni']],
  ['x86-64, exact int8 products', 'exact', 'x64', []],
  ['x86-64 without AVX2', 'exact', 'x64', ['sse4_2']],
  ['Arm with dot products', 'exact', 'arm64', ['asimd', 'asimddp']],
  ['Arm', 'exact', 'arm64', []],
  ['riscv64', 'exact', 'riscv64', []],
])('%s', (name, products, architecture, has) => {
  expect(classOf(products, architecture, new Set(has))).toBe(name);
});

it("this machine's is the one of its products", async () => {
  const products = await int8Products(await nodeSessionClass());
  expect((await processorClass()).includes('without VNNI')).toBe(products === 'saturating');
});
