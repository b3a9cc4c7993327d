# fastv serve: docs/serve.md. Build: docker build --tag fastv .
FROM node:22-slim AS build
WORKDIR /app
# the CPU's libraries are in the package; its script would fetch those of CUDA
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY package.json package-lock.json ./
COPY packages packages
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts \
  # Transformers.js and ONNX Runtime are for the app to bring, and this is one
  && npm install --no-save --ignore-scripts @huggingface/transformers@^4.3.1 onnxruntime-node@1.30.0

FROM node:22-slim
ENV NODE_ENV=production FASTV_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY bin bin
COPY assets assets
COPY models models
USER node
EXPOSE 8321
HEALTHCHECK --start-period=60s CMD ["node", "-e", "fetch('http://127.0.0.1:8321/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/fastv.js", "serve"]
