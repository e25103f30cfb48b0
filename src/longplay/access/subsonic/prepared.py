"""Answers that are the same for all who may hear the same: written once for each version of the
library, and sent as they are."""

from __future__ import annotations

from collections.abc import Callable

from longplay.access.answers import Bare
from longplay.access.library.view import View
from longplay.access.subsonic import rendering
from longplay.access.subsonic.calls import Call
from longplay.access.subsonic.rendering import Tree


def prepared(call: Call, name: str, tree: Callable[[View], Tree]) -> Bare:
    """What `tree` tells of the library, which must know nothing of the request but its format."""
    form = call.asked.format
    written = "xml" if form == "xml" else "json"
    body = call.view.cached(
        f"subsonic-{name}-{written}",
        lambda view: rendering.render(rendering.succeed(tree(view)), written),
    )
    return rendering.answer(rendering.called(body, form, call.asked.callback), form)
