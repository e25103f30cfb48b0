"""`longplay account`: who may log in, and as what."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.errors import UsageError

if TYPE_CHECKING:
    from longplay.access.context import Context
    from longplay.access.people.accounts import Account
    from longplay.access.people.listeners import Listener
    from longplay.access.people.store import People

app = typer.Typer(no_args_is_help=True, help="Accounts of those who listen.")


class RoleName(StrEnum):
    """What an account may do."""

    ADMIN = "admin"
    MEMBER = "member"
    GUEST = "guest"


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
LabelOption = Annotated[str, typer.Option(metavar="TEXT", help="What the key is for.")]

MOST_TYPED = 10_000
"""Characters that are read of a password."""


@contextmanager
def _people(archive: ArchiveOption) -> Iterator[People]:
    from longplay.access.people.opening import open_people

    with opened(archive) as it, open_people(it) as people:
        yield people


@contextmanager
def _here(archive: ArchiveOption) -> Iterator[Context]:
    """The archive as those who listen meet it."""
    from longplay.access.context import Context
    from longplay.access.people.opening import open_people

    with opened(archive) as it, open_people(it) as people:
        yield Context(it, people)


def _listener(here: Context, name: str) -> Listener:
    from longplay.access.people import accounts

    return accounts.listener_of(accounts.find(here.people, name))


@app.command()
def add(
    name: NameArgument,
    role: Annotated[RoleName, typer.Option(help="What it may do.")] = RoleName.MEMBER,
    password_stdin: StdinOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an account; prints its first API key, which is shown this once."""
    from longplay.access.people import accounts, passwords

    typed = _typed() if password_stdin else None
    chosen = typed if typed is not None else passwords.random()
    with _people(archive) as people:
        made = accounts.add(people, name, role.value, chosen, once=typed is None)
    if as_json:
        facts = {"account": made.account.name, "role": made.account.role, "api_key": made.api_key}
        output.document(facts | ({} if typed is not None else {"one_time_password": chosen}))
        return
    output.line(f"{made.account.name} is a {made.account.role}")
    if typed is None:
        output.line(f"one-time password, to be changed at the first login: {chosen}")
    output.line(f"API key, shown this once: {made.api_key}")


@app.command("list")
def list_accounts(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """List all accounts."""
    from longplay.access.people import accounts

    with _people(archive) as people:
        found = accounts.list_all(people)
    if as_json:
        output.document([_document(one) for one in found])
        return
    rows = [(one.name, one.role, _state(one), one.created[:10]) for one in found]
    output.table(("account", "role", "state", "since"), rows)


@app.command()
def disable(name: NameArgument, archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Shut an account: its sessions and keys are worth nothing from this moment."""
    from longplay.access.people import accounts

    with _people(archive) as people:
        _tell(accounts.disable(people, name), as_json)


@app.command()
def enable(name: NameArgument, archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Open an account again."""
    from longplay.access.people import accounts

    with _people(archive) as people:
        _tell(accounts.enable(people, name), as_json)


@app.command()
def role(
    name: NameArgument,
    role: Annotated[RoleName, typer.Argument(metavar="ROLE", help="What it may do.")],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an account another role."""
    from longplay.access.people import accounts

    with _people(archive) as people:
        _tell(accounts.set_role(people, name, role.value), as_json)


@app.command()
def password(
    name: NameArgument,
    password_stdin: StdinOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an account another password: yours, or a one-time one; its sessions end."""
    from longplay.access.people import accounts, passwords

    typed = _typed() if password_stdin else None
    chosen = typed if typed is not None else passwords.random()
    with _people(archive) as people:
        found = accounts.set_password(people, name, chosen, once=typed is None)
    if as_json:
        shown = {} if typed is not None else {"one_time_password": chosen}
        output.document(_document(found) | shown)
    elif typed is None:
        output.line(f"one-time password, to be changed at the next login: {chosen}")
    else:
        output.line(f"{found.name} has another password")


@app.command()
def key(
    name: NameArgument,
    label: LabelOption = "",
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make another API key, which is shown this once."""
    from longplay.access.people import accounts

    with _people(archive) as people:
        found = accounts.find(people, name)
        made = accounts.add_key(people, found.id, label)
    if as_json:
        output.document({"account": found.name, "role": found.role, "api_key": made})
    else:
        output.line(f"API key, shown this once: {made}")


@app.command()
def keys(name: NameArgument, archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """List an account's API keys and app passwords, without their secrets."""
    from longplay.access.people import accounts

    with _people(archive) as people:
        found = accounts.find(people, name)
        rows = [("api-key", one) for one in accounts.keys(people, found.id)]
        rows += [("app-password", one) for one in accounts.app_passwords(people, found.id)]
    if as_json:
        output.document([
            {"kind": kind, "id": one.id, "label": one.label, "created": one.created}
            for kind, one in rows
        ])  # fmt: skip
        return
    output.table(
        ("kind", "number", "for", "since"),
        [(kind, str(one.id), one.label, one.created[:10]) for kind, one in rows],
    )


@app.command()
def revoke(
    name: NameArgument,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `account keys` lists it.")],
    app_password: Annotated[
        bool, typer.Option("--app-password", help="An app password, no API key.")
    ] = False,
    archive: ArchiveOption = None,
) -> None:
    """End an API key, or an app password."""
    from longplay.access.people import accounts

    with _people(archive) as people:
        found = accounts.find(people, name)
        end = accounts.revoke_app_password if app_password else accounts.revoke_key
        end(people, found.id, number)
    output.line(f"number {number} of {found.name} is revoked")


@app.command()
def remove(name: NameArgument, archive: ArchiveOption = None) -> None:
    """Erase an account with its playlists, stars and all else that is its own."""
    from longplay.access import leaving
    from longplay.access.people.opening import open_people

    with opened(archive) as it, open_people(it) as people:
        leaving.erase(it, people, name)
    output.line(f"{name} is erased")


@app.command("import")
def bring(
    name: NameArgument,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE…", help="M3U, JSPF, or getStarred2.")
    ] = None,
    subsonic: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Ask this server for stars and ratings.")
    ] = None,
    user: Annotated[str, typer.Option(metavar="NAME", help="Who asks there.")] = "",
    secret_stdin: Annotated[
        bool,
        typer.Option("--secret-stdin", help="Read the password there, or the API key, from input."),
    ] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also a server in a private network.")
    ] = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring playlists, stars and ratings along from elsewhere."""
    from longplay.access import bringing
    from longplay.access.people import elsewhere, likes
    from longplay.files import read_bounded

    if not files and not subsonic:
        raise UsageError("nothing to bring along", hint="name files, or a server with --subsonic")
    with _here(archive) as here:
        listener = _listener(here, name)
        done = [
            (str(one), bringing.file(here, listener, read_bounded(one, likes.MOST_BYTES), one.name))
            for one in files or ()
        ]
        if subsonic:
            secret = _typed() if secret_stdin else ""
            server = elsewhere.Server(subsonic, user, secret, is_key=not user)
            things = elsewhere.liked(
                server, allow_private=allow_private, seconds=elsewhere.PATIENT_SECONDS
            )
            done.append((subsonic, bringing.liked(here, listener, things)))
    if as_json:
        output.document([{"from": source, **one.document()} for source, one in done])
        return
    for source, one in done:
        output.line(f"{source}: {one.found:,} of {one.named:,} are here")
        for words in one.missing:
            output.line(f"  not found: {words}")


@app.command()
def export(
    name: NameArgument,
    archive: ArchiveOption = None,
) -> None:
    """Print all that is kept of an account as one JSON document."""
    from longplay.access import bringing

    with _here(archive) as here:
        output.pieces(bringing.export(here, _listener(here, name)))


@app.command()
def listens(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Count what was scrobbled into the catalogue's listens, with no account in it."""
    from longplay.access import feeding
    from longplay.access.people.opening import open_people

    with (
        opened(archive) as it,
        open_people(it) as people,
        output.progress("listens") as update,
    ):
        done = feeding.feed(it, people, update)
    rows = done.report.rows if done.report else {}
    if as_json:
        output.document({"plays": done.plays, **rows})
    elif done.report is None:
        output.line("nothing was scrobbled since the last time")
    else:
        output.line(
            f"{done.plays:,} new plays; the catalogue has {rows['listens']:,} listens of them all,"
            f" {rows['matched']:,} of recordings that it knows"
        )


def _typed() -> str:
    """The first line of standard input."""
    text = sys.stdin.readline(MOST_TYPED).rstrip("\r\n")
    if not text:
        raise UsageError("no password came on standard input", hint="pipe it in, with a line end")
    return text


def _document(one: Account) -> dict[str, Any]:
    return {
        "account": one.name,
        "role": one.role,
        "disabled": one.disabled,
        "must_change_password": one.must_change,
        "created": one.created,
    }


def _state(one: Account) -> str:
    return "disabled" if one.disabled else "must change password" if one.must_change else "open"


def _tell(one: Account, as_json: bool) -> None:
    if as_json:
        output.document(_document(one))
    else:
        output.line(f"{one.name} ({one.role}) is {_state(one)}")
