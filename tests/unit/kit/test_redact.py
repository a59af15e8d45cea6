"""Nothing secret gets through, and what people need to read stays."""

from __future__ import annotations

import threading

import pytest

from nightshift.daemon.kit.redact import MASK, redact, register_secret

S = "s3cr3t" + "Va1ue"


@pytest.mark.parametrize(
    "text",
    [
        f"password={S}",
        f"PASSWORD: {S}",
        f"password = '{S}'",
        f'"password": "a\\"{S}"',
        f"'password': b'{S}'",
        f"password: str = '{S}'",
        f"password: Optional[str] = {S}",
        f"{{'db.credential_value': '{S}'}}",
        f"db-password => {S}",
        f"mysql --password {S}",
        f"tool --api-key={S}",
        f"X-Api-Key: {S}",
        f"?access_token={S}&x=1",
        f"Authorization: token {S}",
        f"'Authorization': 'Custom {S}'",
        f"Authorization: {S}",
        f"curl -H bearer {S}",
        f"Set-Cookie: session={S}; HttpOnly",
        f"postgres://user:{S}@db/x",
        f"postgres://user:p@{S}@db/x",
        f"https://{S}{S}@host/x",
        f"{'x.' * 200}password={S}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{S}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{S}",
        f"ghp_{S}{S}",
        f"xoxb-1234-{S}",
        f"https://hooks.slack.com/services/T0/B0/{S}",
        f"https://discord.com/api/webhooks/1/{S}",
        f"sk-{S}{S}{S}",
        f"eyJhbGciOiJIUzI1NiJ9.eyJ{S}.{S}",
        f"secret = '{S}",
    ],
)
def test_masked(text: str) -> None:
    assert S not in redact(text) and MASK in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'token'",
        "token = None",
        "def login(user: str, password: str, n: int) -> None:",
        "max_tokens=1024",
        "Basic authentication required",
        "http://localhost:8080/users?mail=a@b.example",
        'File "shop/tokens.py", line 3, in read\n    return row[token]',
        "commit 0123456789abcdef0123456789abcdef01234567",
        "Traceback (most recent call last):",
    ],
)
def test_kept(text: str) -> None:
    assert redact(text) == text


def test_registered_values_are_masked_however_they_are_spelt() -> None:
    register_secret('  pa"ss/wörd+1\n')
    for text in ('x pa"ss/wörd+1 y', "pa%22ss%2Fw%C3%B6rd%2B1", 'pa\\"ss/w\\u00f6rd+1'):
        assert MASK in redact(text) and "rd+1" not in redact(text) and "rd%2B1" not in redact(text)
    register_secret("abc")
    assert redact("abc") == "abc"


def test_registering_while_redacting() -> None:
    errors: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(300):
                redact("nothing here")
        except RuntimeError as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(300):
        register_secret(f"value-{n:06}")
    for reader in readers:
        reader.join()
    assert not errors and redact("value-000299") == MASK


@pytest.mark.parametrize(
    "unit", ["a.", "eyJ-", "password", "password=", "http://", "a:", "authorization: ", "'", "--token", "sk-",
             "bearer ", "-----BEGIN PRIVATE KEY", "token: a", "secret.", "cookie: ", "basic a"]
)  # fmt: skip
def test_hostile_lines_cost_linear_time(unit: str) -> None:
    """A quadratic pattern would not come back from this within the suite's patience."""
    assert redact(unit * (300_000 // len(unit)))
