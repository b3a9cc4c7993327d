// The parts of a model and their number formats, as Transformers.js 4.3 names their files.

/** The number formats that a part can have, and how Transformers.js names its file. */
export const SUFFIXES = { fp32: '', fp16: '_fp16', q8: '_quantized', q4: '_q4', q4f16: '_q4f16' } as const;
export type PartDtype = keyof typeof SUFFIXES;

/** The parts of a model, as Transformers.js calls them; the last is one of ours, which Video-LLaVA has. */
export const PARTS = ['vision_encoder', 'embed_tokens', 'decoder_model_merged', 'video_encoder'] as const;
export type PartName = (typeof PARTS)[number];
