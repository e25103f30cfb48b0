"""Section Media library scanning. The library follows the archive by itself; what can be scanned is
nothing, and a scan is over before it begins.

https://opensubsonic.netlify.app/categories/media-library-scanning
"""

from __future__ import annotations

from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.rendering import Tree


def get_scan_status(call: Call) -> Tree:
    """How many songs there are."""
    return {"scanStatus": {"scanning": False, "count": call.view.counts.tracks}}


def start_scan(call: Call) -> Tree:
    """As if a scan were over."""
    call.require_admin("scan the library")
    return get_scan_status(call)


HANDLERS: dict[str, Handler] = {"getScanStatus": get_scan_status, "startScan": start_scan}
