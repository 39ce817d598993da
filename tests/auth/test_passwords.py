import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpd.auth import passwords

SALT = b"\x01\x02\x03\x04"


# Hashes that RabbitMQ 3.10.8 made for "guest", and that let "guest" in when given back to it.
def test_a_hash_made_by_rabbitmq_verifies():
    assert passwords.verify("guest", "6Mn5e6USVLw2jnFvFfCFS0rlHkBcebDPlR+5568tB3t8f5b+")


def test_a_wrong_password_does_not_verify():
    assert not passwords.verify("Guest", "6Mn5e6USVLw2jnFvFfCFS0rlHkBcebDPlR+5568tB3t8f5b+")


def test_the_hash_is_the_salt_and_the_digest_of_salt_and_password():
    expected = base64.b64encode(SALT + hashlib.sha256(SALT + "pä".encode()).digest()).decode()
    assert passwords.hash_password("pä", SALT) == expected


@pytest.mark.parametrize("algorithm", sorted(passwords.ALGORITHMS))
@given(password=st.text(min_size=1), salt=st.binary(min_size=4, max_size=4))
def test_a_password_verifies_against_its_own_hash(algorithm: str, password: str, salt: bytes):
    password_hash = passwords.hash_password(password, salt, algorithm)
    assert passwords.verify(password, password_hash, algorithm)
    assert not passwords.verify(password + "x", password_hash, algorithm)


def test_a_hash_of_another_algorithm_does_not_verify():
    password_hash = passwords.hash_password("pw", SALT, passwords.SHA512)
    assert not passwords.verify("pw", password_hash, passwords.SHA256)


def test_an_empty_password_never_verifies_even_against_its_own_hash():
    assert not passwords.verify("", passwords.hash_password("", SALT))


@pytest.mark.parametrize("password_hash", ["", "!!!", "AAAA", "AQIDBA==", "ü", "AQIDBA", "\n", "A" * 5])
def test_a_malformed_hash_refuses_instead_of_failing(password_hash: str):
    assert passwords.verify("pw", password_hash) is False


@given(st.text())
def test_no_text_at_all_as_hash_raises(password_hash: str):
    assert passwords.verify("pw", password_hash) is False


def test_a_password_that_has_no_bytes_does_not_verify():
    assert passwords.verify("\ud800", passwords.hash_password("pw", SALT)) is False


def test_an_unknown_algorithm_verifies_nothing():
    assert not passwords.verify("pw", passwords.hash_password("pw", SALT), "rabbit_password_hashing_none")


def test_hashing_with_an_unknown_algorithm_is_an_error():
    with pytest.raises(ValueError, match="unknown password hashing algorithm 'rot13'"):
        passwords.hash_password("pw", SALT, "rot13")


def test_a_salt_must_have_four_bytes():
    with pytest.raises(ValueError, match="salt of 3 bytes, expected 4"):
        passwords.hash_password("pw", b"abc")


def test_bytes_that_are_not_utf8_reach_the_digest_unchanged():
    expected = base64.b64encode(SALT + hashlib.sha256(SALT + b"\xff\xfe").digest()).decode()
    assert passwords.hash_password(b"\xff\xfe".decode("utf-8", "surrogateescape"), SALT) == expected


def test_two_salts_differ():
    salts = {passwords.random_salt() for _ in range(8)}
    assert len(salts) > 1
    assert {len(salt) for salt in salts} == {4}
