/**
 * What each shell has to be told. All of them ask `cemiflow __complete -- WORDS`, whose first line says whether files are
 * to be added and whether the word goes on, and whose other lines are a candidate, a tab, and its description.
 */

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** @param call the command that calls this program, quoted for a POSIX shell */
export function completionScript(shell: Shell, call: string): string {
  return { bash, zsh, fish }[shell](call);
}

const bash = (
  call: string,
) => `# bash completion for cemiflow. In ~/.bashrc: eval "$(cemiflow completion bash)"
_cemiflow() {
  # bash also breaks words at = @ and :, so they are put together again.
  local rest=$COMP_LINE words=() word i=0
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $i -eq 0 || $rest == [[:blank:]]* ]]; then
      rest=\${rest#"\${rest%%[![:blank:]]*}"}
      words[\${#words[@]}]=$word
    else
      words[\${#words[@]}-1]+=$word
    fi
    rest=\${rest#"$word"}
  done
  local current=\${words[\${#words[@]}-1]}
  # What stands before the piece that bash replaces.
  local before=\${current%"$2"}
  local how text
  COMPREPLY=()
  {
    read -r how
    while IFS=$'\\t' read -r text _; do
      COMPREPLY[\${#COMPREPLY[@]}]=\${text#"$before"}
    done
  } < <(${call} __complete -- "\${words[@]:1}" 2>/dev/null)
  local files=\${how%% *}
  if [[ $files != none ]]; then
    compopt -o filenames 2>/dev/null
    local type=-f
    [[ $files == folders ]] && type=-d
    while IFS= read -r text; do
      [[ $files != yaml || -d $text || $text == *.yaml || $text == *.yml ]] && COMPREPLY[\${#COMPREPLY[@]}]=$text
    done < <(compgen $type -- "$2")
  fi
  [[ $how == *' open' ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _cemiflow cemiflow
`;

const zsh = (call: string) => `#compdef cemiflow
# zsh completion for cemiflow. In ~/.zshrc, after compinit: eval "$(cemiflow completion zsh)"
_cemiflow() {
  local -a lines texts shown flags
  local line how text
  lines=("\${(@f)$(${call} __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  how=$lines[1]
  for line in "\${(@)lines[2,-1]}"; do
    [[ -n $line ]] || continue
    text=\${line%%$'\\t'*}
    texts+=("$text")
    if [[ $line == *$'\\t'?* ]]; then shown+=("$text  -- \${line#*$'\\t'}"); else shown+=("$text"); fi
  done
  [[ $how == *' open' ]] && flags=(-S '')
  (( $#texts )) && compadd -l -d shown "\${(@)flags}" -a texts
  case \${how%% *} in
    yaml) _files -g '*.(yaml|yml)' ;;
    any) _files ;;
    folders) _files -/ ;;
  esac
  return 0
}
# Sourced, it registers itself; as a file in $fpath the first line does.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _cemiflow "$@"; else compdef _cemiflow cemiflow; fi
`;

const fish = (
  call: string,
) => `# fish completion for cemiflow. Once: cemiflow completion fish > ~/.config/fish/completions/cemiflow.fish
function __cemiflow_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc) $current
    # An empty word at the cursor is a word, too.
    test -z "$current"; and set words (commandline -opc) ''
    set -l lines (${call} __complete -- $words[2..-1] 2>/dev/null)
    string join \\n -- $lines[2..-1]
    switch (string split ' ' -- $lines[1])[1]
        case yaml
            for file in $current*
                if test -d $file
                    echo $file/
                else if string match -qr '\\.ya?ml$' -- $file
                    echo $file
                end
            end
        case any
            __fish_complete_path $current
        case folders
            __fish_complete_directories $current
    end
end
complete -c cemiflow -f -a '(__cemiflow_complete)'
`;
