"""Fixtures of the browser tests. Each test gets pages that are watched: any error in the console, any breach of the content security policy and
any request to another host fails it, unless the test says beforehand which failing request it provokes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, expect

from tests.browser import stage as scene
from tests.browser.stage import Stage
from tests.conftest import missing

expect.set_options(timeout=15_000)  # a loaded machine is slow; what holds is found at once
Opener = Callable[..., BrowserContext]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An installation with its server."""
    if scene.chromium() is None:
        missing("browser", "Chromium is not installed (Debian: apt install chromium)")
    folder = tmp_path_factory.mktemp("browser") / "cact-data"
    made = Stage(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def chrome(stage: Stage) -> Iterator[Browser]:
    """Chromium."""
    path = scene.chromium()
    if path is None:
        missing("browser", "Chromium is not installed (Debian: apt install chromium)")
    with scene.browser(str(path)) as opened:
        yield opened


class Watch:
    """What went wrong in the pages of a test. `expected`: parts of console messages that the test provokes."""

    def __init__(self) -> None:
        self.trouble: list[str] = []
        self.expected: list[str] = []

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in self.expected):
            self.trouble.append(f"console {message.type}: {message.text} at {message.location['url']}")


@pytest.fixture
def watch() -> Watch:
    """The test's list of trouble."""
    return Watch()


@pytest.fixture
def open_context(chrome: Browser, stage: Stage, watch: Watch) -> Iterator[Opener]:
    """Opens browser contexts (a device each: cookies of its own), watched; options as for Browser.new_context."""
    opened: list[BrowserContext] = []
    host = urlsplit(stage.url).netloc

    def asked(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws") and address.netloc != host:
            watch.trouble.append(f"asked another host: {request.url}")

    def new(**options: object) -> BrowserContext:
        context = chrome.new_context(**{"viewport": {"width": 1366, "height": 768}, "locale": "id-ID", **options})  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        context.on("request", asked)  # to route requests would take the browser's cache away
        context.on("console", watch.console)
        context.on("weberror", lambda error: watch.trouble.append(f"script error: {error.error}"))
        opened.append(context)
        return context

    yield new
    for context in opened:
        context.close()
    assert watch.trouble == []
