"""`longplay`: the commands, and the one place that turns errors into words and exit statuses."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import typer

from longplay.cli import output
from longplay.errors import LongplayError, UsageError

GARBAGE_THRESHOLD = 200_000
"""Objects made before Python looks for unreachable cycles."""

INTERRUPTED = 130
"""Exit status after Ctrl-C or SIGTERM, as shells have it."""


_heard: list[int] = []
"""Ctrl-C or SIGTERM, once it came: libraries make other errors of what it raises in their calls."""


def run() -> None:
    """Run the command that the arguments name, and exit."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    # Columns of a million objects are no garbage; looking through them again and again is dear.
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        status = _watched(sys.argv[1:])
    except KeyboardInterrupt:  # before the command began, or when it was done
        status = _stopped()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # this is the end
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone: say nothing more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _end(status)


def _end(status: int) -> NoReturn:
    """End as Python does, but for taking apart all that was imported, which takes 0.4 s."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
    os._exit(status)


def _watched(arguments: list[str]) -> int:
    """Run the command, and tell those who watch that it ran."""
    from longplay import __version__, clock, logs, telemetry

    problem = telemetry.start(__version__)
    name = _command(arguments)
    started = clock.monotonic()
    with telemetry.span(name):
        status = _status(arguments)
    with suppress(KeyboardInterrupt):  # all is done: nobody has to wait for who collects
        telemetry.stop()
    if problem:
        logs.event("telemetry", logs.WARNING, problem=problem)
    level = logs.INFO if status in (0, INTERRUPTED) else logs.ERROR
    seconds = round(clock.monotonic() - started, 3)
    logs.event("command", level, command=name, status=status, seconds=seconds)
    return status


def _command(arguments: list[str]) -> str:
    """What is told of a command line: the command in it, if it is one of ours, and nothing else."""
    from longplay.cli.commands import NAMES

    pairs = zip(["", *arguments], arguments, strict=False)
    words = [one for before, one in pairs if not one.startswith("-") and before != "--log"]
    return f"longplay {words[0]}" if words and words[0] in NAMES else "longplay"


def _status(arguments: list[str]) -> int:
    # Worker processes import this module again: what it imports itself, each of them pays for.
    from longplay.cli.commands import app

    try:
        status = int(app(arguments, standalone_mode=False, prog_name="longplay") or 0)
        # Typer makes this status of the exception, and says nothing.
        return _stopped() if status == INTERRUPTED else status
    except (KeyboardInterrupt, typer.Abort):
        return _stopped()
    except (LongplayError, OSError) as error:
        return _failed(error)  # also of what is put in order before the end
    except Exception as error:
        return _stopped() if _heard else _failed(error)


def _stopped() -> int:
    output.err.print("stopped; the same command goes on from here")
    return INTERRUPTED


def _failed(error: Exception) -> int:
    """Say in one line what went wrong; the exit status."""
    match error:
        case LongplayError():
            return _tell(error)
        case typer.TyperException():
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "longplay"
            words = getattr(error, "format_message", None)
            message = words() if words else str(error)
            return _tell(UsageError(message, hint=f"see `{command} --help`"))
        case BrokenPipeError():
            return 0
        case OSError():
            return _tell(_from_system(error))
    if os.environ.get("LONGPLAY_TRACEBACK"):
        raise error
    words = f"{type(error).__name__}: {error}".splitlines()[0]
    hint = "this is a defect of Longplay; LONGPLAY_TRACEBACK=1 shows where"
    return _tell(LongplayError(words, hint=hint))


def _tell(error: LongplayError) -> int:
    from longplay import logs

    facts = {"code": error.code, "message": error.message, "where": error.where}
    logs.event("error", logs.ERROR, **facts, hint=error.hint)
    if "--json" in sys.argv:
        facts = {"code": error.code, "message": error.message, "hint": error.hint}
        output.document({"error": {**facts, "where": error.where}})
    else:
        output.complaint(error)
    return error.exit_status


def _from_system(error: OSError) -> LongplayError:
    where = error.filename
    name = os.fsdecode(where) if isinstance(where, str | bytes) else ""
    return LongplayError(
        (error.strerror or str(error)).lower(),
        where=name,
        hint="check the path, its permissions and the free space",
    )


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _heard.append(number)
    raise KeyboardInterrupt
