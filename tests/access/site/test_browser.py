"""The site in a real browser: search, play, queue, keys, and what a screen reader has of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from longplay.access.people import accounts, playlists, plays
from longplay.access.people.store import People
from longplay.archive import open_archive
from longplay.guard import policy
from longplay.guard.record import Act
from tests.access.site.test_playlists import PASSWORD, people

__all__ = ["people"]

pytestmark = pytest.mark.real

SERIOUS = {"serious", "critical"}


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("html[data-ready]")


def state(page: Page) -> dict[str, Any]:
    """What the player does."""
    found = page.evaluate(
        """async () => {
            const { player } = await import("/static/player.js");
            const audio = player.now.audio;
            return { title: player.current?.title, at: player.at, count: player.list.length,
                     time: audio.currentTime, paused: audio.paused, volume: audio.volume,
                     gain: player.now.node?.gain.value, context: player.context?.state,
                     next: player.later.track?.title, ready: player.later.audio.readyState };
        }"""
    )
    assert isinstance(found, dict)
    return found


def wait_until(page: Page, words: str) -> None:
    """Wait until something is true of the player."""
    page.evaluate(
        f"""async () => {{
            const {{ player }} = await import("/static/player.js");
            for (let tries = 0; tries < 400; tries++) {{
                if ({words}) return;
                await new Promise((go) => setTimeout(go, 50));
            }}
            throw new Error("it did not come to be that " + {json.dumps(words)});
        }}"""
    )


def log_in(page: Page) -> None:
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_searching_while_typing_and_walking_by_keys(page: Page, address: str) -> None:
    ready(page, address)
    page.keyboard.press("/")
    page.keyboard.type("plain", delay=20)
    # The code that searches is compiled when it is first used on a machine.
    expect(page.locator(".tracks .title")).to_have_count(3, timeout=90_000)
    assert re.search(r"/search\?q=plain$", page.url)
    expect(page.locator("#told")).to_contain_text("3 recordings")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    expect(page.locator("h1:focus")).to_be_attached()
    page.go_back()
    expect(page.locator("h1")).to_have_text("“plain”")
    expect(page.locator("#q")).to_have_value("plain")
    assert chosen


def test_music_plays_and_goes_on_from_page_to_page(page: Page, address: str) -> None:
    ready(page, f"{address}/search?q=plain")
    page.get_by_role("button", name=re.compile("^Play Plain")).first.click()
    wait_until(page, "player.now.audio.currentTime > 0.3 && !player.now.audio.paused")
    first = state(page)
    assert first["count"] == 3 and first["context"] == "running"
    assert 0 < first["gain"] < 1  # a tone at full scale is far above -18 LUFS
    page.locator("nav[aria-label=Main] a", has_text="Browse").click()
    expect(page.locator("h1")).to_have_text("Browse")
    again = state(page)
    assert again["title"] == first["title"] and again["time"] > first["time"]
    expect(page.locator("#player .t")).to_have_text(first["title"])
    session = page.evaluate("navigator.mediaSession.metadata.title")
    assert session == first["title"]


def test_the_next_track_stands_ready_and_follows(page: Page, address: str) -> None:
    ready(page, f"{address}/search?q=plain")
    page.get_by_role("button", name=re.compile("^Play Plain")).first.click()
    wait_until(page, "player.later.track && player.later.audio.readyState >= 2")
    before = state(page)
    page.evaluate(
        """async () => {
            const { player } = await import("/static/player.js");
            player.seek(player.seconds - 1.2);
        }"""
    )
    wait_until(page, "player.at === 1 && player.now.audio.currentTime > 0.1")
    after = state(page)
    assert after["title"] == before["next"] and not after["paused"]


def test_the_queue_is_changed_and_kept(page: Page, address: str) -> None:
    ready(page, f"{address}/search?q=plain")
    page.get_by_role("button", name=re.compile("^Play Plain")).first.click()
    wait_until(page, "player.now.audio.currentTime > 0.1")
    page.keyboard.press("q")
    lines = page.locator("#queue li .t")
    expect(lines).to_have_count(3)
    titles = lines.all_inner_texts()
    page.get_by_role("button", name=f"Move {titles[2]} up").click()
    expect(lines).to_have_text([titles[0], titles[2], titles[1]])
    page.get_by_role("button", name=f"Remove {titles[1]}").click()
    expect(lines).to_have_text([titles[0], titles[2]])
    page.keyboard.press("Escape")
    ready(page, f"{address}/artists")
    kept = state(page)
    assert (kept["title"], kept["count"], kept["paused"]) == (titles[0], 2, True)
    page.locator("body").press("k")
    wait_until(page, "!player.now.audio.paused && player.now.audio.currentTime > 0.1")
    page.locator("body").press("n")
    wait_until(page, "player.at === 1 && !player.now.audio.paused")
    page.locator("body").press("m")
    assert state(page)["gain"] == 0
    page.locator("body").press(" ")
    wait_until(page, "player.now.audio.paused")


def test_a_queue_that_somebody_else_wrote_is_not_believed(page: Page, address: str) -> None:
    ready(page, f"{address}/artists")
    track = {"id": "tr1", "title": "x", "src": "https://example.org/x.ogg",
             "href": "javascript:alert(1)", "cover": "/covers/x"}  # fmt: skip
    for text in (json.dumps({"list": [track], "at": 0}), "{", "[]", '{"list":[null],"at":0}'):
        page.evaluate("text => localStorage.setItem('longplay.queue', text)", text)
        page.evaluate(
            "window.addEventListener('pagehide', (e) => e.stopImmediatePropagation(), true)"
        )
        ready(page, f"{address}/artists")
        assert state(page)["count"] == 0


def test_everything_is_shuffled_without_end(page: Page, address: str) -> None:
    ready(page, address)
    page.get_by_role("button", name="Shuffle everything").click()
    wait_until(page, "player.now.audio.currentTime > 0.1 && player.list.length >= 5")
    count = state(page)["count"]
    page.evaluate(
        """async () => {
            const { player } = await import("/static/player.js");
            player.play(player.list.length - 1);
        }"""
    )
    wait_until(page, f"player.list.length > {count}")


def test_keys_can_be_switched_off(page: Page, address: str) -> None:
    ready(page, address)
    page.keyboard.press("?")
    page.get_by_label("Use these keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#q")).not_to_be_focused()
    ready(page, address)
    page.keyboard.press("/")
    expect(page.locator("#q")).not_to_be_focused()


def test_light_and_dark_are_chosen_and_kept(page: Page, address: str) -> None:
    page.emulate_media(color_scheme="light")
    ready(page, address)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    ready(page, f"{address}/browse")
    assert page.evaluate(ground) == dark
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(ground) == light


def test_a_dark_track_asked_for_directly_has_no_player(page: Page, address: str) -> None:
    ready(page, f"{address}/search?q=closed")
    page.locator(".tracks .title").first.click()
    expect(page.locator("h1")).to_have_text("Closed")
    expect(page.locator("main")).to_contain_text("Kept, not played")
    expect(page.locator("main [data-do]:not([data-do=copy])")).to_have_count(0)
    path = page.evaluate("location.pathname")
    answer = page.request.get(f"{address}/api{path}/stream")
    assert answer.status == 451


def test_pages_are_whole_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.locator("#q").fill("plain 1")
    page.keyboard.press("Enter")
    page.locator(".tracks .title").first.click()
    assert page.locator("h1").inner_text() == "Plain 1"
    assert page.locator("audio[controls]").count() == 1
    assert not page.locator(".js-only").first.is_visible()
    context.close()


def test_what_only_the_signed_in_hear_plays_between_logging_in_and_out(
    page: Page, address: str, people: People
) -> None:
    ready(page, f"{address}/search?q=mine")
    page.locator(".tracks .title", has_text="Mine").click()
    expect(page.locator("h1")).to_have_text("Mine")
    expect(page.locator("main [data-do=play-all]")).to_have_count(0)
    path = page.evaluate("location.pathname")
    sound = f"{address}/api{path}/stream"
    assert page.request.get(sound).status == 451
    page.get_by_role("link", name="Sign in to listen").first.click()
    log_in(page)
    expect(page.locator("h1")).to_have_text("Mine")
    page.get_by_role("button", name="Play", exact=True).first.click()
    wait_until(page, "player.now.audio.currentTime > 0.3 && !player.now.audio.paused")
    page.get_by_role("button", name="Star", exact=True).click()
    expect(page.get_by_role("button", name="Starred")).to_be_visible()
    page.get_by_role("button", name="4 of 5").click()
    expect(page.locator(".rating .on")).to_have_count(4)
    assert not state(page)["paused"]
    page.locator("nav[aria-label=Main] a", has_text="Favourites").click()
    expect(page.locator(".tracks .title").first).to_contain_text("Mine")
    found = Axe().run(page).response["violations"]
    assert not [one["id"] for one in found if one["impact"] in SERIOUS]
    page.locator("nav[aria-label=Main] a", has_text="Ann").click()
    page.evaluate(TELL_BETWEEN)
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("nav[aria-label=Main]")).to_contain_text("Log in")
    assert page.request.get(sound).status == 451


TELL_BETWEEN = """async () => {
    const { player } = await import("/static/player.js");
    const ask = window.fetch;
    window.fetch = async (address, how) => {
        const answer = await ask(address, how);
        if (how?.method === "POST" && String(address).endsWith("/logout")) {
            player.now.audio.pause();
            window.dispatchEvent(new Event("pagehide"));
        }
        return answer;
    };
}"""
"""The player wants to tell of its queue when the session has ended and its page is still there."""


def test_a_star_is_given_in_a_list_and_nothing_else_changes(
    page: Page, address: str, people: People
) -> None:
    ready(page, f"{address}/login?next=/shuffle")
    log_in(page)
    expect(page.locator("h1")).to_have_text("By chance")
    titles = page.locator(".tracks .title").all_inner_texts()
    star = page.get_by_role("button", name="Star Plain 1")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()
    assert page.locator(".tracks .title").all_inner_texts() == titles
    star = page.get_by_role("button", name="Star Plain 2")
    star.click()
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")
    ready(page, f"{address}/favourites")  # whoever leaves at once has pressed all the same
    for _ in range(50):
        if page.locator(".tracks .title").all_inner_texts() == ["Plain 1"]:
            break
        page.wait_for_timeout(100)
        ready(page, f"{address}/favourites")
    expect(page.locator(".tracks .title")).to_have_text(["Plain 1"])


def test_what_is_heard_in_a_tab_counts_after_logging_in_again_in_another(
    browser: Browser, address: str, people: People
) -> None:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    page, other = context.new_page(), context.new_page()
    ready(page, f"{address}/login?next=/search%3Fq%3Dplain")
    log_in(page)
    page.get_by_role("button", name=re.compile("^Play Plain")).first.click()
    wait_until(page, "player.now.audio.currentTime > 0.3 && !player.now.audio.paused")
    ready(other, f"{address}/logout")
    other.get_by_role("button", name="Log out").click()
    expect(other.locator("nav[aria-label=Main]")).to_contain_text("Log in")
    ready(other, f"{address}/login")
    log_in(other)
    expect(other.locator("nav[aria-label=Main]")).to_contain_text("Ann")
    with page.expect_response(
        lambda answer: (
            answer.url.endswith("/plays")
            and answer.status == 204
            and "now=" not in (answer.request.post_data or "")
        )
    ) as told:
        # Half of a track of twenty seconds, in less: a jump would not count.
        page.evaluate(
            """async () => {
                const { player } = await import("/static/player.js");
                player.now.audio.playbackRate = 4;
            }"""
        )
    track = re.search("track=([a-z0-9]+)", told.value.request.post_data or "")
    context.close()
    (ann,) = (one.id for one in accounts.list_all(people) if one.name == "Ann")
    assert track and plays.counts(people, ann)[track[1]][0] == 1


def seriously_wrong(page: Page) -> list[tuple[str, str]]:
    """What axe finds on a page in light, and of its colours in dark: all else is the same there."""
    page.emulate_media(color_scheme="light")
    found = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    found += Axe().run(page, options={"runOnly": ["color-contrast"]}).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS]


def test_a_screen_reader_finds_nothing_seriously_wrong(page: Page, address: str) -> None:
    ready(page, f"{address}/search?q=plain")
    links = {page.locator(".tracks .title").first.get_attribute("href")}
    for kind in ("artists", "albums"):
        links.add(page.locator(f".tracks a[href^='/{kind}/']").first.get_attribute("href"))
    page.get_by_role("button", name=re.compile("^Play Plain")).first.click()
    wait_until(page, "player.now.audio.currentTime > 0.1")
    fixed = {"/", "/browse", "/albums", "/artists", "/shuffle", "/genres/Folk", "/search",
             "/search?q=plain", "/search?q=nothing-of-it", "/queue", "/archive", "/stages",
             "/claims", "/api", "/login", "/appeal", "/recordings/rec0000000000000"}  # fmt: skip
    for path in sorted({*fixed, *filter(None, links)}):
        ready(page, address + path)
        if path == "/queue":
            page.get_by_role("button", name="Show the queue").click()
        assert not seriously_wrong(page), path


@pytest.fixture
def accused(hostile: Path, people: People) -> Iterator[int]:
    """Ann, who sees the pages of operators, and of whom something is suspected."""
    accounts.add(people, "Keeper", "admin", PASSWORD)  # stays: an archive keeps an operator
    ann = accounts.set_role(people, "Ann", "admin").id
    who = f"account:{ann}"
    with open_archive(hostile) as it:
        policy.act_on(it.folder, it.ledger, [who], Act.HOLD, "operator", "900 tracks")
        yield ann
        policy.erase(it.folder, it.ledger, who)


def test_nor_on_the_pages_of_who_is_signed_in(
    page: Page, address: str, people: People, accused: int
) -> None:
    accounts.add_key(people, accused, "a player")
    listed = playlists.create(people, accused, "Of mine")
    ready(page, f"{address}/login?next=/search%3Fq%3Dplain")
    log_in(page)
    star = page.get_by_role("button", name="Star Plain 1")
    playlists.append(people, accused, listed.id, [star.get_attribute("value") or ""])
    star.click()
    ready(page, f"{address}/appeal")
    page.locator("#words").fill("It was a party.")
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("blockquote")).to_have_text("It was a party.")
    for path in ("/search?q=plain", "/favourites", "/playlists", f"/playlists/{listed.id}",
                 "/queue", "/appeal", "/account", "/account/password", "/logout",
                 "/admin/accounts", "/admin/guard"):  # fmt: skip
        ready(page, address + path)
        assert not seriously_wrong(page), path
