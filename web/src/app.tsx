// The page, from top to bottom.
import { Answers } from './components/answers.js';
import { Benchmark } from './components/benchmark.js';
import { Controls } from './components/controls.js';
import { HeatMaps } from './components/heat-maps.js';
import { Layers } from './components/layers.js';
import { ModelChoice } from './components/model-choice.js';
import { PictureChoice } from './components/picture-choice.js';
import { Problem, Status } from './components/status.js';
import { Share, ThemeChoice } from './components/share.js';

export function App() {
  return (
    <>
      <header>
        <div class="top">
          <h1>
            FastV <small>in your browser</small>
          </h1>
          <ThemeChoice />
        </div>
        <p>
          Vision-language models spend most of the time before the first word on image tokens that deep layers
          hardly look at. <a href="https://arxiv.org/abs/2403.06764">FastV</a> drops the least attended ones
          after layer K, without any training. Ask about a picture and watch both: the original, and FastV.
          Everything runs in this tab.
        </p>
        <Status />
      </header>
      <main>
        <Problem />
        <div class="columns">
          <PictureChoice />
          <div class="stack">
            <Controls />
            <Answers />
          </div>
        </div>
        <Layers />
        <HeatMaps />
        <Benchmark />
        <ModelChoice />
        <Share />
      </main>
      <footer>
        <p>
          Pictures, questions and answers stay on this device. The bundled model (11 million parameters) knows
          synthetic scenes only. The method is Liang Chen et al.’s, ECCV 2024; this is an independent
          implementation, Apache-2.0.
        </p>
      </footer>
    </>
  );
}
