"""Which addresses a webhook may call."""

import pytest

from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.daemon.reports.outgoing import target

ALWAYS_REFUSED = [
    "http://169.254.169.254/latest/meta-data", "https://[fe80::1]/", "https://0.0.0.0/", "https://[::]/",
    "https://224.0.0.1/", "https://[::ffff:169.254.169.254]/", "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::1]/", "https://240.0.0.1/",
]  # fmt: skip
PRIVATE = [
    "https://127.0.0.1/", "https://127.1.2.3/", "https://[::1]/", "https://10.0.0.1/", "https://192.168.1.1/hook",
    "https://172.16.0.1/", "https://[fd00::1]/", "https://[::ffff:127.0.0.1]/", "https://localhost/", "https://2130706433/",
    "https://0x7f.1/",
]  # fmt: skip


@pytest.mark.parametrize("url", ALWAYS_REFUSED)
@pytest.mark.parametrize("allow", [True, False])
def test_never(url, allow):
    with pytest.raises(Refused):
        target(url, allow_private=allow)


@pytest.mark.parametrize("url", PRIVATE)
def test_private_ones_only_when_allowed(url):
    with pytest.raises(Refused, match=r"loopback|private"):
        target(url, allow_private=False)
    assert target(url, allow_private=True).address


@pytest.mark.parametrize(
    "url",
    ["ftp://93.184.216.34/", "file:///etc/passwd", "https://", "nonsense", "https://a:b@93.184.216.34/",
     "https://93.184.216.34:99999/", "http://93.184.216.34/", "https://[bad/", "gopher://93.184.216.34/"],
)  # fmt: skip
def test_addresses_that_are_none(url):
    with pytest.raises(Refused):
        target(url, allow_private=False)


def test_a_public_address_is_pinned():
    found = target("https://93.184.216.34:8443/a/b?c=d", allow_private=False)
    assert found.pinned_url == "https://93.184.216.34:8443/a/b?c=d" and found.host_header == "93.184.216.34:8443"
    assert target("https://[2606:2800:220:1:248:1893:25c8:1946]/x", allow_private=False).pinned_url == (
        "https://[2606:2800:220:1:248:1893:25c8:1946]:443/x"
    )


def test_a_name_that_does_not_resolve_is_tried_again():
    with pytest.raises(EnvironmentBroke, match="can't be resolved"):
        target("https://no-such-host.invalid/", allow_private=True)
