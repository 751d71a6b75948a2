"""Options and arguments as people read them: how they are written, and what they may be."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperOption

if TYPE_CHECKING:  # Typer has no public name for it
    from typer._click import Parameter

# What a choice of values may take beside an option's name.
_PLACEHOLDER_LIMIT = 16
# Between the words of a default, which should stay on one line.
NO_BREAK = "\N{NO-BREAK SPACE}"
_PLACEHOLDERS = {int: "N", float: "X"}


def describe_parameter(parameter: Parameter) -> tuple[str, str]:
    """How it is written; what it does, its choices and its default."""
    placeholder = _placeholder(parameter)
    text = (getattr(parameter, "help", None) or "").rstrip(".")
    if (choices := choices_of(parameter)) and "|".join(choices) != placeholder:
        text += f": {'|'.join(choices)}"
    if default := _default(parameter):
        text += f" [{default.replace(' ', NO_BREAK)}]"
    if isinstance(parameter, TyperArgument):
        return placeholder, text
    return f"{_option_names(parameter)} {placeholder}".rstrip(), text


def describe_usage(parameter: Parameter) -> str:
    """An argument as the usage line shows it; nothing for options."""
    if not isinstance(parameter, TyperArgument) or parameter.hidden:
        return ""
    name = _placeholder(parameter)
    return name if parameter.required else f"[{name}]"


def choices_of(parameter: Parameter) -> list[str]:
    """The values that it may have, where they are few."""
    if not isinstance(parameter, TyperArgument | TyperOption):
        return []
    return [_as_word(choice) for choice in parameter.type_descriptor.choices or ()]


def long_name(option: Parameter) -> str:
    """The name with two dashes, or the first it has."""
    return next((name for name in option.opts if name.startswith("--")), option.opts[0])


def _option_names(option: Parameter) -> str:
    """All names of an option, short ones first."""
    names = ", ".join(sorted(option.opts, key=len))
    if not option.secondary_opts:
        return names
    long = long_name(option)
    if option.secondary_opts == [f"--no-{long[2:]}"]:
        return names.replace(long, f"--[no-]{long[2:]}")
    return f"{names} / {', '.join(option.secondary_opts)}"


def _placeholder(parameter: Parameter) -> str:
    """What stands for the value."""
    if isinstance(parameter, TyperOption) and (parameter.is_flag or parameter.count):
        return ""
    choices = "|".join(choices_of(parameter))
    if parameter.metavar:
        name = parameter.metavar
    elif choices and len(choices) <= _PLACEHOLDER_LIMIT:
        name = choices
    elif isinstance(parameter, TyperOption):
        name = _PLACEHOLDERS.get(parameter.type_descriptor.annotation, "VALUE")
    else:
        name = parameter.name.upper()
    return f"{name}..." if parameter.nargs == -1 or parameter.multiple else name


def _default(parameter: Parameter) -> str:
    """The default in as few letters as tell it; nothing for what is off unless it is asked for."""
    shown, value = getattr(parameter, "show_default", False), parameter.default
    if isinstance(shown, str):
        return shown
    if isinstance(parameter, TyperOption) and parameter.required:
        return "required"
    if not shown or callable(value) or value in (None, "", (), []):
        return ""
    if isinstance(value, bool) and not parameter.secondary_opts:
        return ""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return ", ".join(map(_as_word, value if several else [value]))


def _as_word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)
