"""Section User management. https://opensubsonic.netlify.app/categories/user-management

Users are the archive's accounts. What changes one takes its caller's password: a key or an app
password that a program lost must not be worth an account. Roles are fewer than the specification's:
an administrator, a member, a guest.
"""

from __future__ import annotations

from longplay.access import leaving
from longplay.access.people import accounts
from longplay.access.people.accounts import Account
from longplay.access.people.listeners import Role
from longplay.access.subsonic import things
from longplay.access.subsonic.authentication import decoded
from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.failures import not_authorized, not_found
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.shapes import Shape
from longplay.errors import AccessError


def _shape(call: Call, account: Account) -> Shape:
    return {
        "username": account.name,
        "scrobblingEnabled": True,
        "adminRole": account.role == "admin",
        "settingsRole": True,
        "downloadRole": True,
        "uploadRole": False,
        "playlistRole": True,
        "coverArtRole": False,
        "commentRole": True,
        "podcastRole": False,
        "streamRole": True,
        "jukeboxRole": False,
        "shareRole": False,
        "videoConversionRole": False,
        "folder": [things.number(one) for one in call.view.folders()],
    }


def get_user(call: Call) -> Tree:
    """A user: oneself, or for administrators anybody."""
    return {"user": _shape(call, _named(call, "see other users"))}


def get_users(call: Call) -> Tree:
    """All users whose accounts are open."""
    call.require_admin("see other users")
    found = [one for one in accounts.list_all(call.people) if not one.disabled]
    return {"users": {"user": [_shape(call, one) for one in found]}}


def _named(call: Call, what: str) -> Account:
    """The account that a call names. Raises CallError when it is another's and the caller no
    administrator."""
    try:
        found = accounts.find(call.people, call.asked.text("username"))
    except AccessError as error:
        call.require_admin(what)
        raise not_found("the user") from error
    if found.id != call.account:
        call.require_admin(what)
    return found


def create_user(call: Call) -> Tree:
    """Make an account. An address of mail is not kept, so none needs to be given."""
    _require_password(call)
    call.require_admin("make users")
    name, password = call.asked.text("username"), decoded(call.asked.text("password"))
    role: Role = "admin" if call.asked.flag("adminRole", False) else "member"
    accounts.add(call.people, name, role, password)
    return {}


def update_user(call: Call) -> Tree:
    """Give an account another password, or make it an administrator's or a member's."""
    _require_password(call)
    call.require_admin("change users")
    found = _named(call, "change users")
    admin, password = call.asked.flag_or_none("adminRole"), call.asked.text_or_none("password")
    if admin is not None and admin != (found.role == "admin"):
        accounts.set_role(call.people, found.name, "admin" if admin else "member")
    if password:
        accounts.set_password(call.people, found.name, decoded(password))
    return {}


def delete_user(call: Call) -> Tree:
    """Erase an account and all that is its own."""
    _require_password(call)
    call.require_admin("delete users")
    leaving.erase(call.here.archive, call.people, _named(call, "delete users").name)
    return {}


def change_password(call: Call) -> Tree:
    """Choose another password: one's own, or for administrators anybody's."""
    _require_password(call)
    found = _named(call, "change other users' passwords")
    accounts.set_password(call.people, found.name, decoded(call.asked.text("password")))
    return {}


def _require_password(call: Call) -> None:
    if not call.by_password:
        raise not_authorized("change users without your password: keys do not open accounts")


HANDLERS: dict[str, Handler] = {
    "getUser": get_user,
    "getUsers": get_users,
    "createUser": create_user,
    "updateUser": update_user,
    "deleteUser": delete_user,
    "changePassword": change_password,
}
