"""Which file of a repository to use."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from llama_cli.errors import ModelError, UsageError
from llama_cli.splits import first_part_name, part_names
from llama_cli.storage.hub import Listing, RepoFile

# The best for embedding first: F16 and BF16 lose nothing that matters, and Q8_0 hardly anything.
# F32 takes twice the room for no more; of the rest the larger is the better.
_PREFERRED = ("F16", "BF16", "Q8_0", "F32")
_TYPE = re.compile(
    r"(?<![a-z0-9])"
    r"(i?q[1-9](?:_(?:[0-9]|k|nl|xxs|xs|s|m|l|xl))*|tq[12]_0|(?:mx|nv)fp4|bf16|fp?16|fp?32)"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
# Parts of other programs, not models that embed text.
_NO_MODELS = ("mmproj", "imatrix")
_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class RepoModel:
    """A model of a repository, in one file or several.

    Attributes:
        files: its parts, in order.
    """

    files: tuple[RepoFile, ...]

    @property
    def name(self) -> str:
        """Name of its first file."""
        return self.files[0].name

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)

    @property
    def weights(self) -> str | None:
        """The type of its weights, as far as its name says it."""
        return weights_in_name(self.name)

    @property
    def missing_part(self) -> str | None:
        """Name of a part that is not there; None where all are."""
        there = {file.name for file in self.files}
        return next((part for part in part_names(self.name) if part not in there), None)


def weights_in_name(name: str) -> str | None:
    """The type of weights that a file's name ends in, such as ``Q8_0``."""
    found = _TYPE.findall(name)
    return found[-1].upper().replace("FP16", "F16").replace("FP32", "F32") if found else None


def list_models(listing: Listing) -> list[RepoModel]:
    """The models of a repository that may embed text."""
    return [model for first, model in _group(listing).items() if not _is_no_model(first)]


def choose_model(listing: Listing, wanted: str | None) -> RepoModel:
    """The model that is meant.

    Args:
        listing: of the repository.
        wanted: a file's name, with or without its folders, or a type of weights; None to choose.

    Raises:
        ModelError: there is none, or not that one, or a part of it is missing.
        UsageError: several fit.
    """
    models = list_models(listing)
    if wanted is not None:
        return _complete(listing.repo, _named(listing, models, wanted))
    if not models:
        raise ModelError(
            f"{listing.repo} has no .gguf file of a model",
            hint="look for a repository with GGUF files, often one whose name ends in -GGUF",
        )
    return _complete(listing.repo, min(models, key=_rank))


def _rank(model: RepoModel) -> tuple[int, int, str]:
    weights = model.weights or ""
    rank = _PREFERRED.index(weights) if weights in _PREFERRED else len(_PREFERRED)
    return rank, -model.size, model.name


def _named(listing: Listing, models: list[RepoModel], wanted: str) -> RepoModel:
    if exact := _group(listing).get(first_part_name(wanted)):
        return exact
    low = wanted.lower()
    for fits in (
        [model for model in models if model.name.lower() == low],
        [model for model in models if model.name.rpartition("/")[2].lower() == low],
        [model for model in models if model.weights == wanted.upper()],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise UsageError(
                f"{listing.repo}: {len(fits)} files fit {wanted}; name one",
                hint=f"there are: {_in_a_row([model.name for model in fits])}",
            )
    raise ModelError(f"{listing.repo} has no file {wanted}", hint=_nearest(models, wanted))


def _nearest(models: list[RepoModel], wanted: str) -> str | None:
    """The name that is most like the one given, else all of them."""
    names = {name.lower(): name for model in models for name in _names_of(model)}
    close = difflib.get_close_matches(wanted.lower(), list(names), n=1)
    if close:
        return f"did you mean {names[close[0]]}?"
    return f"there are: {_in_a_row([model.name for model in models])}" if models else None


def _names_of(model: RepoModel) -> list[str]:
    names = [model.name, model.name.rpartition("/")[2]]
    return [*names, model.weights] if model.weights else names


def _in_a_row(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _is_no_model(name: str) -> bool:
    base = name.rpartition("/")[2].lower()
    return any(word in base for word in _NO_MODELS)


def _group(listing: Listing) -> dict[str, RepoModel]:
    """The repository's models by the name of their first file, with the parts that are there."""
    groups: dict[str, list[RepoFile]] = {}
    for file in listing.files:
        groups.setdefault(first_part_name(file.name), []).append(file)
    return {first: RepoModel(tuple(files)) for first, files in groups.items()}


def _complete(repo: str, model: RepoModel) -> RepoModel:
    if part := model.missing_part:
        raise ModelError(f"{repo}: {part}, a part of the model, is missing there")
    return model
