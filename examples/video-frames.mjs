// node examples/video-frames.mjs film.gif 'Which object moved?'
import { embeddedModel, openModel } from 'fastv/model';
import sharp from 'sharp';

const FRAMES = 4;
const [film, question] = process.argv.slice(2);

const { pages = 1 } = await sharp(film).metadata();
const images = [];
for (let i = 0; i < Math.min(FRAMES, pages); i++) {
  // evenly: the middle of each part
  const page = Math.floor(((i + 0.5) * pages) / Math.min(FRAMES, pages));
  const { data, info } = await sharp(film, { page })
    .flatten()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  images.push({ data: new Uint8ClampedArray(data), width: info.width, height: info.height });
}

const model = await openModel(process.env.MODEL ?? embeddedModel(), {
  fastv: { ratio: 0.5 },
  loading: { dtype: 'q8' },
});
const { text, report, prefillMs } = await model.ask([{ role: 'user', text: question, images }], {
  maxNewTokens: 64,
});
console.log(text);
const [{ imageTokens, keptImageTokens }] = report.rows;
console.log(
  `${images.length} frames: ${keptImageTokens} of ${imageTokens} image tokens kept, prefill ${prefillMs.toFixed(0)} ms`,
);
await model.close();
