// PORT=3000 node examples/express.mjs, then any client of OpenAI's: baseURL http://127.0.0.1:3000/vision/v1
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import { createHandler } from 'fastv/server';

const vision = createHandler({
  ...(process.env.MODEL === undefined ? {} : { models: [process.env.MODEL] }),
  fastv: { layer: 2, ratio: 0.5 },
  loading: { dtype: 'q8' },
});

const app = express();
app.get('/', (_, response) => response.send('an app of one’s own'));
app.use('/vision', getRequestListener(vision.fetch));

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/vision/v1`);
});
process.once('SIGTERM', async () => {
  server.close();
  await vision.close();
});
