"""Pictures of every page of the site, to be looked at: `python -m tests.access.site.shots ARCHIVE
OUT` serves the archive and takes each page at a desk's and a phone's size, in light and dark."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from longplay.access import serving

CHROMIUM = "/usr/bin/chromium"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]


def addresses(page: Page, base: str) -> Iterator[tuple[str, str]]:
    """A name and an address for each kind of page, found by walking."""
    fixed = {
        "home": "/",
        "browse": "/browse",
        "albums": "/albums?order=popular",
        "artists": "/artists",
        "shuffle": "/shuffle",
        "search": "/search?q=s",
        "search-empty": "/search",
        "unknown": "/recordings/rec0000000000000",
    }
    yield from fixed.items()
    page.goto(f"{base}/albums?order=popular")
    album = page.locator(".sleeves a").first.get_attribute("href")
    if album:
        yield "album", album
        page.goto(base + album)
        recording = page.locator(".tracks .title").first.get_attribute("href")
        artist = page.locator(".hero .by a").first.get_attribute("href")
        yield "recording", recording or "/"
        yield "artist", artist or "/"
    page.goto(f"{base}/browse")
    genre = page.locator("a[href^='/genres/']").first
    if genre.count():
        yield "genre", genre.get_attribute("href") or "/"


def take(browser: Browser, base: str, out: Path, only: list[str]) -> None:
    """Take all pictures."""
    pages = dict(addresses(browser.new_page(), base))
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="light" if scheme == "light" else "dark",
                has_touch=size == "phone",
            )
            page = context.new_page()
            page.on("console", lambda said: print(said.type, said.text))
            page.on("pageerror", lambda error: print("error", error))
            for name, address in pages.items():
                if only and name not in only:
                    continue
                page.goto(base + address)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=out / f"{name}-{size}-{scheme}.png", full_page=True)
            if not only or "player" in only:
                page.goto(base + pages.get("album", "/"))
                page.get_by_role("button", name="Play", exact=True).first.click()
                page.wait_for_timeout(2500)
                page.screenshot(path=out / f"player-{size}-{scheme}.png")
                page.locator("#player [data-do=queue]").click()
                page.wait_for_timeout(300)
                page.screenshot(path=out / f"queue-{size}-{scheme}.png")
            context.close()


def main(archive: str, out: str, *only: str) -> None:
    """Serve, and take pictures; an address in place of an archive is served already."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        if archive.startswith("http"):
            take(browser, archive, folder, list(only))
            return
        port = serving.free_port()
        with serving.in_background(Path(archive), port):
            take(browser, f"http://127.0.0.1:{port}", folder, list(only))


if __name__ == "__main__":
    main(*sys.argv[1:])
