// A prompt of the AI SDK as messages with pictures.
import {
  UnsupportedFunctionalityError,
  type LanguageModelV3FilePart,
  type LanguageModelV3Prompt,
} from '@ai-sdk/provider';
import { FastvError } from '../errors.js';
import type { Message, RgbImage } from '../runtime/conversation.js';

/**
 * Decodes a picture.
 * @param where what it is called in errors
 * @throws {FastvError} `invalid-input` for what is no picture
 */
export type DecodePicture = (bytes: Uint8Array<ArrayBuffer>, where: string) => Promise<RgbImage>;

/**
 * The messages of a prompt, text and pictures in their order.
 * @throws {UnsupportedFunctionalityError} for tools and for files that are no images
 * @throws {FastvError} `invalid-input` for a picture that cannot be decoded
 */
export async function messagesOf(prompt: LanguageModelV3Prompt, decode: DecodePicture): Promise<Message[]> {
  const messages: Message[] = [];
  for (const message of prompt) {
    if (message.role === 'system') {
      messages.push({ role: 'system', text: message.content });
      continue;
    }
    if (message.role === 'tool') throw new UnsupportedFunctionalityError({ functionality: 'tool results' });
    const parts: (string | null)[] = [];
    const images: RgbImage[] = [];
    for (const part of message.content) {
      if (part.type === 'text') {
        parts.push(part.text);
      } else if (part.type === 'file' && message.role === 'user') {
        images.push(await decode(bytesOf(part), part.filename ?? `image ${images.length + 1}`));
        parts.push(null);
      } else if (part.type !== 'reasoning') {
        throw new UnsupportedFunctionalityError({
          functionality: `${part.type} in a message of the ${message.role}`,
        });
      }
    }
    const text = parts.filter((part) => part !== null).join('\n');
    messages.push(
      images.length === 0 ? { role: message.role, text } : { role: message.role, text, images, parts },
    );
  }
  return messages;
}

/** The AI SDK has downloaded what was given by its address, since the model supports no URLs itself. */
function bytesOf({ data, mediaType }: LanguageModelV3FilePart): Uint8Array<ArrayBuffer> {
  if (!mediaType.startsWith('image/'))
    throw new UnsupportedFunctionalityError({ functionality: `files of the type ${mediaType}` });
  if (data instanceof URL)
    throw new UnsupportedFunctionalityError({ functionality: 'images by their address' });
  if (typeof data !== 'string') return new Uint8Array(data);
  try {
    return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new FastvError('invalid-input', 'the image is no base64', { where: 'prompt', cause });
  }
}
