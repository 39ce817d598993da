"""What tests of several pages do again and again."""

from __future__ import annotations

import os
import shutil
from typing import cast

from selenium.webdriver.remote.webelement import WebElement

from browser.broker import REPOSITORY
from browser.page import Page

PICTURES = REPOSITORY / "docs" / "pictures"
LARGEST_BYTES = 250_000

IS_FOR_DOCUMENTS = bool(os.environ.get("PICTURES"))
"""Whether pictures become those of the documents."""

LOADED = ".page[data-loaded]"
"""A page that has had its first answer."""


def show(page: Page, where: str, loaded: str = LOADED) -> None:
    """Open a page anew, logging in if nobody has, and wait until it has what it asked for."""
    if page.run("return sessionStorage.getItem('amqpd.credentials')") is None:
        page.log_in(where)
    else:
        page.open(where)
    visible(page, loaded)


def visible(page: Page, selector: str) -> WebElement:
    """The first such element that is seen, as soon as there is one."""
    script = "return [...document.querySelectorAll(arguments[0])].find((each) => each.checkVisibility())"
    return page.until(lambda: cast(WebElement | None, page.run(script, selector)), selector)


def miss(page: Page, text: str, selector: str = "main") -> None:
    """Wait until this text is not shown."""
    page.until(lambda: text not in page.text(selector), f"no {text!r} in {selector}")


def form(name: str) -> str:
    """The selector of the form that is called so."""
    return f'form[aria-label="{name}"]'


def problem(page: Page, within: str) -> str:
    """What a form says is wrong, as soon as it does."""
    selector = f"{within} .form-problem"
    return page.until(lambda: page.text(selector), f"a problem in {within}")


def confirm(page: Page, action: str) -> str:
    """Press this in the dialog that asks, and wait until it is gone; what it said."""
    visible(page, "dialog[open]")
    said = page.text("dialog[open]")
    page.press(action, "dialog[open]")
    page.until(lambda: page.find("dialog[open]") is None, f"no dialog; it says {page.text('dialog')}")
    return said


def focus(page: Page, element: WebElement) -> None:
    """Let it have the focus, without scrolling."""
    page.run("arguments[0].focus({preventScroll: true})", element)


def fits(page: Page) -> bool:
    """Whether nothing stands out of the window to the right."""
    return bool(page.run("return document.documentElement.scrollWidth <= innerWidth"))


def leave(page: Page) -> None:
    """Go where nothing is asked for that a test made: it is about to be deleted."""
    if page.find("main#main") is not None and page.run("return location.hash") != "#/nowhere":
        page.go("#/nowhere")


def picture(page: Page, name: str) -> None:
    """Take a picture as the documents have it, and with PICTURES set, for them."""
    taken = page.picture(name)
    assert taken.stat().st_size < LARGEST_BYTES
    if IS_FOR_DOCUMENTS:
        PICTURES.mkdir(exist_ok=True)
        shutil.copy(taken, PICTURES / taken.name)
