"""
What a shell needs to complete a command line, made of the tables of the vocabulary.

Each script knows the commands, the options of each, and the values of those that have a few. Values that
only a server knows, such as queues, are not asked for: a key that is pressed is no reason for a request.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from tasques.cli.arguments import Arguments
from tasques.cli.vocabulary import COMMANDS, OPTIONS, SHELLS, Command, Option

#: What may come next, with what it means.
_Words: TypeAlias = Sequence[tuple[str, str]]


def completion(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Print the script for a shell; gives the exit status."""
    print(script(arguments.parameters[0]), end="")
    return 0


def script(shell: str) -> str:
    """The script for one of the shells."""
    return _SCRIPTS[shell]()


# -------------------------------------------------------------------------- what there is


def _commands() -> Mapping[str, _Words]:
    """What may come next, by the words that were written."""
    nexts: dict[str, list[tuple[str, str]]] = {"": []}
    for command in COMMANDS:
        before, _, last = command.words.rpartition(" ")
        nexts.setdefault(before, []).append((last, command.summary))
        if before and all(word != before for word, _ in nexts[""]):
            nexts[""].append((before, command.summary))
    nexts["help"] = [(it.words, it.summary) for it in COMMANDS if " " not in it.words]
    nexts["completion"] = [(shell, "") for shell in SHELLS]
    return nexts


def _options(command: Command) -> Sequence[Option]:
    return [it for it in OPTIONS if it.is_general or it.flags[0] in command.options]


def _flags(options: Iterable[Option]) -> Sequence[str]:
    return [flag for option in options for flag in option.flags]


def _valued() -> Iterator[Option]:
    return (option for option in OPTIONS if option.value)


def _first_sentence(option: Option) -> str:
    return option.meaning.partition(". ")[0].partition("; ")[0].rstrip(".")


#: What it does without a command.
_DEFAULT: Final = next(it for it in COMMANDS if it.words == "serve")

# --------------------------------------------------------------------------- bash and zsh


def _filled(
    script: str,
    value: Callable[[Option], str],
    words: Callable[[_Words], str],
    options: Callable[[Sequence[Option]], str],
) -> str:
    """
    A script with its cases: what comes next after an option, after words, and of options.

    Args:
        value: What to do for an option's value; nothing if nothing is known of it.
        words: Offers what may come next, each with its meaning.
        options: Offers these.
    """
    return script.format(
        values=_values(value),
        valued="|".join(_flags(_valued())),
        words="\n".join(
            f"        {shlex.quote(before)}) {words(nexts)} ;;"
            for before, nexts in _commands().items()
        ),
        options="\n".join(
            f"        {pattern}) {options(_options(command))} ;;"
            for pattern, command in _patterns()
        ),
    )


def _values(of: Callable[[Option], str]) -> str:
    """The cases of a shell in which an option's value comes next; *of* says what to do."""
    offered = {"|".join(option.flags): of(option) for option in _valued()}
    unknown = "|".join(flags for flags, said in offered.items() if not said)
    cases = {**{flags: said for flags, said in offered.items() if said}, unknown: ""}
    return "\n".join(f"        {flags}) {said}return ;;" for flags, said in cases.items())


def _patterns() -> Iterator[tuple[str, Command]]:
    """What a ``case`` of a shell has for each command, the longer ones first."""
    yield "''", _DEFAULT
    for command in sorted(COMMANDS, key=lambda it: -len(it.words)):
        words = shlex.quote(command.words)
        yield f"{words}|{words}' '*", command


# ----------------------------------------------------------------------------------- bash

_BASH: Final = """\
# Completion of tasques for bash. Put this into ~/.bashrc:
#     source <(tasques completion bash)
_tasques() {{
    local IFS=$' \\t\\n' current="${{COMP_WORDS[COMP_CWORD]}}" previous="" place=1 seen="" words="" options=""
    ((COMP_CWORD)) && previous="${{COMP_WORDS[COMP_CWORD - 1]}}"
    # To bash an equals sign is a word.
    [[ $previous == "=" ]] && previous="${{COMP_WORDS[COMP_CWORD - 2]}}"
    [[ $current == "=" ]] && current=""
    COMPREPLY=()
    case "$previous" in
{values}
    esac
    while ((place < COMP_CWORD)); do
        case "${{COMP_WORDS[place]}}" in
            {valued})
                [[ ${{COMP_WORDS[place + 1]}} == "=" ]] && ((place += 1))
                ((place += 1)) ;;
            -*) ;;
            *) seen="${{seen:+$seen }}${{COMP_WORDS[place]}}" ;;
        esac
        ((place += 1))
    done
    case "$seen" in
{words}
    esac
    case "$seen" in
{options}
    esac
    [[ $current == -* ]] && words="$options"
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _tasques tasques
"""


def _bash() -> str:
    return _filled(
        _BASH,
        _bash_values,
        lambda words: f"words={_quoted(word for word, _ in words)}",
        lambda options: f"options={_quoted(_flags(options))}",
    )


def _bash_values(option: Option) -> str:
    if option.value == "FILE":
        return (
            "compopt -o filenames 2>/dev/null; IFS=$'\\n'; "
            'COMPREPLY=($(compgen -f -- "$current")); '
        )
    if option.choices:
        return f'COMPREPLY=($(compgen -W {_quoted(option.choices)} -- "$current")); '
    return ""


def _quoted(words: Iterable[str]) -> str:
    return shlex.quote(" ".join(words)) if (words := list(words)) else "''"


# ------------------------------------------------------------------------------------ zsh

_ZSH: Final = """\
#compdef tasques
# Completion of tasques for zsh. Put this into ~/.zshrc, after compinit:
#     source <(tasques completion zsh)
_tasques() {{
    local word seen="" place
    local -a nexts options
    case "${{words[CURRENT - 1]}}" in
{values}
    esac
    for ((place = 2; place < CURRENT; place++)); do
        word="${{words[place]}}"
        case "$word" in
            {valued}) ((place++)) ;;
            -*) ;;
            *) seen="${{seen:+$seen }}$word" ;;
        esac
    done
    case "$seen" in
{words}
    esac
    case "$seen" in
{options}
    esac
    if [[ "${{words[CURRENT]}}" == -* ]]; then
        _describe -o option options
    else
        _describe command nexts
    fi
}}
compdef _tasques tasques
"""


def _zsh() -> str:
    return _filled(
        _ZSH,
        _zsh_values,
        lambda words: f"nexts=({_described(words)})",
        lambda options: f"options=({_described(_explained(options))})",
    )


def _zsh_values(option: Option) -> str:
    if option.value == "FILE":
        return "_files; "
    return f"compadd -- {' '.join(option.choices)}; " if option.choices else ""


def _explained(options: Iterable[Option]) -> Iterator[tuple[str, str]]:
    return ((flag, _first_sentence(option)) for option in options for flag in option.flags)


def _described(words: Iterable[tuple[str, str]]) -> str:
    return " ".join(
        shlex.quote(f"{word}:{meaning}" if meaning else word) for word, meaning in words
    )


# ----------------------------------------------------------------------------------- fish

_FISH: Final = """\
# Completion of tasques for fish. Put it where fish finds it:
#     tasques completion fish > ~/.config/fish/completions/tasques.fish
function __tasques_at
    set -l seen
    set -l is_value 0
    for word in (commandline -opc)[2..-1]
        if test $is_value = 1
            set is_value 0
        else if contains -- $word {valued}
            set is_value 1
        else if not string match -q -- '-*' $word
            set -a seen $word
        end
    end
    set -l said "$seen "
    test "$argv[1]" = exactly; and test "$seen" = "$argv[2]"; and return 0
    test "$argv[1]" = after; and test (string sub -l (string length -- "$argv[2] ") -- $said) = "$argv[2] "
end
complete -c tasques -f
{words}
{options}
"""


def _fish() -> str:
    words = [
        f"complete -c tasques -n '__tasques_at exactly {_in_quotes(before)}' "
        f"-a {_fish_quoted(word)} -d {_fish_quoted(meaning)}"
        for before, nexts in _commands().items()
        for word, meaning in nexts
    ]
    options = [
        f"complete -c tasques -n '__tasques_at {how} {_in_quotes(words_)}' {_fish_option(option)}"
        for how, words_, command in _places()
        for option in _options(command)
    ]
    return _FISH.format(
        valued=" ".join(_flags(_valued())), words="\n".join(words), options="\n".join(options)
    )


def _places() -> Iterator[tuple[str, str, Command]]:
    yield "exactly", "", _DEFAULT
    for command in COMMANDS:
        yield "after", command.words, command


def _fish_option(option: Option) -> str:
    parts = [
        f"-{'l' if flag.startswith('--') else 's'} {flag.lstrip('-')}" for flag in option.flags
    ]
    if option.value == "FILE":
        parts.append("-r -F")
    elif option.choices:
        parts.append(f"-x -a {_fish_quoted(' '.join(option.choices))}")
    elif option.value:
        parts.append("-x")
    return " ".join([*parts, "-d", _fish_quoted(_first_sentence(option))])


def _in_quotes(words: str) -> str:
    return f'"{words}"'


def _fish_quoted(text: str) -> str:
    # Source: fish's manual, "Quotes": within single ones a backslash counts before itself and a quote.
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS: Final[Mapping[str, Callable[[], str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
