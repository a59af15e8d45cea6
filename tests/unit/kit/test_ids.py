"""Names made of content: any text has one, and odd bytes keep the one they had."""

import hashlib

from nightshift.daemon.kit.ids import stable_id


def test_any_text_has_a_name_and_other_text_another():
    odd = ["", "a", "\udc80", "\ud800", "\udfff", "a\0b", "\ud83d\ude00", "😀"]
    names = [stable_id("fp", text) for text in odd]
    assert len(set(names)) == len(odd) and names == [stable_id("fp", text) for text in odd]


def test_bytes_that_could_not_be_decoded_are_named_as_bytes():
    digest = hashlib.sha256(b"caf\xe9").digest()
    import base64

    wanted = base64.b32encode(digest)[:12].decode().lower()
    assert stable_id("fp", b"caf\xe9".decode("utf-8", "surrogateescape")) == f"fp-{wanted}"
