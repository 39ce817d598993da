"""Logging in and out, and what each user is shown."""

import pytest

from browser.broker import Api
from browser.page import Page


@pytest.mark.refused
def test_a_wrong_password_is_said_to_be_wrong_and_the_right_one_shows_the_overview(page: Page) -> None:
    page.open()
    page.type_in("guest", "wrong")
    page.see("Login failed", ".login")
    assert page.run("return sessionStorage.length") == 0
    page.screenshot("login-refused")

    page.fill("Password", "guest")
    page.press("Log in")
    page.see("Overview", "main h1")


def test_a_login_lasts_as_long_as_the_tab_and_is_in_no_storage_that_lasts_longer(page: Page) -> None:
    page.open("#/queues")
    page.type_in("guest", "guest")
    page.see("Queues", "main h1")
    page.driver.refresh()
    page.see("Queues", "main h1")
    assert page.find(".login") is None
    kept = page.run("return JSON.stringify(localStorage) + document.cookie + location.href")
    assert "Z3Vlc3Q6Z3Vlc3Q=" not in kept and "guest" not in kept


def test_logging_out_forgets_who_it_was(page: Page) -> None:
    page.log_in("#/exchanges")
    page.see("amq.topic")
    page.press("Log out")
    page.see("Log in", ".login h1")
    assert page.run("return sessionStorage.length") == 0
    page.driver.refresh()
    page.see("Log in", ".login h1")


def test_logging_in_once_more_shows_every_page_once(page: Page) -> None:
    page.log_in("#/queues")
    page.press("Log out")
    page.type_in("guest", "guest")
    page.see("Queues", "main h1")
    page.run("window.shown = []; addEventListener('page', (event) => shown.push(event.detail.section))")
    page.go("#/exchanges")
    page.go("#/channels")
    assert page.run("return shown") == ["exchanges", "channels"]


@pytest.mark.refused
def test_a_user_who_is_deleted_is_asked_to_log_in_again(page: Page, api: Api) -> None:
    api.add_user("leaver", "administrator")
    page.log_in("#/queues", "leaver", "pw")
    page.see("Queues", "main h1")
    api.delete("users", "leaver")
    page.see("does not know this user", ".login")


@pytest.mark.refused
def test_a_user_without_a_tag_is_told_why_not(page: Page, api: Api) -> None:
    api.add_user("plain", "")
    page.open()
    page.type_in("plain", "pw")
    page.see("Not management user", ".login")


@pytest.mark.parametrize(
    ("tags", "sees_nodes", "sees_users"),
    [
        ("management", False, False),
        ("policymaker", False, False),
        ("monitoring", True, False),
        ("administrator", True, True),
    ],
)
def test_tags_decide_what_is_shown(
    page: Page, api: Api, tags: str, sees_nodes: bool, sees_users: bool
) -> None:
    api.add_user(f"with-{tags}", tags)
    page.log_in("", f"with-{tags}", "pw")
    page.see("Queued messages")
    page.until(lambda: page.text("[data-count=exchanges]").isdigit(), "counts")
    assert (page.table("Nodes") != []) == sees_nodes
    assert ("Users" in page.text("#places")) == sees_users
    assert "Queues" in page.text("#places")


def test_a_user_who_may_enter_no_virtual_host_is_told_so(page: Page, api: Api) -> None:
    api.put("users", "outside", body={"password": "pw", "tags": "management"})
    page.log_in("#/queues", "outside", "pw")
    page.see("You may enter no virtual host", ".listing")
    page.press("Add queue", "main")
    page.fill("Name", "nowhere", "form")
    page.press("Add queue", "form")
    page.see("You may enter no virtual host", "form .form-problem")
    page.press("Log out")
    page.see("Log in", ".login h1")
    api.delete("users", "outside")


@pytest.mark.refused
def test_a_password_of_any_characters_logs_in(page: Page, api: Api) -> None:
    api.add_user("zoë", "management")
    api.put("users", "zoë", body={"password": "pä:ss wörd €", "tags": "management"})
    page.open()
    page.type_in("zoë", "pä:ss wörd €")
    page.see("zoë", ".who")
