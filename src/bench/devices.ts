/** Where a session can run. */
export const DEVICES = ['cpu', 'webgpu'] as const;

/** Where a session runs. */
export type Device = (typeof DEVICES)[number];
