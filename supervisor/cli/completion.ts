import { CliError, type Command } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** What a shell can complete of a command. */
interface Completable {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly string[];
  /** Does a model's id come first? */
  readonly takesModel: boolean;
  /** Other words that may come first. */
  readonly words: readonly string[];
}

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** Prints scripts that complete the names of these commands, their options and model ids. */
export function completionCommand(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    arguments: ["shell"],
    choices: Object.keys(SCRIPTS),
    summary: "print a script that completes lmx commands in bash, zsh or fish",
    options: { json: { type: "boolean" } },
    help: `Completes commands, options and model ids (asked of "lmx models" each time).

Options:
  --json            print the script inside one JSON document

Examples:
  lmx completion bash >> ~/.bashrc
  lmx completion zsh > "\${fpath[1]}/_lmx"
  lmx completion fish > ~/.config/fish/completions/lmx.fish`,
    run: async ({ positionals, values, io }) => {
      const [shell = ""] = positionals;
      if (!Object.hasOwn(SCRIPTS, shell)) {
        const known = Object.keys(SCRIPTS).join(", ");
        const message = `Expected one of ${known}, got ${JSON.stringify(shell.slice(0, 40))}.`;
        throw new CliError(EXIT_CODES.usage.code, "usage", message);
      }
      const script = SCRIPTS[shell as keyof typeof SCRIPTS](commands().map(completable));
      io.stdout.write(values.json === true ? `${JSON.stringify({ shell, script }, null, 2)}\n` : script);
      return EXIT_CODES.ok.code;
    },
  };
}

function completable({ name, summary, options, arguments: names, choices = [] }: Command): Completable {
  const [first = "", second] = name.split(" ");
  const spellings = [...Object.keys(options), "help"].map((option) => `--${option}`);
  const words = second === undefined ? choices : [second];
  return { name: first, summary, options: spellings, takesModel: names[0] === "model", words };
}

/** A shell command that prints model ids, one a line, and nothing when anything is wrong. */
const MODEL_IDS = "lmx models --quiet 2>/dev/null";

function bashScript(commands: readonly Completable[]): string {
  const cases = commands.map(({ name, options, takesModel, words }) => {
    const first = takesModel ? `$(${MODEL_IDS})` : words.join(" ");
    return `    ${name}) options="${options.join(" ")}"${first === "" ? "" : `; $is_first && words="${first}"`} ;;`;
  });
  // Without mapfile: the bash of macOS does not know it.
  return `# lmx completion for bash
_lmx() {
  local current="\${COMP_WORDS[COMP_CWORD]}" options="" words="" is_first=false
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=( $(compgen -W "${names(commands).join(" ")} --help --version" -- "$current") )
    return
  fi
  [ "$COMP_CWORD" -eq 2 ] && [[ "$current" != -* ]] && is_first=true
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  [[ "$current" == -* ]] && words="$options"
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
}
complete -o default -F _lmx lmx
`;
}

function zshScript(commands: readonly Completable[]): string {
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`);
  const cases = commands.map(({ name, options, takesModel, words }) => {
    const first = takesModel ? `\${(f)"$(${MODEL_IDS})"}` : words.join(" ");
    const offer = first === "" ? "" : `(( CURRENT == 3 )) && compadd -- ${first}; `;
    return `    ${name}) ${offer}compadd -- ${options.join(" ")} ;;`;
  });
  return `#compdef lmx
_lmx() {
  local -a commands
  commands=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "\${words[2]}" in
${cases.join("\n")}
  esac
}
compdef _lmx lmx
`;
}

function fishScript(commands: readonly Completable[]): string {
  const lines = commands.flatMap(({ name, summary, options, takesModel, words }) => {
    const when = `-n '__fish_seen_subcommand_from ${name}'`;
    const first = takesModel ? `(${MODEL_IDS})` : words.join(" ");
    return [
      `complete -c lmx -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
      ...(first === "" ? [] : [`complete -c lmx ${when} -f -a ${quoted(first)}`]),
      ...options.map((option) => `complete -c lmx ${when} -l ${option.slice(2)}`),
    ];
  });
  return `# lmx completion for fish\n${lines.join("\n")}\n`;
}

function names(commands: readonly Completable[]): string[] {
  return commands.map(({ name }) => name);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
