/** Completion scripts: everything is in them, so that nothing is started at a press of Tab. */
import type { Shell } from './shells.js';
import type { CompletionCommand, CompletionOption } from './tree.js';

type Script = (commands: readonly CompletionCommand[]) => string;

/** The script of each shell. */
export const SCRIPTS: Readonly<Record<Shell, Script>> = { bash, zsh, fish };

/** Words in single quotes, as all three shells read them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function flags({ long, short }: CompletionOption): string[] {
  return short === undefined ? [long] : [long, short];
}

/** Where no word fits, bash completes file names (`-o default`). */
function bash(commands: readonly CompletionCommand[]): string {
  const reply = (words: readonly string[]): string =>
    `COMPREPLY=($(compgen -W ${quoted(words.join(' '))} -- "$cur"))`;
  const values = commands.flatMap(({ name, options }) =>
    options
      .filter(({ values: all }) => all.length > 0)
      .map((option) => {
        const when = flags(option).map((flag) => quoted(`${name} ${flag}`));
        return `    ${when.join('|')}) ${reply(option.values)}; return ;;`;
      }),
  );
  const valued = commands.flatMap(({ name, options }) => {
    const plain = options.filter(({ takesValue, values: all }) => takesValue && all.length === 0);
    return plain.flatMap(flags).map((flag) => quoted(`${name} ${flag}`));
  });
  const perCommand = commands.map(({ name, options, words }) => {
    const all = [...options.flatMap(flags), '--help', '-h'];
    return `    ${name}) case "$cur" in -*) ${reply(all)} ;; *) ${reply(words)} ;; esac ;;`;
  });
  return `# bash completion of fastv
_fastv() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    ${reply([...commands.map(({ name }) => name), 'help', '--help', '--version'])}
    return
  fi
  case "$command $prev" in
${values.join('\n')}
    ${valued.join('|')}) return ;;
  esac
  case "$command" in
    help) ${reply(commands.map(({ name }) => name))} ;;
${perCommand.join('\n')}
  esac
}
complete -o default -F _fastv fastv`;
}

function zsh(commands: readonly CompletionCommand[]): string {
  // in _arguments ] ends a description, and : separates parts
  const about = (text: string): string => text.replace(/[[\]\\]/gu, '\\$&').replaceAll(':', '\\:');
  const specs = ({ options, words }: CompletionCommand): string[] => [
    ...options.flatMap((option) => {
      const value = option.values.length > 0 ? `(${option.values.join(' ')})` : '_files';
      const end = option.takesValue ? `: :${value}` : '';
      return flags(option).map((flag) => quoted(`${flag}[${about(option.about)}]${end}`));
    }),
    quoted('--help[show the options]'),
    quoted(words.length > 0 ? `1: :(${words.join(' ')})` : '*: :_files'),
  ];
  return `#compdef fastv
_fastv() {
  local -a commands
  commands=(
${commands.map((command) => `    ${quoted(`${command.name}:${about(command.about)}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$command" in
${commands.map((command) => `    ${command.name}) _arguments ${specs(command).join(' ')} ;;`).join('\n')}
  esac
}
if [ "\${funcstack[1]}" = _fastv ]; then _fastv "$@"; else compdef _fastv fastv; fi`;
}

function fish(commands: readonly CompletionCommand[]): string {
  const lines = commands.flatMap(({ name, about, options, words }) => {
    const seen = quoted(`__fish_seen_subcommand_from ${name}`);
    return [
      `complete -c fastv -f -n __fish_use_subcommand -a ${name} -d ${quoted(about)}`,
      ...(words.length === 0 ? [] : [`complete -c fastv -f -n ${seen} -a ${quoted(words.join(' '))}`]),
      ...options.map(({ long, short, about: what, takesValue, values }) =>
        [
          `complete -c fastv -n ${seen} -l ${long.replace(/^--/u, '')}`,
          ...(short === undefined ? [] : [`-s ${short.replace(/^-/u, '')}`]),
          ...(values.length > 0 ? [`-x -a ${quoted(values.join(' '))}`] : takesValue ? ['-r'] : []),
          `-d ${quoted(what)}`,
        ].join(' '),
      ),
    ];
  });
  return ['# fish completion of fastv', ...lines].join('\n');
}
