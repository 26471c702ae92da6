"""Downloads from a server of our own that resumes, refuses and drops connections."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from monai_cobot.errors import CobotError
from monai_cobot.sam import fetch
from monai_cobot.sam.fetch import Checkpoint, default_folder, download, fetch_sam

BODY = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves BODY at /sam.pth; the attributes say how badly."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges = True  # answer Range with 206
        self.lengths = True  # send Content-Length
        self.drop_after: int | None = None  # bytes of an answer until the connection is closed
        self.asked: list[str | None] = []  # the Range header of every request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/sam.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        if self.path != "/sam.pth":
            self.send_error(404)
            return
        start = 0
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(BODY):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(BODY)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        else:
            self.send_response(200)
        if self.server.lengths:
            self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        stop = len(BODY) if self.server.drop_after is None else start + self.server.drop_after
        self.wfile.write(BODY[start:stop])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "sam.pth"


def get(server: Server, target: Path, sha256: str = SHA256) -> Path:
    return download(server.url, target, sha256, progress=False)


def part_of(target: Path, content: bytes) -> Path:
    target.parent.mkdir(parents=True)
    part = target.with_name("sam.pth.part")
    part.write_bytes(content)
    return part


def test_downloads_and_leaves_nothing_else(server, target):
    assert get(server, target) == target
    assert target.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [target]
    assert server.asked == [None]


def test_the_right_file_is_not_fetched_again(server, target):
    get(server, target)
    get(server, target)
    assert len(server.asked) == 1


def test_survives_a_server_that_drops_the_connection(server, target):
    server.drop_after = 1_200_000
    for attempt in (1, 2):
        with pytest.raises(CobotError, match=rf"lost after {attempt * 1_200_000} of 3000000 bytes"):
            get(server, target)
        assert not target.exists()
    get(server, target)  # the last 600,000
    assert target.read_bytes() == BODY
    assert server.asked == [None, "bytes=1200000-", "bytes=2400000-"]


def test_starts_again_where_the_server_ignores_range(server, target):
    part_of(target, BODY[:1000])
    server.ranges = False
    get(server, target)
    assert target.read_bytes() == BODY
    assert server.asked == ["bytes=1000-"]


def test_a_complete_part_is_only_checked(server, target):
    part_of(target, BODY)
    get(server, target)
    assert target.read_bytes() == BODY


def test_a_part_that_is_too_long_is_dropped(server, target):
    part_of(target, BODY + b"more")
    get(server, target)
    assert target.read_bytes() == BODY
    assert server.asked == ["bytes=3000004-", None]


def test_a_foreign_part_ends_in_an_error_and_then_a_clean_start(server, target):
    part = part_of(target, b"something else")
    with pytest.raises(CobotError, match=r"gave a file with sha256 .* it was removed: run the"):
        get(server, target)
    assert not part.exists()
    get(server, target)
    assert target.read_bytes() == BODY


def test_without_a_length_the_hash_decides(server, target):
    server.lengths = False
    server.drop_after = 500
    with pytest.raises(CobotError, match="sha256"):
        get(server, target)
    assert not target.exists()
    server.drop_after = None
    get(server, target)


def test_wrong_hash(server, target):
    with pytest.raises(CobotError, match=rf"sha256 {SHA256}, not 0000; it was removed"):
        get(server, target, sha256="0000")
    assert not list(target.parent.iterdir())


def test_a_wrong_file_is_not_overwritten(server, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    with pytest.raises(CobotError, match=r"sam\.pth is there but is not .*move or delete it"):
        get(server, target)
    assert target.read_bytes() == b"mine"
    assert not server.asked


def test_a_folder_in_its_place(server, target):
    target.mkdir(parents=True)
    with pytest.raises(CobotError, match="is not a file"):
        get(server, target)


def test_not_found(server, target):
    with pytest.raises(CobotError, match=r"answered 404 .*/other\.pth: check the address"):
        download(server.url.replace("sam.pth", "other.pth"), target, SHA256, progress=False)
    assert not target.exists()


def test_no_server(target):
    with pytest.raises(CobotError, match=r"cannot be reached.*run the same command again"):
        download("http://127.0.0.1:9/sam.pth", target, SHA256, progress=False)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "sam.pth"])
def test_only_http(target, url):
    with pytest.raises(CobotError, match="not an http or https address"):
        download(url, target, SHA256, progress=False)


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(CobotError, match="taken cannot be made a folder"):
        get(server, tmp_path / "taken" / "sam.pth")


def test_fetch_sam_by_name(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(fetch.CHECKPOINTS, "vit_b", Checkpoint("sam_vit_b.pth", SHA256))
    assert fetch_sam("vit_b", tmp_path, url=server.url) == tmp_path / "sam_vit_b.pth"
    assert "sam_vit_b.pth" in capsys.readouterr().out  # the progress bar
    monkeypatch.setenv("MONAI_COBOT_HOME", str(tmp_path / "home"))
    path = fetch_sam("vit_b", url=server.url, progress=False)
    assert path == tmp_path / "home" / "sam_vit_b.pth"
    assert not capsys.readouterr().out


def test_fetch_sam_asks_meta(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(fetch, "download", lambda *args: asked.append(args) or args[1])
    assert fetch_sam("vit_l", tmp_path).name == "sam_vit_l_0b3195.pth"
    ((url, _, sha256, _),) = asked
    assert url == "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_l_0b3195.pth"
    assert sha256.startswith("3adcc4315b64")


def test_the_table_of_hashes_is_well_formed():
    for checkpoint in fetch.CHECKPOINTS.values():
        assert len(checkpoint.sha256) == 64
        assert set(checkpoint.sha256) <= set("0123456789abcdef")


def test_unknown_name():
    with pytest.raises(CobotError, match=r"'vit_x': choose \['vit_b', 'vit_l', 'vit_h'\]"):
        fetch_sam("vit_x")


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MONAI_COBOT_HOME", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("MONAI_COBOT_HOME")
    assert default_folder() == Path.home() / ".cache" / "monai_cobot"
