"""Files are downloaded from public addresses only, at the address that was checked."""

from __future__ import annotations

import socket

import httpcore
import pytest

from integrations.http import guarded_client
from integrations.http.client import RequestNotSent
from integrations.http.file_download import AddressRefused, FileDownloader
from tests.name_lookups import replace_name_lookups

PUBLIC = "93.184.215.14"


@pytest.fixture
def downloader() -> FileDownloader:
    return FileDownloader(max_bytes=10, trusted_url="http://127.0.0.1:1/v3")


@pytest.mark.parametrize(
    "url",
    [
        "", "file:///etc/passwd", "ftp://example.com/", "data:text/plain,x", "//example.com/x",
        "http://example.com/", "http://127.0.0.1:2/", "https://127.0.0.1:1/", "https://10.0.0.1/",
        "https://example.com:8443/", "https://me:secret@example.com/", "https://[::1]/",
        "https://exa\nmple.com/", "https://2130706433/", "https://0x7f.0.0.1/",
    ],
)  # fmt: skip
def test_address_is_refused(downloader: FileDownloader, url: str) -> None:
    with pytest.raises(AddressRefused):
        downloader.download_file(url, max_seconds=1)


def test_deployments_own_address_is_allowed(downloader: FileDownloader) -> None:
    with pytest.raises(RequestNotSent):  # nobody listens
        downloader.download_file("http://127.0.0.1:1/file", max_seconds=1)


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each lookup answers, in order."""
    answers: list[str] = []

    def look_up(host: str, port: int) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (answers.pop(0), port))]

    replace_name_lookups(monkeypatch, look_up)
    return answers


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were connected to; each refuses."""
    addresses: list[str] = []

    def refuse(self: object, host: str, *_: object) -> None:
        addresses.append(host)
        raise httpcore.ConnectError("refused")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", refuse)
    guarded_client.get_public_client.cache_clear()
    return addresses


def test_name_of_internal_address_is_refused(downloader, lookups, connected) -> None:
    lookups.append("10.0.0.1")
    with pytest.raises(AddressRefused):
        downloader.download_file("https://files.example.com/x", max_seconds=1)
    assert connected == []


def test_checked_address_is_connected(downloader, lookups, connected) -> None:
    """A second lookup could name another address."""
    lookups.extend([PUBLIC, "127.0.0.1"])
    with pytest.raises(RequestNotSent):
        downloader.download_file("https://files.example.com/x", max_seconds=1)
    assert connected == [PUBLIC]
    assert lookups == ["127.0.0.1"]


def test_proxy_is_not_used(downloader, lookups, connected, monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    lookups.append(PUBLIC)
    with pytest.raises(RequestNotSent):
        downloader.download_file("https://files.example.com/x", max_seconds=1)
    assert connected == [PUBLIC]
