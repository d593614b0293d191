"""The simulator's own crypto against the platforms' published vectors."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import crypto

DATA = json.loads((Path(__file__).parent / "data" / "crypto-vectors.json").read_text())
VECTORS: list[dict[str, Any]] = DATA["vectors"]


def of_kind(*kinds: str) -> list[Any]:
    return [pytest.param(v, id=v["id"]) for v in VECTORS if v["kind"] in kinds]


def flipped(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


@pytest.mark.parametrize("vector", of_kind("verify_url", "decrypt"))
def test_published_text_opens_and_its_signature_holds(vector: dict[str, Any]) -> None:
    sealed = vector.get("echostr") or vector["encrypt"]
    plain = crypto.decrypt(vector["encoding_aes_key"], vector["receive_id"], sealed)
    assert plain == vector["expect_plain"]
    if "msg_signature" in vector:
        found = crypto.signature(
            vector["token"], vector["timestamp"], vector["nonce"], sealed
        )
        assert found == vector["msg_signature"]
        assert found != flipped(vector["msg_signature"])


@pytest.mark.parametrize("vector", of_kind("encrypt"))
def test_published_text_is_sealed_to_the_same_bytes(vector: dict[str, Any]) -> None:
    sealed = crypto.encrypt(
        vector["encoding_aes_key"],
        vector["receive_id"],
        vector["plain"],
        prefix=vector["random16"].encode(),
    )
    assert sealed == vector["expect_encrypt"]
    if "expect_msg_signature" in vector:
        assert vector["expect_msg_signature"] == crypto.signature(
            vector["token"], vector["timestamp"], vector["nonce"], sealed
        )


def test_every_published_vector_is_used() -> None:
    assert len(of_kind("verify_url", "decrypt", "encrypt")) == len(VECTORS) == 9


@pytest.mark.parametrize("text", ["", "短", "🌲" * 700, "a" * 31, "a" * 32])
def test_what_is_sealed_opens_again(text: str) -> None:
    key = VECTORS[0]["encoding_aes_key"]
    assert crypto.decrypt(key, "wx1", crypto.encrypt(key, "wx1", text)) == text


def test_a_text_for_another_receiver_or_no_text_is_refused() -> None:
    key = VECTORS[0]["encoding_aes_key"]
    for sealed in (crypto.encrypt(key, "wx2", "hi"), "AAAA", "不是", ""):
        with pytest.raises(crypto.CryptoError):
            crypto.decrypt(key, "wx1", sealed)
