// node examples/chat.mjs picture.png 'How many objects are there?' 'What colour is the background?'
import { RawImage } from '@huggingface/transformers';
import { embeddedModel, openModel } from 'fastv/model';

const [picture, ...questions] = process.argv.slice(2);
const model = await openModel(process.env.MODEL ?? embeddedModel(), {
  fastv: { ratio: 0.5 },
  loading: { dtype: 'q8' },
});

const chat = model.chat();
let images = [(await RawImage.read(picture)).rgb()];
for (const question of questions) {
  process.stdout.write(`> ${question}\n`);
  // later turns read only what is new: image tokens that were dropped are gone, the kept ones are in the cache
  const { ttftMs } = await chat.ask(question, images, {
    maxNewTokens: 64,
    onText: (text) => process.stdout.write(text),
  });
  process.stdout.write(`\n(first token after ${ttftMs.toFixed(0)} ms)\n`);
  images = [];
}
await model.close();
