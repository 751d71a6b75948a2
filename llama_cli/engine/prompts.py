"""Which prompt a run uses, and warnings about prompts and cuts, by what is known of the model."""

from __future__ import annotations

import logging

from llama_cli.engine.known import KnownModel
from llama_cli.engine.options import EmbedderOptions
from llama_cli.errors import UsageError

log = logging.getLogger(__name__)


def resolve_prompt(name: str, known: KnownModel | None, options: EmbedderOptions) -> str:
    """The prompt that goes before each text; warns where one is missing.

    Args:
        name: the model's, for messages.
        known: what is known of it.
        options: of the run.

    Raises:
        UsageError: a task was named, and the model's prompts are not known.
    """
    if options.task is None:
        if options.prompt is None and known is not None and known.wants_prompt:
            log.warning(
                "%s wants a prompt before each text: `task=document` for texts to be found, "
                "`task=query` for questions; without it the vectors fit less well",
                name,
            )
        return options.prompt or ""
    if known is None:
        raise UsageError(
            f"`task={options.task}`: the prompts of {name} are not known",
            hint="give the one that the model's own documentation says with `prompt=TEXT`",
            option="task",
        )
    return known.prompt(options.task)


def warn_of_cut(name: str, known: KnownModel | None, width: int) -> None:
    """Warn where the model was not trained for vectors truncated to ``width``."""
    if known is None or known.matryoshka is None:
        log.warning(
            "`dims=%d`: %s is not known to be trained for truncated vectors (Matryoshka); "
            "they may fit much less well",
            width,
            name,
        )
    elif not known.matryoshka.covers(width):
        log.warning(
            "`dims=%d`: %s is documented for vectors truncated to %s; others may fit less well",
            width,
            name,
            known.matryoshka,
        )
