"""The status page in a real Chromium: live, readable, reachable by keyboard, and safe from what others wrote."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.tools import NODE
from tests.web.browser import Browser
from tests.web.scenes import HOSTILE, SCENES, a_status, an_outcome, hostile
from tests.worker.builders import some_accounts, some_settings
from worker.app import Worker
from worker.status import StatusServer
from worker.telemetry import Telemetry

TAB, SPACE = "\ue004", " "
PHONE = 390


class Page:
    """A worker's HTTP server that tells what a test wants, with a browser looking at it."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.status: dict[str, Any] = a_status()
        self.asked = 0
        self.server = StatusServer(Telemetry(lambda _: True), self._tell, list)

    def _tell(self) -> dict[str, Any]:
        self.asked += 1
        return self.status

    async def open(self, status: dict[str, Any]) -> Browser:
        self.status = status
        port = await self.server.start("127.0.0.1", 0)
        await self.browser.open(f"http://127.0.0.1:{port}/")
        await self.browser.until("document.querySelector('#worker').textContent")
        return self.browser

    async def text(self, selector: str = "body") -> str:
        return str(await self.browser.run("return document.querySelector(arguments[0]).innerText", selector))


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with Browser() as browser:
        page = Page(browser)
        yield page
        await page.server.stop()


async def test_it_shows_everything_in_each_scene_and_fits_a_phone(page: Page) -> None:
    browser = await page.open(a_status())
    for scene, make in SCENES.items():
        page.status = make()
        for width in (PHONE, 1280):
            for dark in (False, True):
                await browser.look(width=width, height=844, dark=dark)
                await browser.run("location.reload()")
                await browser.until("document.querySelector('#last tr')")
                shown = await page.text()
                for account in page.status["accounts"]:
                    assert account["name"] in shown
                    assert (account["refused"] or account["quarantined"] or "in use") in shown
                for hold in page.status["holds"]:
                    assert hold["reason"] in shown
                assert all(outcome["signal_id"] in shown for outcome in page.status["last_outcomes"])
                wide = await browser.run("return document.documentElement.scrollWidth")
                assert wide <= width, f"{scene} does not fit {width} pixels"
                ground = await browser.run("return getComputedStyle(document.body).backgroundColor")
                assert ground == ("rgb(20, 21, 19)" if dark else "rgb(246, 246, 243)")


async def test_axe_finds_no_fault_with_it_dark_or_light_on_a_desk_or_a_phone(page: Page) -> None:
    browser = await page.open(a_status())
    axe = await asyncio.to_thread((NODE / "node_modules/axe-core/axe.min.js").read_text)
    for make in SCENES.values():
        page.status = make()
        for width in (PHONE, 1280):
            for dark in (False, True):
                await browser.look(width=width, height=844, dark=dark)
                await browser.run("location.reload()")
                await browser.until("document.querySelector('#last tr')")
                await browser.run(axe)
                found = await browser.run(
                    "return axe.run().then(({ violations }) => violations.map(({ id, nodes }) => "
                    "`${id}: ${nodes.map(({ html }) => html)}`))"
                )
                assert found == []


async def test_budgets_holds_clocks_and_latency_are_told_in_words(page: Page) -> None:
    await page.open(SCENES["held"]())
    assert "12 of 50 orders in 10 s" in await page.text("#accounts")
    assert "310 of 6,000 weight in 60 s" in await page.text("#venues")
    assert "everything: release of the new strategy, until released" in await page.text("#holds")
    assert "venue binance: ip_banned, 119 s left" in await page.text("#holds")
    assert "± 1.9 ms" in await page.text("#clock")
    assert "10.4 s" in await page.text("#latency")
    assert "Not ready: the time at bitrue is not known yet" in await page.text("#banner")


async def test_it_follows_the_worker_and_says_when_it_is_gone(page: Page) -> None:
    browser = await page.open(a_status())
    page.status = a_status(draining=True, last_outcomes=[an_outcome(0, signal_id="the-newest")])
    await browser.until("document.querySelector('#last').innerText.includes('the-newest')")
    assert await page.text("#state") == "Draining"
    await page.server.stop()
    await browser.until("document.querySelector('#banner').innerText.includes('does not answer')")
    assert await page.text("#state") == "No answer"


async def test_it_can_be_paused_and_read_by_keyboard(page: Page) -> None:
    browser = await page.open(a_status())
    await browser.press(TAB)
    assert await browser.run("return document.activeElement.id") == "pause"
    assert await browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await browser.press(SPACE)
    assert await browser.run("return document.activeElement.getAttribute('aria-pressed')") == "true"
    asked = page.asked
    page.status = a_status(worker_id="another")
    await browser.press(SPACE)
    await browser.until("document.querySelector('#worker').textContent == 'another'")
    assert page.asked == asked + 1
    await browser.press(TAB)
    assert await browser.run("return document.activeElement.getAttribute('role')") == "region"


async def test_what_others_wrote_is_text_and_nothing_else(page: Page) -> None:
    browser = await page.open(hostile())
    assert await page.text("#worker") == HOSTILE
    assert (await page.text("#last")).count("<img") >= 4
    assert await browser.run("return document.querySelectorAll('img, body script').length") == 1
    assert await browser.run("return document.title") == f"{HOSTILE} · Beeline"


async def test_the_policy_runs_no_script_but_the_page_s_own(page: Page) -> None:
    browser = await page.open(a_status())
    await browser.run(
        "const script = document.createElement('script'); script.textContent = 'window.owned = true';"
        "document.body.append(script);"
        "const link = document.createElement('a'); link.setAttribute('onclick', 'window.owned = true');"
        "document.body.append(link); link.click();"
    )
    assert await browser.run("return window.owned") is None


async def test_it_asks_nobody_but_its_worker(page: Page) -> None:
    browser = await page.open(a_status())
    asked = await browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    origin = await browser.run("return location.origin")
    assert asked
    assert all(url.startswith(f"{origin}/") for url in asked)


async def test_the_scenes_are_what_a_worker_tells() -> None:
    worker = Worker(some_settings(), some_accounts())
    async with asyncio.TaskGroup() as tasks:
        worker._build(tasks)
        worker._book.open_gateways(tasks)
        told = worker._report.status()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
    await worker._transport.close()
    scene = a_status()
    assert scene.keys() <= told.keys()
    for field in ("accounts", "clock", "owners", "venues"):
        assert scene[field][0].keys() <= told[field][0].keys()
    shown = scene["accounts"][0]["budgets"][0]
    assert shown.keys() <= told["accounts"][0]["budgets"][0].keys()
