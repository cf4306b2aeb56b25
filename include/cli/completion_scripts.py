"""The scripts themselves. Bash's does the work; zsh runs it as bash would; fish has conditions of its own."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence

from include.cli.completion_words import FILES, MODELS, VERSIONS, Words

_BASH = r"""# Completion of slipstream. Made by `slipstream completion bash`; make it again after an upgrade.
_slipstream_words() {  # of a command: its options, the kinds of their values, and what stands at each place
  options="" valued="" places=""
  case "$1" in
@CASES@
  esac
}

_slipstream_kind() {  # sets the candidates of a kind
  case "$1" in
    models) candidates="$("$program" completion --names models 2>/dev/null)" ;;
    versions) candidates="$("$program" completion --names versions --of "$model" 2>/dev/null)" ;;
    files) candidates="$(compgen -f -- "$current")" ;;
    =*|@*) candidates="${1:1}"; candidates="${candidates//|/ }" ;;
    *) candidates="" ;;
  esac
}

_slipstream() {
  local program="${COMP_WORDS[0]}" current="${COMP_WORDS[COMP_CWORD]}"
  local options valued places candidates="" command="" model="" place=0 takes="" word pair kind number
  _slipstream_words ""
  for ((number = 1; number < COMP_CWORD; number++)); do
    word="${COMP_WORDS[number]}"
    if [ -n "$takes" ]; then
      if [ "$takes" = models ]; then model="$word"; fi
      takes=""
      continue
    fi
    case "$word" in
      --*)
        for pair in $valued; do
          if [ "${pair%%:*}" = "$word" ]; then takes="${pair#*:}"; fi
        done
        ;;
      *)
        kind="$(set -f; set -- $places; shift "$place" 2>/dev/null && printf %s "$1")"
        case "$kind" in
          @*) command="${command:+$command }$word"; place=0; _slipstream_words "$command" ;;
          models) model="$word"; place=$((place + 1)) ;;
          *) place=$((place + 1)) ;;
        esac
        ;;
    esac
  done
  if [ -n "$takes" ]; then
    _slipstream_kind "$takes"
  else
    kind="$(set -f; set -- $places; shift "$place" 2>/dev/null && printf %s "$1")"
    case "$current" in
      -*) candidates="$options" ;;
      *) _slipstream_kind "$kind"; if [ -z "$kind" ]; then candidates="$options"; fi ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}

complete -F _slipstream slipstream
"""


def bash(commands: Sequence[Words]) -> str:
    """For `source`, or for a file of bash-completion's folder."""
    return _BASH.replace("@CASES@", "\n".join(map(_case, commands)))


def _case(words: Words) -> str:
    valued = " ".join(f"{option}:{kind}" for option, kind in words.valued)
    given = {"options": " ".join(words.options), "valued": valued, "places": " ".join(words.places)}
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in given.items() if value)
    return f"    {shlex.quote(words.path)}) {settings} ;;"


def zsh(commands: Sequence[Words]) -> str:
    """For `source` in .zshrc."""
    head, _, rest = bash(commands).partition("\n")
    mode = "autoload -U +X compinit && compinit -u\nautoload -U +X bashcompinit && bashcompinit"
    return f"{head.replace('completion bash', 'completion zsh')}\n{mode}\n{rest}"


def fish(commands: Sequence[Words]) -> str:
    """For a file of fish's folder of completions."""
    head = "# Completion of slipstream. Made by `slipstream completion fish`; make it again after an upgrade."
    lines = [line for words in commands for line in _fish_lines(words)]
    return "\n".join([head, "complete -c slipstream -f", *lines, ""])


def _fish_lines(words: Words) -> Iterator[str]:
    begin = f"complete -c slipstream -n {shlex.quote(_fish_condition(words.path))}"
    kinds = dict(words.valued)
    for option in words.options:
        value = f" -x -a {shlex.quote(_fish_candidates(kinds[option]))}" if option in kinds else ""
        files = " -F" if kinds.get(option) == FILES else ""
        yield f"{begin} -l {option.removeprefix('--')}{value}{files}"
    for kind in words.places:
        if candidates := _fish_candidates(kind):
            yield f"{begin} -a {shlex.quote(candidates)}"


def _fish_condition(path: str) -> str:
    if not path:
        return "__fish_use_subcommand"
    return "; and ".join(f"__fish_seen_subcommand_from {word}" for word in path.split())


def _fish_candidates(kind: str) -> str:
    if kind[:1] in ("@", "="):
        return kind[1:].replace("|", " ")
    asked = {
        MODELS: "(slipstream completion --names models)",
        VERSIONS: "(slipstream completion --names versions --of (commandline -opc)[3])",
    }
    return asked.get(kind, "")


SCRIPTS: Mapping[str, Callable[[Sequence[Words]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
