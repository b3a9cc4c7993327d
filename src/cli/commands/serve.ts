/** `fastv serve`: an OpenAI-compatible server. */
import { Command, Option } from 'commander';
import type { ServeFlags } from '../actions/serve.js';
import { addOptions, addOutputOptions, askingOptions, networkOption } from '../options/option.js';
import { addMethodOptions } from '../options/strategy.js';
import { defaultModel } from '../default-model.js';
import { PORTS, wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';
import { MOST_SECONDS } from '../../server/limits.js';
import { LIMIT_OPTIONS, limitFlag } from '../options/serve-limits.js';

/** The command, to be added to the program. */
export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve')
    .addOption(
      new Option(
        '--model <name|path...>',
        'names on the Hugging Face hub, or folders (default: FASTV_MODEL, else the bundled model)',
      ).default(modelsByDefault()),
    )
    .addOption(new Option('--host <address>', 'where to listen').default('127.0.0.1').env('FASTV_HOST'))
    .addOption(
      new Option('--port <n>', 'the port; 0: any that is free')
        .argParser(wholeNumber('--port', 0, PORTS))
        .default(8321)
        .env('FASTV_PORT'),
    )
    .addOption(
      new Option(
        '--api-key <key>',
        'requests must bring it; better in FASTV_API_KEY, which no list of processes shows',
      ).env('FASTV_API_KEY'),
    )
    .addOption(
      new Option('--config <file>', 'options as JSON, by their names: {"port": 8080}').env('FASTV_CONFIG'),
    )
    .option('--print-config', 'print what would be served, and how, and end')
    .addOption(new Option('--media-root <folder>', 'the folder of file: URLs').env('FASTV_MEDIA_ROOT'))
    .option('--cors <origins...>', 'origins whose pages may ask')
    .addOption(
      new Option('--grace <seconds>', 'how long running answers may take when the server is told to end')
        .argParser(wholeNumber('--grace', 0, MOST_SECONDS))
        .default(30)
        .env('FASTV_GRACE'),
    )
    .addOption(
      new Option('--log-level <level>', 'lines of JSON on stderr')
        .choices(['silent', 'error', 'warn', 'info', 'debug'])
        .default('info')
        .env('FASTV_LOG_LEVEL'),
    );
  addOptions(command, [
    ...askingOptions(),
    networkOption('models and the pictures of requests, from public addresses,'),
    ...LIMIT_OPTIONS.map(limitFlag),
  ]);
  addMethodOptions(command);
  command.action(async (flags: ServeFlags) => {
    const { serveCommandLine } = await import('../actions/serve.js');
    await serveCommandLine(command, flags, terminal);
  });
  return addOutputOptions(command).addHelpText(
    'after',
    `
Every option may also stand in the file of --config; those of the command line and of the environment come first.

Examples:
  fastv serve
  curl http://127.0.0.1:8321/v1/models
  FASTV_API_KEY=secret fastv serve --model HuggingFaceTB/SmolVLM-256M-Instruct --dtype q4 --ratio 0.75`,
  );
}

function modelsByDefault(): string[] | undefined {
  const model = defaultModel();
  return model === undefined ? undefined : [model];
}
