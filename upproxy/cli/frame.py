"""The frame of all commands: their table, the flags that they share, and how each ends.

A command is a module with a click command called `command`, and a line in the table. It gets the shared flags by
`@click.pass_obj` as a `Call`, writes through `call.output`, and ends by returning (an exit status, or None for 0) or by
raising: `cli.errors` says which error becomes which exit status.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from upproxy.cli.errors import INTERRUPTED, CommandError, UsageError, known
from upproxy.cli.output import Output

COMMANDS = {
    "alerts": ("upproxy.cli.alerts", "List the alarms of a stage and whom they tell, or test them."),
    "auth": ("upproxy.cli.auth", "Hash a password for up.yml."),
    "build": ("upproxy.cli.build", "Build the zip that Lambda runs, or the files of an image."),
    "completion": ("upproxy.cli.completion", "Print what completes this command in your shell."),
    "config": ("upproxy.cli.config", "Print the resolved configuration, the manifest or the schema."),
    "deploy": ("upproxy.cli.deploy", "Build the app and let it go live on AWS."),
    "deploys": ("upproxy.cli.deploys", "List the releases, and which of them is live."),
    "doctor": ("upproxy.cli.doctor", "Say what stands in the way of a deploy."),
    "domains": ("upproxy.cli.domains", "List the domains of all stages, and check what they lead to."),
    "env": ("upproxy.cli.env", "Keep the app's secret variables."),
    "exec": ("upproxy.cli.exec", "Run a command beside the deployed app."),
    "export": ("upproxy.cli.export", "Print a stage as a template that needs upproxy no more."),
    "init": ("upproxy.cli.init", "Write an up.yml for the project in this folder."),
    "logs": ("upproxy.cli.logs", "Print or follow the log of a deployed stage."),
    "metrics": ("upproxy.cli.metrics", "Show how a deployed stage does, and what it costs."),
    "open": ("upproxy.cli.open", "Open a deployed stage in the browser."),
    "policy": ("upproxy.cli.policy", "Print the least IAM policy with which a stage can be deployed."),
    "promote": ("upproxy.cli.promote", "Release on one stage what is live on another."),
    "prune": ("upproxy.cli.prune", "Delete old releases."),
    "rollback": ("upproxy.cli.rollback", "Let an earlier release go live again."),
    "run": ("upproxy.cli.run", "Run a hook of up.yml."),
    "sandbox": ("upproxy.cli.sandbox", "Play AWS on this machine, to try a deploy."),
    "stack": ("upproxy.cli.stack", "Make what rarely changes: gateway, domain, warmer, alarms."),
    "start": ("upproxy.cli.start", "Serve the app on this machine, the way Lambda will."),
    "url": ("upproxy.cli.url", "Print the address of a deployed stage."),
    "version": ("upproxy.cli.version", "Print the version."),
    "warm": ("upproxy.cli.warm", "Show how instances are kept warm, or warm some now."),
}
"""Commands: their modules, imported when they are called, and what `--help` says of them."""


COMPLETE = "_UPPROXY_COMPLETE"
"""The variable by which a shell asks for words that fit."""

_NAME = "upproxy"


@dataclass
class Call:
    """The flags that all commands share, before or after the command's name. `stage` is None where none is given."""

    directory: str = "."
    stage: str | None = None
    region: str | None = None
    verbose: bool = False
    json: bool = False
    yes: bool = False
    no_input: bool = False
    no_color: bool = False

    @property
    def output(self) -> Output:
        """Where results and notes go."""
        return Output(as_json=self.json, colour=not self.no_color, ask=not self.no_input, assume_yes=self.yes)


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Put a shared flag's value, if it is given, where all commands find it."""
    if value:
        setattr(context.ensure_object(Call), str(option.name), value)


def _shared_options() -> list[click.Parameter]:
    flags = (
        (("-C", "directory"), {"metavar": "DIR", "help": "The project's folder; this one by default."}),
        (("-s", "--stage"), {"metavar": "STAGE", "help": "The stage."}),
        (("--region",), {"metavar": "REGION", "help": "The AWS region."}),
        (("-v", "--verbose"), {"is_flag": True, "help": "Say more; show tracebacks."}),
        (("--json",), {"is_flag": True, "help": "Write JSON."}),
        (("--yes",), {"is_flag": True, "help": "Answer every question with yes."}),
        (("--no-input",), {"is_flag": True, "help": "Ask nothing."}),
        (("--no-color",), {"is_flag": True, "help": "Write without colour."}),
    )
    return [click.Option(names, callback=_keep, expose_value=False, **settings) for names, settings in flags]


class _Commands(click.Group):
    """Imports a command when it is called, and describes all of them without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, summary = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(module).command
        command.name = cmd_name
        command.help = command.help or summary
        for one in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            taken = {name for option in one.params for name in option.opts}
            one.params += [option for option in _shared_options() if not taken & set(option.opts)]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"Did you mean `upproxy {near[0]}`?" if near else "`upproxy --help` lists the commands."
            raise UsageError(f"there is no command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


_UPPROXY = _Commands(
    _NAME,
    help="Run any ordinary web app on AWS Lambda, unchanged.",
    params=_shared_options(),
    no_args_is_help=False,
    invoke_without_command=True,
    callback=lambda: None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, `sys.argv` by default, and return its exit status."""
    if instruction := os.environ.get(COMPLETE):
        return _completed(instruction)
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    call = Call()
    try:
        if not words:
            words = [_meant(call)]
        elif words == ["--version"]:
            words = ["version"]
        # Not `main()`, which has its own way with interrupts and closed pipes.
        with _UPPROXY.make_context(_NAME, words, obj=call) as context:
            status = _UPPROXY.invoke(context)
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except (KeyboardInterrupt, click.Abort):
        if sys.stderr.isatty():
            sys.stderr.write("\n")  # after the ^C
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "upproxy"
        failure: CommandError = UsageError(error.format_message(), hint=f"`{path} --help` lists what there is.")
        return _fail(failure, call, options)
    except click.ClickException as error:
        return _fail(CommandError(error.format_message()), call, options)
    except Exception as error:  # noqa: BLE001  # nobody foresaw it: still one line, not a traceback
        failure = known(error) or _unforeseen(error)
        if call.verbose or "-v" in options or "--verbose" in options:
            traceback.print_exc()
        return _fail(failure, call, options)


def completion(shell: str) -> str:
    """Return the script that completes this command in a shell: bash, zsh or fish."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kinds: dict[str, type[BashComplete | FishComplete | ZshComplete]]
    kinds = {"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete}
    return kinds[shell](_UPPROXY, {}, _NAME, COMPLETE).source()


def _completed(instruction: str) -> int:
    """Answer what that script asks: which words fit the command line in the environment."""
    from click.shell_completion import shell_complete

    return shell_complete(_UPPROXY, {}, _NAME, COMPLETE, instruction)


def _meant(call: Call) -> str:
    """Return what is meant by no words at all: a deploy, where there is an up.yml; in a terminal one can be made."""
    from upproxy.config.load import FILES

    if any(os.path.lexists(os.path.join(call.directory, file)) for file in FILES):
        return "deploy"
    return "init" if call.output.interactive else "--help"


def _unforeseen(error: Exception) -> CommandError:
    failure = CommandError(
        f"{type(error).__name__}: {error}".rstrip(": "),
        hint="This is a fault of upproxy: run again with -v for the traceback.",
    )
    failure.code = "internal"
    return failure


def _fail(error: CommandError, call: Call, options: list[str]) -> int:
    call.json = call.json or "--json" in options  # both may stand after what could not be understood
    call.no_color = call.no_color or "--no-color" in options
    call.output.error(error)
    return error.status
