"""The address under which clients know the service."""

import pytest
from pydantic import ValidationError

from convenor.config import Settings


@pytest.mark.parametrize(("host", "issuer"), [("127.0.0.1", "http://127.0.0.1:8000"), ("::1", "http://[::1]:8000")])
def test_the_issuer_is_the_address_it_listens_on(monkeypatch: pytest.MonkeyPatch, host: str, issuer: str) -> None:
    monkeypatch.delenv("CONVENOR_PUBLIC_URL", raising=False)
    monkeypatch.setenv("CONVENOR_HOST", host)
    monkeypatch.setenv("CONVENOR_PORT", "8000")
    assert Settings().issuer == issuer


def test_a_public_address_is_the_issuer_without_a_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVENOR_PUBLIC_URL", "https://convenor.example/")
    assert Settings().issuer == "https://convenor.example"


@pytest.mark.parametrize(
    "address",
    [
        "https://api.example/x?y#z",
        "https://api.example?",
        "https://api.example#",
        "https://u:p@api.example",
        "https://u@api.example",
        "https://x y",
        "https://api.example/x y",
        "https://api.example/\n",
        " https://api.example",
        "https://ä.example",
        "https://",
        "https:///path",
        "https://api.example:port",
        "https://api.example:99999",
        "https://api.example:0",
        "https://[::1",
        "https://[:::]",
        "ftp://api.example",
        "javascript:alert(1)",
        "api.example",
    ],
)
def test_what_can_be_no_issuer_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("CONVENOR_PUBLIC_URL", address)
    with pytest.raises(ValidationError) as refused:
        Settings()
    (fault,) = refused.value.errors()
    assert fault["loc"] == ("public_url",)
    assert "host, port and path alone" in fault["msg"]
    assert address not in fault["msg"]


@pytest.mark.parametrize(
    "address",
    [
        "https://convenor.example",
        "https://convenor.example:8443",
        "https://xn--4ca.example/a/b-c_d~e%20",
        "http://127.0.0.1:1",
        "https://[2001:db8::1]:443",
        "",
    ],
)
def test_what_can_be_an_issuer_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("CONVENOR_PUBLIC_URL", address)
    assert Settings().issuer == (address or "http://127.0.0.1:8000")


@pytest.mark.parametrize("host", ["", " ", "a b", "[::1]", "::1]", "x..y", "x" * 64, "ä.example", "\udcff", "a:b"])
def test_what_can_be_no_host_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("CONVENOR_HOST", host)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [(error["loc"], error["type"]) for error in refused.value.errors()] == [(("host",), "host")]


def test_a_data_folder_of_a_user_who_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVENOR_DATA_DIR", "~nobody-of-this-name/data")
    with pytest.raises(ValidationError, match="user that exists"):
        Settings()


@pytest.mark.parametrize(
    ("host", "public_url", "local"),
    [
        ("127.0.0.1", "", True),
        ("127.8.8.8", "", True),
        ("::1", "", True),
        ("localhost", "http://localhost:8000", True),
        ("127.0.0.1", "https://convenor.example", False),
        ("127.0.0.1", "https://127.0.0.1.example", False),
        ("0.0.0.0", "", False),
        ("0.0.0.0", "http://127.0.0.1:8000", False),
        ("::", "http://127.0.0.1:8000", False),
        ("192.0.2.1", "http://127.0.0.1:8000", False),
        ("convenor.example", "http://127.0.0.1:8000", False),
    ],
)
def test_only_a_loopback_address_known_under_a_loopback_address_is_local(
    monkeypatch: pytest.MonkeyPatch, host: str, public_url: str, local: bool
) -> None:
    monkeypatch.setenv("CONVENOR_HOST", host)
    monkeypatch.setenv("CONVENOR_PUBLIC_URL", public_url)
    assert Settings().is_local is local
