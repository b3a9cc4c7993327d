/** `fastv report`: a run's results as one HTML file and plots. */
import { Command } from 'commander';
import { writeReport } from '../analysis/write-report.js';

interface Flags {
  readonly title?: string;
  readonly data?: readonly string[];
  readonly images?: string;
  readonly failures?: string;
  readonly json?: boolean;
}

/** The command, to be added to the program. */
export function reportCommand(): Command {
  return new Command('report')
    .description('write the report of an evaluation or a sweep: one HTML file, and plots as SVG and PNG')
    .argument('<folder>', 'the --out folder of fastv eval or fastv sweep')
    .option('--title <text>', 'what the report is headed')
    .option('--failures <condition>', 'the condition whose failures are shown')
    .option('--data <folders...>', 'where the datasets are, for the images of failures')
    .option('--images <folder>', 'where paths of images begin')
    .option('--json', 'print the paths as JSON')
    .action(async (folder: string, flags: Flags) => {
      const written = await writeReport(folder, {
        ...(flags.title === undefined ? {} : { title: flags.title }),
        ...(flags.failures === undefined ? {} : { failuresOf: flags.failures }),
        data: {
          ...(flags.data === undefined ? {} : { folders: flags.data }),
          ...(flags.images === undefined ? {} : { imageFolder: flags.images }),
        },
      });
      console.log(flags.json === true ? JSON.stringify({ written }) : written.join('\n'));
    });
}
