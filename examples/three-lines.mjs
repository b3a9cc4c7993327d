// node examples/three-lines.mjs picture.png 'How many objects are there?'
import { AutoModelForImageTextToText, RawImage } from '@huggingface/transformers';
import { fastv } from 'fastv';
import { Conversation } from 'fastv/conversation';
import { embeddedModel } from 'fastv/model';

const [picture, question] = process.argv.slice(2);
const name = process.env.MODEL ?? embeddedModel();

// In the place of AutoModelForImageTextToText.from_pretrained(name, { dtype: 'q8' }):
const model = await fastv(AutoModelForImageTextToText, name, { layer: 2, ratio: 0.5, dtype: 'q8' });

const conversation = await Conversation.load(name);
const images = [(await RawImage.read(picture)).rgb()];
const inputs = await conversation.inputs([{ role: 'user', text: question, images }]);
const sequences = await model.generate({ ...inputs, max_new_tokens: 64 });
console.log(conversation.answers(inputs, sequences)[0]);

const { rows, flopsRatio, ms } = model.fastv.last;
console.log(`${rows[0].keptImageTokens} of ${rows[0].imageTokens} image tokens kept`);
console.log(`${(100 * flopsRatio).toFixed(0)} % of the FLOPs, prefill ${ms.prefill.toFixed(0)} ms`);
