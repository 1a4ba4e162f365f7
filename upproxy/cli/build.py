"""`upproxy build`: the project as a zip for Lambda, as the files of an image, or the proxy as a layer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from upproxy.cli.errors import BuildFailed, UsageError
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.build import Artefact, Builder
    from upproxy.cli.output import Output
    from upproxy.config import Config

STAGE = "staging"
FOLDER = ".upproxy"
_FILES = 10  # the largest that --size shows
_PACKAGES = 20


@click.command()
@click.option("-o", "--output", "path", metavar="PATH", help="Where to write it; by default below .upproxy.")
@click.option("--size", is_flag=True, help="Show what makes it large.")
@click.option("--check", "checking", is_flag=True, help="Start what was built as Lambda does, and ask it for a page.")
@click.option("--image", is_flag=True, help="Write the files of a container image.")
@click.option("--layer", is_flag=True, help="Write the proxy alone, as a Lambda layer.")
@click.option("--allow-sdist", is_flag=True, help="Build packages that have no wheel, if they are Python alone.")
@click.option("--no-cache", is_flag=True, help="Install the packages anew.")
@click.pass_obj
def command(
    call: Call,
    *,
    path: str | None,
    size: bool,
    checking: bool,
    image: bool,
    layer: bool,
    allow_sdist: bool,
    no_cache: bool,
) -> None:
    """Build the project for Lambda: the same input gives the same bytes.

    The stage is staging unless -s names another. The path of what was built goes to stdout.
    """
    if layer and (image or checking):
        raise UsageError(f"--layer and --{'image' if image else 'check'} do not go together")

    # Not at the top: the help of this command should not wait for them.
    from upproxy.build import archive
    from upproxy.build import image as images

    output = call.output
    stage = call.stage or STAGE
    directory = os.path.realpath(call.directory)
    name = "image" if image else "layer.zip" if layer else f"{stage}.zip"
    path = os.path.abspath(path or os.path.join(directory, FOLDER, name))
    asked = {"allow_sdist": allow_sdist, "anew": no_cache, "managed": not image, "skip": path}
    try:
        with building(call, stage, asked, layer=layer) as built:
            artefact = built.artefact
            _make_folder(directory, path)
            if image:
                images.write(path, artefact, built.config)
            else:
                archive.write(path, artefact.members)
                _warn_of_size(output, artefact)
            document = _described(path, artefact, image=image)
            if checking:
                document["check"] = _checked(output, built)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BuildFailed(f"cannot write {error.filename or path}: {error.strerror}") from None
    if output.as_json:
        output.document(document)
        return
    if size:
        _show_sizes(output, artefact)
    output.text(path)


class Built(NamedTuple):
    """A project that was built: how, and from what."""

    config: Config
    builder: Builder
    artefact: Artefact


@contextmanager
def building(call: Call, stage: str, asked: Mapping[str, Any], *, layer: bool = False) -> Iterator[Built]:
    """Build a project, or the proxy alone as a layer, with the hooks around it, and tell of it.

    `asked` are the options of `build.Options`. What is done with the artefact comes before `postbuild` and `clean`.
    Raises ConfigError and BuildError.
    """
    from upproxy import build, config
    from upproxy.build import image as images
    from upproxy.build import target

    output = call.output
    directory = os.path.realpath(call.directory)
    found = config.load(directory, stage)

    def hook(name: str) -> None:
        if not layer:
            run_hook(output, found, name)

    try:
        hook("prebuild")
        hook("build")
        if found.settings.hooks.prebuild or found.settings.hooks.build:
            found = config.load(directory, stage)  # what they made may be the app
        options = build.Options(**asked)
        for_ = target.of(found) if options.managed else images.target(found)
        output.note(f"{found.name} for {for_}: {'the proxy alone' if layer else found.found}")
        with output.progress() as report:
            builder = build.Builder(for_, options, report)
            artefact = builder.layer() if layer else builder.project(found)
        _tell(output, artefact, found.warnings, verbose=call.verbose)
        yield Built(found, builder, artefact)
        hook("postbuild")
    finally:
        hook("clean")


def run_hook(output: Output, config: Config, name: str) -> None:
    """Run the commands of a hook, which have the stage in UP_STAGE. Raises BuildError when one fails."""
    from upproxy.build import hooks

    commands = getattr(config.settings.hooks, name)
    variables = {"UP_STAGE": config.stage}
    hooks.run(name, commands, config.directory, variables, output.note, raw=not output.as_json)


def _make_folder(directory: str, path: str) -> None:
    """Make the folder for what is built; the default one tells git to leave it alone."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    ignore = os.path.join(folder, ".gitignore")
    if folder == os.path.join(directory, FOLDER) and not os.path.exists(ignore):
        with open(ignore, "w", encoding="utf-8") as file:
            file.write("*\n")


def _warn_of_size(output: Output, artefact: Artefact) -> None:
    from upproxy.build import size

    for warning in size.warnings(artefact.members):
        output.warn(warning)


def _tell(output: Output, artefact: Artefact, warnings: tuple[str, ...], *, verbose: bool) -> None:
    for note in artefact.notes:
        output.note(note)
    if verbose:
        for path, rule in artefact.left_out:
            output.note(f"left out: {path}: {rule}")
    elif artefact.left_out:
        output.note(f"left out {len(artefact.left_out)} files and folders; -v lists them")
    for warning in (*warnings, *artefact.warnings):
        output.warn(warning)


def _described(path: str, artefact: Artefact, *, image: bool) -> dict[str, Any]:
    from upproxy.build import archive, size

    whole = size.total(artefact.members)
    described = {
        "path": path,
        "python": artefact.target.python,
        "architecture": artefact.target.architecture,
        "files": len(artefact.members),
        "unzipped": whole.unzipped,
        "packages": {share.name: share.unzipped for share in size.packages(artefact.members)},
    }
    return described if image else {**described, "zipped": os.path.getsize(path), "sha256": archive.digest(path)}


def _show_sizes(output: Output, artefact: Artefact) -> None:
    from upproxy.build import size

    whole = size.total(artefact.members)
    units = ("unzipped", "zipped")
    output.bars("By package", [*size.packages(artefact.members)[:_PACKAGES], whole], units)
    output.bars("The largest files", size.files(artefact.members, _FILES), units)


def _checked(output: Output, built: Built) -> dict[str, Any]:
    from upproxy.build import size
    from upproxy.cli import check

    found, builder, artefact = built
    target = artefact.target
    if builder.interpreter is None or not target.runs_here:
        raise BuildFailed(
            f"this machine cannot run what is built for {target}", "Check on one that can, or for its own target."
        )
    seen = check.check(artefact.members, found, builder.interpreter)
    if not seen.sandboxed:
        output.warn("the check ran without a sandbox, so that the app could write where it may not on Lambda")
    memory = "" if seen.memory is None else f", {seen.memory / size.MB:.0f} MB of memory"
    whole = size.total(artefact.members)
    output.note(
        f"GET {found.settings.health.path} answered with {seen.status}: cold start {seen.answered:.0f} ms, of which "
        f"{seen.ready:.0f} ms until it was ready{memory}; {whole.zipped / size.MB:.1f} MB zipped, "
        f"{whole.unzipped / size.MB:.1f} MB unzipped"
    )
    return seen._asdict()
