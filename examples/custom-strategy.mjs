// node examples/custom-strategy.mjs picture.png 'How many objects are there?'
import { RawImage } from '@huggingface/transformers';
import { embeddedModel, openModel } from 'fastv/model';

/** Outside the graph, by how the tokens of an image lie: those near its centre are kept. */
const centre = {
  where: 'caller',
  name: 'centre',
  description: 'the tokens nearest to the centre of their image',
  scores: ({ length, images }) => {
    const scores = new Float32Array(length);
    for (const { positions, rows, columns } of images) {
      for (const [i, position] of positions.entries()) {
        const [row, column] = [Math.floor(i / columns), i % columns];
        scores[position] = -Math.hypot((row + 0.5) / rows - 0.5, (column + 0.5) / columns - 0.5);
      }
    }
    return scores;
  },
};

/** Inside the graph, from what layer K − 1 computes: the tokens that the last token attends to least, as a control. */
const inattention = {
  where: 'graph',
  name: 'inattention',
  description: 'FastV upside down',
  needsLayer: true,
  score: (context) => context.emit.op('Neg', [context.lastRowAttention()]),
};

const [picture, question] = process.argv.slice(2);
const images = [(await RawImage.read(picture)).rgb()];
for (const strategy of ['attention', centre, inattention]) {
  const fastv = { layer: 2, ratio: 0.75, strategy };
  const model = await openModel(process.env.MODEL ?? embeddedModel(), { fastv, loading: { dtype: 'q8' } });
  const { text, report } = await model.ask([{ role: 'user', text: question, images }], { maxNewTokens: 64 });
  console.log(`${report.strategy}: ${text}`);
  await model.close();
}
