import pytest

from amqpd.auth import passwords
from amqpd.auth.records import user_of, user_table
from amqpd.auth.users import InvalidLimits, LoginRefused, User, Users, default_users


@pytest.fixture
def users() -> Users:
    users = Users()
    users.add(User("anna", passwords.hash_password("pw", b"salt")))
    return users


def refusal(users: Users, name: str, password: str) -> str:
    with pytest.raises(LoginRefused) as refused:
        users.authenticate(name, password)
    return refused.value.reason


def test_the_right_password_gives_the_user(users: Users):
    assert users.authenticate("anna", "pw") is users.get("anna")


@pytest.mark.parametrize(("name", "password"), [("anna", "PW"), ("nobody", "pw"), ("Anna", "pw"), ("", "pw")])
def test_wrong_credentials_are_refused_without_saying_which_part_was_wrong(
    users: Users, name: str, password: str
):
    assert refusal(users, name, password) == f"user '{name}' - invalid credentials"


def test_a_blank_password_is_refused_in_rabbitmqs_words(users: Users):
    assert refusal(users, "anna", "").startswith(
        "user 'anna' attempted to log in with a blank password, which is"
    )


def test_a_user_without_hash_cannot_log_in(users: Users):
    users.add(User("bare", ""))
    assert refusal(users, "bare", "x") == "user 'bare' - invalid credentials"


def test_the_users_own_algorithm_is_used(users: Users):
    users.add(User("old", passwords.hash_password("pw", b"salt", passwords.MD5), passwords.MD5))
    assert users.authenticate("old", "pw").name == "old"


def test_an_external_name_needs_no_password(users: Users):
    assert users.authenticate_external("anna").name == "anna"


def test_an_unknown_external_name_is_refused(users: Users):
    with pytest.raises(LoginRefused, match="user 'CN=x' - invalid credentials"):
        users.authenticate_external("CN=x")


def test_guest_may_do_everything_in_the_default_vhost():
    guest = default_users().authenticate("guest", "guest")
    permissions = guest.permissions_in("/")
    assert guest.tags == ["administrator"]
    assert permissions is not None
    assert all(permissions.allows(kind, "any") for kind in ("configure", "write", "read"))
    assert guest.permissions_in("other") is None


def test_guest_from_elsewhere_is_refused_in_rabbitmqs_words():
    users = default_users()
    guest = users.authenticate("guest", "guest")
    with pytest.raises(LoginRefused) as refused:
        users.check_loopback(guest, False)
    assert refused.value.reason == "user 'guest' can only connect via localhost"


def test_only_loopback_users_are_bound_to_this_machine(users: Users):
    guests = default_users()
    guests.check_loopback(guests.authenticate("guest", "guest"), True)
    anna = users.authenticate("anna", "pw")
    users.check_loopback(anna, False)
    users.loopback_users.add("anna")
    with pytest.raises(LoginRefused):
        users.check_loopback(anna, False)


def test_loopback_users_can_be_nobody():
    users = default_users(set())
    users.check_loopback(users.authenticate("guest", "guest"), False)
    assert users.loopback_users == set()


CHANGES = {
    "add": lambda users: users.add(User("b", "")),
    "delete": lambda users: users.delete("anna"),
    "password": lambda users: users.change_password("anna", "", passwords.SHA256),
    "tags": lambda users: users.set_tags("anna", ["monitoring"]),
    "limits": lambda users: users.set_limits("anna", 1, None),
    "permissions": lambda users: users.set_permissions("anna", "/", "", "", ""),
    "no permissions": lambda users: users.clear_permissions("anna", "/"),
    "vhost": lambda users: users.forget_vhost("/"),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_every_change_makes_a_new_version(users: Users, change: str):
    before = users.version
    CHANGES[change](users)
    assert users.version == before + 1


def test_looking_changes_no_version(users: Users):
    before = users.version
    users.authenticate("anna", "pw")
    users.get("anna")
    users.delete("nobody")
    assert users.version == before


def test_a_bad_pattern_leaves_permissions_and_version_alone(users: Users):
    users.set_permissions("anna", "/", "a", "b", "c")
    before = users.version
    with pytest.raises(ValueError, match=r"invalid pattern '\(' at position 0"):
        users.set_permissions("anna", "/", "x", "(", "")
    anna = users.authenticate("anna", "pw")
    assert anna.permissions["/"].configure == "a"
    assert users.version == before


def test_new_permissions_keep_the_topic_permissions(users: Users):
    users.set_permissions("anna", "/", "", "", "")
    users.set_topic_permissions("anna", "/", "amq.topic", "^{username}$", "")
    users.set_permissions("anna", "/", ".*", ".*", ".*")
    permissions = users.authenticate("anna", "pw").permissions["/"]
    assert permissions.allows_topic("write", "amq.topic", "anna")
    assert not permissions.allows_topic("write", "amq.topic", "berta")


def test_a_deleted_vhost_takes_its_permissions_along(users: Users):
    users.set_permissions("anna", "v", "", "", "")
    users.forget_vhost("v")
    assert users.authenticate("anna", "pw").permissions_in("v") is None


def test_a_deleted_user_is_gone(users: Users):
    assert users.delete("anna") is True
    assert users.get("anna") is None
    assert users.delete("anna") is False
    assert users.names() == []


def test_limits_are_none_until_set(users: Users):
    anna = users.authenticate("anna", "pw")
    assert (anna.max_connections, anna.max_channels) == (None, None)
    users.set_limits("anna", 0, 5)
    assert (anna.max_connections, anna.max_channels) == (0, 5)


def test_putting_a_user_that_is_there_keeps_its_permissions_and_adds_limits(users: Users):
    users.set_permissions("anna", "/", "c", "w", "r")
    users.set_limits("anna", 1, None)
    users.put("anna", "", passwords.SHA512, ["t"], {"max-channels": 2})
    anna = users.get("anna")
    assert anna is not None
    assert (anna.password_hash, anna.hashing_algorithm, anna.tags) == ("", passwords.SHA512, ["t"])
    assert anna.limits() == {"max-connections": 1, "max-channels": 2}
    assert anna.permissions["/"].write == "w"


def test_putting_another_user_adds_it(users: Users):
    users.put("berta", passwords.hash_password("pw", b"salt"), passwords.SHA256, [], {})
    assert users.authenticate("berta", "pw").name == "berta"


def test_putting_a_user_with_bad_limits_changes_nothing(users: Users):
    before = users.version
    with pytest.raises(InvalidLimits, match="Unrecognised terms"):
        users.put("berta", "", passwords.SHA256, [], {"nope": 1})
    assert (users.names(), users.version) == (["anna"], before)


def test_topic_permissions_stay_without_permissions(users: Users):
    users.set_topic_permissions("anna", "/", "amq.topic", "^a", "")
    assert users.authenticate("anna", "pw").permissions_in("/") is None
    users.set_permissions("anna", "/", "", "", "")
    users.clear_permissions("anna", "/")
    users.set_permissions("anna", "/", ".*", ".*", ".*")
    permissions = users.authenticate("anna", "pw").permissions["/"]
    assert not permissions.allows_topic("write", "amq.topic", "b")


@pytest.mark.parametrize(("exchange", "left"), [("x", {"y"}), (None, set()), ("z", {"x", "y"})])
def test_topic_permissions_are_cleared_for_one_exchange_or_for_all(
    users: Users, exchange: str | None, left: set[str]
):
    users.set_permissions("anna", "/", "", "", "")
    for each in ("x", "y"):
        users.set_topic_permissions("anna", "/", each, "^a", "")
    users.clear_topic_permissions("anna", "/", exchange)
    assert set(users.authenticate("anna", "pw").permissions["/"].topics) == left


def test_a_bad_topic_pattern_changes_nothing(users: Users):
    before = users.version
    with pytest.raises(ValueError, match="invalid pattern"):
        users.set_topic_permissions("anna", "/", "x", "(", "")
    assert users.version == before
    assert users.authenticate("anna", "pw").topics == {}


def fail() -> None:
    raise RuntimeError("cannot record")


CHANGES_OF_ANNA = {name: change for name, change in CHANGES.items() if name != "vhost"} | {
    "put": lambda users: users.put("anna", "", passwords.MD5, [], {}),
    "topic": lambda users: users.set_topic_permissions("anna", "/", "x", "", ""),
    "no topic": lambda users: users.clear_topic_permissions("anna", "/"),
    "limit": lambda users: users.add_limits("anna", {"max-channels": 3}),
    "forgotten vhost": lambda users: users.forget_vhost("/"),
}


@pytest.mark.parametrize("change", sorted(CHANGES_OF_ANNA))
def test_what_can_not_be_recorded_is_not_done(users: Users, change: str):
    users.set_permissions("anna", "/", "", "", "")
    anna = users.get("anna")
    assert anna is not None
    before = (user_table(anna), users.names(), users.version)
    users.record_with(lambda name, user: None, fail)
    with pytest.raises(RuntimeError, match="cannot record"):
        CHANGES_OF_ANNA[change](users)
    assert (user_table(anna), users.names(), users.version) == before


def test_a_record_has_everything_about_a_user(users: Users):
    users.put("anna", "hash", passwords.SHA512, ["a", "b"], {"max-channels": 7})
    users.set_permissions("anna", "/", "c", "w", "r")
    users.set_topic_permissions("anna", "/", "x", "^{username}", "^{vhost}")
    users.set_topic_permissions("anna", "elsewhere", "y", "^b", "")
    anna = users.get("anna")
    assert anna is not None
    again = user_of(user_table(anna))
    assert user_table(again) == user_table(anna)
    assert again.permissions["/"].allows_topic("write", "x", "anna.b")
    assert not again.permissions["/"].allows_topic("write", "x", "berta")
    assert again.topics["elsewhere"]["y"].write == "^b"
