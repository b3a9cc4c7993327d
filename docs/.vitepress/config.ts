// The site: the pages of docs/ as they are, the reference that TypeDoc makes of the sources, and the page of web/ as a demo.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitepress';

export default defineConfig({
  title: 'fastv',
  description:
    'FastV inside the decoder: prune image tokens of vision-language models, on every ONNX runtime.',
  outDir: '../dist-site',
  cacheDir: '../.cache/vitepress',
  lastUpdated: false,
  // Pages that live beside docs/ on a code host are no part of the site.
  ignoreDeadLinks: [
    /^(\.\/)?(\.\.\/)+(README|SECURITY|CONTRIBUTING|models|training|examples|test|bench|scripts)/u,
    /LICENSE$/u,
    /\/report$/u,
  ],
  // Reports are pages of their own, which results link to.
  buildEnd({ srcDir, outDir }) {
    const filter = (path: string): boolean => !/\.[^/\\]+$/u.test(path) || path.endsWith('.html');
    cpSync(join(srcDir, 'results'), join(outDir, 'results'), { recursive: true, filter });
  },
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guide', link: '/library' },
      { text: 'Results', link: '/results/README' },
      { text: 'Demo', link: '/demo/index.html', target: '_self' },
    ],
    sidebar: [
      {
        text: 'Guide',
        items: [
          { text: 'How it works', link: '/how-it-works' },
          { text: 'The library', link: '/library' },
          { text: 'The command line', link: '/cli' },
          { text: 'A server', link: '/serve' },
          { text: 'Models from checkpoints', link: '/build' },
        ],
      },
      {
        text: 'Laboratory',
        items: [
          { text: 'Evaluation', link: '/laboratory' },
          { text: 'Many machines', link: '/scale' },
          { text: 'The paper’s tables', link: '/reproduce' },
          { text: 'Results', link: '/results/README' },
          { text: 'Scenes', link: '/scenes' },
        ],
      },
      {
        text: 'Reference',
        items: [
          { text: 'The graph contract', link: '/graph-contract' },
          { text: 'Decoders', link: '/decoders' },
          { text: 'Cost', link: '/cost' },
          { text: 'Performance', link: '/performance' },
          { text: 'API', link: '/reference/README' },
        ],
      },
    ],
  },
});
