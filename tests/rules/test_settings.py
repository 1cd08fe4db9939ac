"""The address under which clients know the service."""

import pytest

from convenor.kit.settings import Settings


@pytest.mark.parametrize(("host", "issuer"), [("127.0.0.1", "http://127.0.0.1:8000"), ("::1", "http://[::1]:8000")])
def test_the_issuer_is_the_address_it_listens_on(monkeypatch: pytest.MonkeyPatch, host: str, issuer: str) -> None:
    monkeypatch.delenv("CONVENOR_PUBLIC_URL", raising=False)
    monkeypatch.setenv("CONVENOR_HOST", host)
    monkeypatch.setenv("CONVENOR_PORT", "8000")
    assert Settings().issuer == issuer


def test_a_public_address_is_the_issuer_without_a_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVENOR_PUBLIC_URL", "https://convenor.example/")
    assert Settings().issuer == "https://convenor.example"
