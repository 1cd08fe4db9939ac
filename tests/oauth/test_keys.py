"""The server's own keys: made once, whoever starts first, and readable by nobody else."""

import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from convenor.configuration_error import ConfigurationError
from convenor.security.sealing import CannotOpen
from convenor_auth.keys import (
    DATA_KEYS_FOLDER,
    HASH_FILE,
    ID_FILE,
    KEY_FILES,
    PSEUDONYM_FILE,
    SIGNING_KEYS_FILE,
    load_secret_keys,
    load_signing_keys,
    make_data_key,
    make_keys,
)

SECRET_FILES = (PSEUDONYM_FILE, HASH_FILE, ID_FILE, "data-keys/1.key")


@pytest.mark.parametrize("states", [[], ["published"], ["signing", "signing"], ["retired", "published"]])
def test_a_file_without_exactly_one_signing_key_is_refused(tmp_path: Path, states: list[str]) -> None:
    write(tmp_path, states)
    with pytest.raises(ConfigurationError, match="exactly one"):
        load_signing_keys(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"keys": [{}]}', '{"keys": [{"jwk": {"kty": "EC", "d": "s3cret"}}]}']
)
def test_a_damaged_file_is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    (tmp_path / SIGNING_KEYS_FILE).write_text(content)
    with pytest.raises(ConfigurationError, match="damaged") as refusal:
        load_signing_keys(tmp_path)
    assert "s3cret" not in str(refusal.value)


def test_a_signing_key_without_its_private_part_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ["signing"])
    path = tmp_path / SIGNING_KEYS_FILE
    path.write_text(path.read_text().replace('"d"', '"other"'))
    with pytest.raises(ConfigurationError, match="damaged"):
        load_signing_keys(tmp_path)


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)])
@pytest.mark.parametrize("name", SECRET_FILES)
def test_a_secret_key_of_another_length_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    make_keys(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"{name} is damaged"):
        load_secret_keys(tmp_path)


@pytest.mark.parametrize("name", SECRET_FILES)
def test_a_secret_key_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    make_keys(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ConfigurationError, match=f"{name} is missing"):
        load_secret_keys(tmp_path)


@pytest.mark.parametrize("load", [load_signing_keys, load_secret_keys])
def test_a_file_that_is_missing_is_refused_and_not_made(tmp_path: Path, load: Callable[[Path], object]) -> None:
    with pytest.raises(ConfigurationError, match=r"is missing.*\nRestore it from a backup.*--new-keys"):
        load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_keys_that_are_there_stay_when_others_are_made(tmp_path: Path) -> None:
    write(tmp_path, ["signing"])
    kept = (tmp_path / SIGNING_KEYS_FILE).read_bytes()
    make_keys(tmp_path)
    assert (tmp_path / SIGNING_KEYS_FILE).read_bytes() == kept
    assert len(load_secret_keys(tmp_path).pseudonym) == 32


def test_a_state_that_is_not_known_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ["signing", "lost"])
    with pytest.raises(ConfigurationError, match="damaged"):
        load_signing_keys(tmp_path)


def test_processes_that_make_them_at_once_end_up_with_the_same_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(make_keys, [tmp_path / "new"] * 8))
        kids = {keys.signing.kid for keys in workers.map(load_signing_keys, [tmp_path / "new"] * 8)}
        secrets = {keys.pseudonym for keys in workers.map(load_secret_keys, [tmp_path / "new"] * 8)}
    assert (len(kids), len(secrets)) == (1, 1)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {*KEY_FILES, DATA_KEYS_FOLDER}


def test_only_the_owner_can_read_the_keys(tmp_path: Path) -> None:
    make_keys(tmp_path)
    for name in (*KEY_FILES, "data-keys/1.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_new_data_key_seals_and_the_older_ones_still_open(tmp_path: Path) -> None:
    make_keys(tmp_path)
    sealer = load_secret_keys(tmp_path).sealer
    before = sealer.seal(b"of this record", b"Robin")
    assert make_data_key(tmp_path) == 2
    after = sealer.seal(b"of this record", b"Robin")
    assert [sealed[:4] for sealed in (before, after)] == [bytes([0, 0, 0, 1]), bytes([0, 0, 0, 2])]
    for reader in (sealer, load_secret_keys(tmp_path).sealer):
        assert [reader.open(b"of this record", sealed) for sealed in (before, after)] == [b"Robin", b"Robin"]


def test_a_data_key_that_another_process_made_opens_at_once(tmp_path: Path) -> None:
    make_keys(tmp_path)
    running = load_secret_keys(tmp_path).sealer
    make_data_key(tmp_path)
    sealed = load_secret_keys(tmp_path).sealer.seal(b"of this record", b"Robin")
    assert running.open(b"of this record", sealed) == b"Robin"


def test_a_ciphertext_opens_for_its_record_and_unchanged_only(tmp_path: Path) -> None:
    make_keys(tmp_path)
    sealer = load_secret_keys(tmp_path).sealer
    sealed = sealer.seal(b"of this record", b"Robin")
    assert b"Robin" not in sealed
    with pytest.raises(CannotOpen, match="does not open with data key 1"):
        sealer.open(b"of another record", sealed)
    for at in range(4, len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(CannotOpen, match="does not open"):
            sealer.open(b"of this record", changed)
    with pytest.raises(CannotOpen, match="Data key 7 is missing"):
        sealer.open(b"of this record", bytes([0, 0, 0, 7]) + sealed[4:])


def test_a_hash_is_of_its_field_and_of_its_installation(tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_keys(tmp_path / name)
    one, other = (load_secret_keys(tmp_path / name).sealer for name in ("one", "other"))
    assert one.hash("upn", "B8012000100") == one.hash("upn", "B8012000100")
    hashes = [one.hash("upn", "B8012000100"), one.hash("nhs_number", "B8012000100"), other.hash("upn", "B8012000100")]
    assert len(set(hashes)) == 3


def test_keys_of_every_state_are_published_and_one_signs(tmp_path: Path) -> None:
    write(tmp_path, ["retired", "signing", "published"])
    keys = load_signing_keys(tmp_path)
    assert keys.signing.kid == "1"
    assert [key["kid"] for key in keys.jwks()["keys"]] == ["0", "1", "2"]
    assert all("d" not in key for key in keys.jwks()["keys"])


def write(folder: Path, states: list[str]) -> None:
    keys = [
        {
            "state": state,
            "created_at": "2026-01-05T09:00:00+00:00",
            "jwk": ECKey.generate_key("P-256", {"kid": str(at), "alg": "ES256"}).as_dict(private=True),
        }
        for at, state in enumerate(states)
    ]
    (folder / SIGNING_KEYS_FILE).write_text(json.dumps({"keys": keys}))
