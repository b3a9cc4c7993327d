// node examples/ai-sdk.mjs picture.png 'How many objects are there?'
import { readFile } from 'node:fs/promises';
import { streamText } from 'ai';
import { createFastv } from 'fastv/ai-sdk';
import { embeddedModel } from 'fastv/model';

const [picture, question] = process.argv.slice(2);
const fastv = createFastv({ layer: 2, ratio: 0.5, dtype: 'q8' });

const { textStream, providerMetadata } = streamText({
  model: fastv(process.env.MODEL ?? embeddedModel()),
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image', image: await readFile(picture) },
        { type: 'text', text: question },
      ],
    },
  ],
  maxOutputTokens: 64,
});
for await (const piece of textStream) process.stdout.write(piece);
const { imageTokens, keptImageTokens } = (await providerMetadata).fastv;
console.log(`\n${keptImageTokens} of ${imageTokens} image tokens kept`);
await fastv.dispose();
