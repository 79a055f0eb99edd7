"""Bundles over the control socket: bounded, in order, forgotten when they are not finished."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.control.client import Client
from aslp2p.control.protocol import RemoteError
from aslp2p.limits import BUNDLES_UNDER_WAY_MAX, CHUNK_BYTES, UPLOAD_IDLE_S
from tests.cli.conftest import run_asl
from tests.cli.running import running
from tests.vectors import bundles


@pytest.fixture
def home(tmp_path: Path) -> Path:
    run_asl(tmp_path / "home", "init", "home")
    return tmp_path / "home"


@pytest.fixture
def client(home: Path) -> Iterator[Client]:
    with running(home) as client:
        yield client


def refused(client: Client, method: str, **params: object) -> str:
    with pytest.raises(RemoteError) as caught:
        client.call(method, **params)
    return str(caught.value)


def sent(client: Client, data: bytes) -> int:
    number = int(client.call("bundle.begin")["bundle"])
    for at in range(0, len(data), CHUNK_BYTES):
        text = base64.b64encode(data[at : at + CHUNK_BYTES]).decode("ascii")
        client.call("bundle.chunk", bundle=number, offset=at, data=text)
    return number


def test_only_so_many_are_on_their_way(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(BUNDLES_UNDER_WAY_MAX):
        last = client.call("bundle.begin")["bundle"]
    assert "on their way" in refused(client, "bundle.begin")
    monkeypatch.setattr("aslp2p.daemon.bundle_methods.UPLOAD_IDLE_S", -UPLOAD_IDLE_S)
    assert client.call("bundle.begin")["bundle"] == last + 1
    assert "no bundle" in refused(client, "bundle.chunk", bundle=last, offset=0, data="")


def test_chunks_are_checked(client: Client) -> None:
    number = sent(client, b"x")
    assert "a chunk at 5" in refused(client, "bundle.chunk", bundle=number, offset=5, data="")
    assert "base64" in refused(client, "bundle.chunk", bundle=number, offset=1, data="§")
    large = base64.b64encode(bytes(CHUNK_BYTES + 1)).decode("ascii")
    assert "1 MiB" in refused(client, "bundle.chunk", bundle=number, offset=1, data=large)
    assert client.call("bundle.chunk", bundle=number, offset=1, data="eA==")["size"] == 2


@pytest.mark.parametrize(("name", "rule", "data"), bundles.bad(), ids=lambda value: str(value)[:40])
def test_what_is_no_whole_bundle_is_refused_and_forgotten(
    client: Client, home: Path, name: str, rule: str, data: bytes
) -> None:
    before = client.call("summary")["head"]
    number = sent(client, data)
    assert f"no whole bundle: {rule}" in refused(client, "bundle.import", bundle=number)
    assert "no bundle" in refused(client, "bundle.import", bundle=number)
    assert client.call("summary")["head"] == before
    (folder,) = (home / "commons").iterdir()
    assert not [path for path in folder.iterdir() if "bundle" in path.name or path.name.startswith("tmp")]


def test_another_commons_bundle_is_refused(client: Client) -> None:
    number = sent(client, bundles.good()["years"])
    assert "another Common" in refused(client, "bundle.import", bundle=number)
