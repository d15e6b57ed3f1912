"""Write the completions of bash, zsh and fish from the command-line parser: `make docs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from qbe.audio.finding import EXTENSIONS
from qbe.cli import help, program

FOLDER = Path(__file__).parent
HEAD = "# Written by generate.py from the command-line parser, do not edit."
ENDINGS = sorted(ending.decode() for ending in EXTENSIONS)

# What the value of an option or an argument is, by its placeholder: a kind of file, or nothing to complete.
KINDS = {
    "FILES|FOLDERS": "audio", "QUERY": "audio", "SOUND": "audio", "FILE[:DB]": "audio",
    "LIBRARY": "idx", "MODEL": "onnx", "TASK.tsv": "tsv",
    "FILE": "any", "PATHS": "any", "FILE|FOLDER": "any", "RECIPE": "any", "FOLDER": "folder",
}  # fmt: skip


@dataclass(frozen=True)
class Option:
    """names : with their dashes; kind : of its value, None for a flag; choices : the values it may have"""

    names: list[str]
    help: str
    kind: str | None
    choices: list[str]


@dataclass(frozen=True)
class Command:
    """arguments : the kind of each; the last one stands for all that follow"""

    name: str
    help: str
    options: list[Option]
    arguments: list[str]


def commands() -> list[Command]:
    parsers = typer.main.get_command(program()).commands  # type: ignore[attr-defined]
    return [_command(name, parser) for name, parser in sorted(parsers.items())]


def _command(name: str, parser: Any) -> Command:
    options = [_option(option) for option in help.options(parser)]
    options.append(Option(["--help"], "Show a short help.", None, []))
    arguments = [_kind(p.metavar) for p in parser.params if p.param_type_name == "argument"]
    return Command(name, help.purpose(parser), options, arguments)


def _option(parameter: Any) -> Option:
    kind = None if parameter.is_flag else _kind(parameter.metavar or "")
    if "--model" in parameter.opts:
        kind = "onnx"
    return Option(list(parameter.opts), parameter.help.partition("  [")[0], kind, help.choices(parameter))


def _kind(placeholder: str) -> str:
    plain = placeholder.removesuffix("...")
    return KINDS.get(plain) or KINDS.get(plain.removeprefix("[").removesuffix("]"), "none")


def bash() -> str:
    """A function that asks what the word before is, and what the subcommand takes."""
    cases = "".join(_bash_case(command) for command in commands())
    names = " ".join(command.name for command in commands())
    endings = "|".join(ENDINGS)
    return f"""{HEAD}

_qbe_files() {{
    local IFS=$'\\n' pattern=$1 name
    compopt -o filenames 2> /dev/null
    COMPREPLY+=($(compgen -d -- "$2"))
    for name in $(compgen -f -- "$2"); do
        if [[ ! -d $name && ${{name,,}} =~ $pattern ]]; then COMPREPLY+=("$name"); fi
    done
}}

_qbe_value() {{
    case $1 in
        audio) _qbe_files '\\.({endings})$' "$2" ;;
        idx) _qbe_files '\\.idx$' "$2" ;;
        onnx) _qbe_files '\\.onnx$' "$2" ;;
        tsv) _qbe_files '\\.tsv$' "$2" ;;
        any) _qbe_files '' "$2" ;;
        folder) local IFS=$'\\n'; compopt -o filenames 2> /dev/null; COMPREPLY+=($(compgen -d -- "$2")) ;;
    esac
}}

_qbe() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}}
    local options='' valued=' ' arguments='' kind='' place=-1 k
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{names} --help --version" -- "$current"))
        return
    fi
    case $command in
{cases}    esac
    for ((k = 2; k <= COMP_CWORD; k++)); do
        [[ ${{COMP_WORDS[k]}} == -?* || $valued == *" ${{COMP_WORDS[k-1]}} "* ]] || ((place++))
    done
    set -- $arguments
    ((place > 0 && $# > 1)) && shift
    if [[ $kind == choice:* ]]; then
        COMPREPLY=($(compgen -W "${{kind#choice:}}" -- "$current"))
    elif [[ -n $kind ]]; then
        _qbe_value "$kind" "$current"
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
    else
        _qbe_value "$1" "$current"
    fi
}}

complete -F _qbe qbe
"""


def _bash_case(command: Command) -> str:
    def pattern(option: Option) -> str:
        return "|".join(option.names)

    names = " ".join(name for option in command.options for name in option.names)
    kinds = "".join(
        f"                {pattern(o)}) kind='{'choice:' + ' '.join(o.choices) if o.choices else o.kind}' ;;\n"
        for o in command.options
        if o.kind
    )
    valued = " ".join(name for option in command.options if option.kind for name in option.names)
    return f"""        {command.name})
            options='{names}'
            valued=' {valued} '
            arguments='{" ".join(command.arguments) or "none"}'
            case $before in
{kinds}                *) ;;
            esac ;;
"""


def zsh() -> str:
    """_arguments specifications, one function a subcommand."""
    described = "".join(f"        {_quoted(f'{c.name}:{_zsh_text(c.help)}')}\n" for c in commands())
    cases = "".join(_zsh_case(command) for command in commands())
    return f"""#compdef qbe
{HEAD}

_qbe_audio() {{ _files -g '*.(#i)({"|".join(ENDINGS)})' }}

_qbe() {{
    local context state line
    local -a commands=(
{described}    )
    _arguments -C '--help[Show a short help.]' '--version[Print the version and exit.]' \\
        '1:command:->command' '*::argument:->argument'
    case $state in
        command) _describe command commands ;;
        argument)
            case $words[1] in
{cases}            esac ;;
    esac
}}

_qbe "$@"
"""


ZSH_FILES = {
    "audio": "_qbe_audio", "idx": "_files -g '*.idx'", "onnx": "_files -g '*.onnx'", "tsv": "_files -g '*.tsv'",
    "any": "_files", "folder": "_files -/", "none": " ",
}  # fmt: skip


def _zsh_case(command: Command) -> str:
    words = [_zsh_option(option) for option in command.options]
    for place, kind in enumerate(command.arguments, 1):
        where = "*" if place == len(command.arguments) else str(place)
        words.append(_quoted(f"{where}:file:{ZSH_FILES[kind]}"))
    lines = " \\\n".join(f"                    {word}" for word in words)
    return f"                {command.name}) _arguments -s \\\n{lines} ;;\n"


def _zsh_option(option: Option) -> str:
    action = f"({' '.join(option.choices)})" if option.choices else ZSH_FILES.get(option.kind or "", " ")
    value = f":value:{action}" if option.kind else ""
    return " ".join(_quoted(f"*{name}[{_zsh_text(option.help)}]{value}") for name in option.names)


def _zsh_text(text: str) -> str:
    """Brackets and colons part the fields of a specification."""
    for character in "\\[]:":
        text = text.replace(character, "\\" + character)
    return text


FISH_FILES = """{head}

function __qbe_files
    switch $argv[1]
        case audio
            set pattern '\\.({endings})$'
        case any
            set pattern .
        case folder
            set pattern '^$'
        case '*'
            set pattern '\\.'$argv[1]'$'
    end
    for name in (commandline -ct)*
        if test -d "$name"
            echo "$name/"
        else if string match -qir -- $pattern "$name"
            echo "$name"
        end
    end
end
"""


def fish() -> str:
    """One line an option."""
    names = " ".join(command.name for command in commands())
    unseen = f"complete -c qbe -n 'not __fish_seen_subcommand_from {names}'"
    lines = [
        FISH_FILES.format(head=HEAD, endings="|".join(ENDINGS)),
        "complete -c qbe -f",
        f"{unseen} -l help -d 'Show a short help.'",
        f"{unseen} -l version -d 'Print the version and exit.'",
    ]
    for command in commands():
        here = f"complete -c qbe -n '__fish_seen_subcommand_from {command.name}'"
        lines.append(f"{unseen} -a {command.name} -d {_quoted(command.help)}")
        lines += [f"{here} -a {_quoted(_fish_files(kind))}" for kind in dict.fromkeys(command.arguments)]
        lines += [_fish_option(here, option) for option in command.options]
    return "\n".join(lines) + "\n"


def _fish_option(here: str, option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    values = " ".join(option.choices) if option.choices else _fish_files(option.kind or "none")
    value = f" -x -a {_quoted(values)}" if values else " -x" if option.kind else ""
    return f"{here} {names}{value} -d {_quoted(option.help)}"


def _fish_files(kind: str) -> str:
    return "" if kind == "none" else f"(__qbe_files {kind})"


def _quoted(text: str) -> str:
    """As all three shells read it."""
    return "'" + text.replace("'", "'\\''") + "'"


FILES: dict[str, Callable[[], str]] = {"qbe.bash": bash, "_qbe": zsh, "qbe.fish": fish}


def main() -> None:
    for name, text in FILES.items():
        (FOLDER / name).write_text(text())


if __name__ == "__main__":
    main()
