/** `fastv chat`: several turns on one KV cache. */
import { Command } from 'commander';
import type { ChatFlags } from '../actions/chat.js';
import { addModelOptions, refuseIdleKept, refuseIdleSeed } from '../options/model.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function chatCommand(terminal: Terminal): Command {
  const command = new Command('chat')
    .argument('[image...]', 'images for the first question')
    .action(async (images: readonly string[], flags: ChatFlags) => {
      refuseIdleSeed(command, flags);
      refuseIdleKept(command, terminal);
      const { chat } = await import('../actions/chat.js');
      await chat(images, flags, terminal);
    });
  return addModelOptions(command).addHelpText(
    'after',
    `
In the chat:
  /image FILE   adds an image to the next question
  /ratio R      changes the share of dropped image tokens from the next question on
  /new          forgets everything
  /quit         ends (as does the end of the input)
Questions can be piped in, one a line; with --json each answer is one line of JSON.`,
  );
}
