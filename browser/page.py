"""The page in a headless Chromium, as somebody uses it: what is read, pressed and typed."""

import base64
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

WAIT_S = 30.0
SCREENSHOTS = Path(__file__).resolve().parent / "screenshots"
HAS_PICTURES = bool(os.environ.get("SCREENSHOTS"))
"""Whether pictures are taken of what the tests see, and not only of what fails."""
WIDE, NARROW = (1280, 900), (400, 860)

# Runs before anything of the page, in every document.
WATCH = """
performance.setResourceTimingBufferSize(100000);
window.violations = [];
window.failures = [];
addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
addEventListener("error", (event) => failures.push(String(event.message)), true);
addEventListener("unhandledrejection", (event) => failures.push(String(event.reason)));
"""

T = TypeVar("T")


def chromium() -> webdriver.Chrome:
    """A headless Chromium, with Debian's driver."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        "--disable-background-networking",
        "--disable-component-update",
        "--lang=en",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver") or "/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    return driver


class Page:
    """One test's use of the browser; it begins logged out, with no preferences."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        self.address = address
        self.resize(*WIDE)
        self.colours("light")
        self.disconnect(False)
        driver.get(address + "icon.svg")
        driver.execute_script("localStorage.clear(); sessionStorage.clear()")
        driver.get_log("browser")

    # The window

    def resize(self, width: int, height: int) -> None:
        """Let the window be so large."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def disconnect(self, is_offline: bool = True) -> None:
        """Let nothing that is asked for reach the broker, or let it again."""
        self.driver.set_network_conditions(offline=is_offline, latency=0, throughput=-1)

    def colours(self, scheme: str) -> None:
        """What the system prefers: light or dark."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def screenshot(self, name: str, is_whole: bool = False, width: int = WIDE[0]) -> None:
        """A picture of what is shown, or of the whole page, if pictures are wanted."""
        if not HAS_PICTURES:
            return
        if is_whole:
            self.resize(width, int(self.run("return document.documentElement.scrollHeight")))
        self.picture(name)
        if is_whole:
            self.resize(width, WIDE[1])

    def picture(self, name: str) -> Path:
        """A picture of what is shown."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.driver.save_screenshot(str(path))
        return path

    # Where

    def open(self, where: str = "") -> None:
        """Open the page anew at a hash, such as `#/queues`."""
        self.driver.get("about:blank")
        self.driver.get(self.address + where)

    def prefer(self, **preferences: object) -> None:
        """What this browser remembers, from before the page is opened."""
        for name, value in preferences.items():
            self.run("localStorage.setItem('amqpd.' + arguments[0], arguments[1])", name, json.dumps(value))

    def type_in(self, user: str, password: str) -> None:
        """Log in with the form."""
        self.fill("Username", user)
        self.fill("Password", password)
        self.press("Log in")

    def log_in(self, where: str = "", user: str = "guest", password: str = "guest") -> None:
        """Open the page as somebody who has logged in in this tab; see test_login.py for the form."""
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.run("sessionStorage.setItem('amqpd.credentials', arguments[0])", credentials)
        self.open(where)
        self.until(lambda: self.find("main#main h1"), "logged in")

    def go(self, where: str) -> None:
        """Another hash."""
        if self.run("return location.hash") == where:
            return
        before = self.find("main#main .page")
        self.run("location.hash = arguments[0]", where)
        self.until(lambda: _is_gone(before), f"another page than before {where}")
        self.until(lambda: self.find("main#main h1"), where)

    # Waiting

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Wait for something that is true, and give it."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                found = condition()
            except (StaleElementReferenceException, NoSuchElementException):
                found = None  # type: ignore[assignment]
            if found:
                return found
            if time.monotonic() > deadline:
                shown = self.run("return document.body.innerText")
                raise AssertionError(f"waited {WAIT_S:g} s for {what}; the page shows:\n{shown}")
            time.sleep(0.03)

    def refreshed(self, times: int = 2) -> None:
        """Wait until the page has asked again so many times, and has had time to show what it was told."""
        count = "return performance.getEntriesByType('resource').length"
        for _ in range(times):
            before = self.run(count)
            self.until(lambda before=before: self.run(count) > before, "another request")
        self.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")

    def run(self, script: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    # Reading

    def find(self, selector: str) -> WebElement | None:
        """The first such element, or None."""
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found[0] if found else None

    def all(self, selector: str) -> list[WebElement]:
        """All such elements."""
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector: str = "main") -> str:
        """What an element says; nothing if it is not there."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def texts(self, selector: str) -> list[str]:
        """What each of the elements says that are seen."""
        script = "return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility()).map((each) => each.innerText)"
        return [str(each) for each in self.run(script, selector)]

    def see(self, text: str, selector: str = "body") -> None:
        """Wait until this text is shown."""
        self.until(lambda: text in self.text(selector), f"{text!r} in {selector}")

    def table(self, caption: str) -> list[dict[str, str]]:
        """A table's rows, as what its headings say: what its cells say."""
        rows: list[dict[str, str]] = self.run(
            """
            const found = [...document.querySelectorAll("table")].find((each) => each.caption?.textContent === arguments[0]);
            if (!found) return [];
            const headings = [...found.tHead.rows[0].cells].map((cell) => cell.textContent);
            return [...found.tBodies[0].rows].map((row) =>
              Object.fromEntries([...row.cells].map((cell, at) => [headings[at], cell.innerText.trim()])));
            """,
            caption,
        )
        return rows

    def facts(self) -> dict[str, str]:
        """Names and values of all lists of facts."""
        pairs: dict[str, str] = self.run(
            """
            return Object.fromEntries([...document.querySelectorAll("dl.facts > div")].map((each) =>
              [each.querySelector("dt").textContent, each.querySelector("dd").innerText.trim()]));
            """
        )
        return pairs

    # Doing

    def field(self, label: str, within: str = "body") -> WebElement:
        """The visible input of this label."""
        found = self.until(
            lambda: self.run(
                """
                const [label, within] = arguments;
                const root = document.querySelector(within);
                if (root === null) return null;
                const named = [...root.querySelectorAll("label")]
                  .filter((each) => each.textContent.replace(" *", "").trim() === label).map((each) => each.control);
                const direct = [...root.querySelectorAll("input, select, textarea")]
                  .filter((each) => each.getAttribute("aria-label") === label);
                return [...named, ...direct].find((each) => each?.checkVisibility()) ?? null;
                """,
                label,
                within,
            ),
            f"a field {label!r} in {within}",
        )
        assert isinstance(found, WebElement)
        return found

    def fill(self, label: str, value: str, within: str = "body") -> None:
        """Type a value instead of what is there, or choose it."""
        field = self.field(label, within)
        if field.tag_name == "select":
            self.choose(label, value, within)
            return
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(value or Keys.DELETE)

    def choose(self, label: str, option: str, within: str = "body") -> None:
        """Choose what an option says."""
        script = "return [...arguments[0].options].find((each) => each.text === arguments[1])"
        found = self.run(script, self.field(label, within), option)
        assert isinstance(found, WebElement), f"{label!r} has no option {option!r}"
        found.click()

    def button(self, label: str, within: str = "body") -> WebElement:
        """The visible button, link or summary of this name."""
        found = self.until(
            lambda: self.run(
                """
                const [label, within] = arguments;
                const root = document.querySelector(within);
                return [...(root?.querySelectorAll("button, a, summary") ?? [])].find((each) =>
                  (each.getAttribute("aria-label") ?? each.textContent).trim() === label && each.checkVisibility()) ?? null;
                """,
                label,
                within,
            ),
            f"a button {label!r} in {within}",
        )
        assert isinstance(found, WebElement)
        return found

    def press(self, label: str, within: str = "body") -> None:
        """Press a button, a link or a summary."""
        button = self.button(label, within)
        self.run("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def keys(self, *keys: str) -> None:
        """Type at whatever has the focus."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self) -> str:
        """What the focus is on says."""
        return str(
            self.run(
                "const it = document.activeElement; return it.getAttribute('aria-label') ?? it.innerText"
            )
        )

    # What must never be

    def complaints(self, is_refused: bool) -> list[str]:
        """Errors on the console, violations of the content security policy, and requests that left the broker."""
        found: list[str] = []
        for entry in self.driver.get_log("browser"):
            is_network = entry["source"] == "network"
            if entry["level"] == "SEVERE" and not (is_network and is_refused):
                found.append(f"console: {entry['message']}")
        found += [f"violation: {each}" for each in self.run("return window.violations ?? []")]
        found += [f"failure: {each}" for each in self.run("return window.failures ?? []")]
        addresses = self.run("return performance.getEntriesByType('resource').map((each) => each.name)")
        found += [f"request to {each}" for each in addresses if not each.startswith(self.address)]
        return found


def _is_gone(element: WebElement | None) -> bool:
    try:
        return element is None or not element.is_enabled()
    except StaleElementReferenceException:
        return True
