// npx vite examples/vite: the model runs in the tab, on WebGPU where there is one; pictures never leave it.
import { AutoModelForImageTextToText, RawImage } from '@huggingface/transformers';
import { fastv } from 'fastv';
import { Conversation } from 'fastv/conversation';

const name = new URLSearchParams(location.search).get('model') ?? 'HuggingFaceTB/SmolVLM-256M-Instruct';
const gpu = (await navigator.gpu?.requestAdapter()) ?? null;
const form = document.querySelector('form');
const output = document.querySelector('output');

// loaded at the first question
let loading;
const load = async () => ({
  conversation: await Conversation.load(name),
  model: await fastv(AutoModelForImageTextToText, name, {
    ratio: 0.5,
    ...(gpu === null ? { device: 'wasm', dtype: 'q8' } : { device: 'webgpu', dtype: 'q4f16' }),
  }),
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  output.textContent = 'Loading …';
  const data = new FormData(form);
  try {
    const { conversation, model } = await (loading ??= load());
    const images = [(await RawImage.fromBlob(data.get('picture'))).rgb()];
    const inputs = await conversation.inputs([{ role: 'user', text: data.get('question'), images }]);
    const sequences = await model.generate({ ...inputs, max_new_tokens: 64 });
    const [{ keptImageTokens, imageTokens }] = model.fastv.last.rows;
    output.textContent = `${conversation.answers(inputs, sequences)[0]} (${keptImageTokens} of ${imageTokens} image tokens)`;
  } catch (error) {
    loading = undefined;
    output.textContent = error.message;
  }
});
