// node examples/batch.mjs a.png b.png c.png
import { AutoModelForImageTextToText, RawImage } from '@huggingface/transformers';
import { fastv } from 'fastv';
import { Conversation } from 'fastv/conversation';
import { embeddedModel } from 'fastv/model';

const files = process.argv.slice(2);
const name = process.env.MODEL ?? embeddedModel();
const model = await fastv(AutoModelForImageTextToText, name, { ratio: 0.75, dtype: 'q8' });
const conversation = await Conversation.load(name);

const conversations = [];
for (const file of files) {
  const images = [(await RawImage.read(file)).rgb()];
  conversations.push([{ role: 'user', text: 'Describe the image.', images }]);
}
// Rows of one length need no padding, which some decoders cannot tell from text.
for (const { rows, inputs } of await conversation.batches(conversations)) {
  const sequences = await model.generate({ ...inputs, max_new_tokens: 48 });
  for (const [i, text] of conversation.answers(inputs, sequences).entries())
    console.log(`${files[rows[i]]}: ${text}`);
}
