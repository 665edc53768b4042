"""Fetching against a real server on loopback: ranges, interruptions, damage, refusals."""

import gzip
import hashlib
import http.server
import os
import re
import threading

import pytest

from ravine.base.errors import DataError, InputError, UnknownNameError
from ravine.tasks import data, fetching

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
# Bytes that do not compress, so that the packed files span several chunks.
CONTENT = {name: b"".join(hashlib.sha256(f"{name}{k}".encode()).digest() for k in range(8000)) for name in NAMES}
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in CONTENT.items()}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `PACKED` with ranges; `server.mood` says how it misbehaves."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        server, name = self.server, self.path.rpartition("/")[2]
        body, begin = server.files.get(name), 0
        server.requests.append((name, self.headers.get("Range")))
        if body is None:
            self.send_error(404)
            return
        size = len(body)
        if self.headers.get("Range") and server.mood != "no-ranges":
            begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if begin >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - begin))
        self.end_headers()
        rest = body[begin:]
        if server.mood == "breaks-once":
            server.mood, rest = "", rest[: len(rest) // 2]
        elif server.mood == "always-breaks":
            rest = rest[:1000]
        self.wfile.write(rest)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.mood, server.requests = dict(PACKED), "", []
        server.url = f"http://127.0.0.1:{server.server_port}/mnist"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _small_set(monkeypatch, tmp_path):
    files = tuple(data.IdxFile(name, f"sha256:{hashlib.sha256(CONTENT[name]).hexdigest()}") for name in NAMES)
    monkeypatch.setitem(data.SETS, "mnist", data.IdxSet("mnist", "http://127.0.0.1:9/", files))
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("RAVINE_DATA_SOURCE", raising=False)


def check_complete(paths, folder):
    assert [path.name for path in paths] == list(PACKED)
    assert all(path.read_bytes() == PACKED[path.name] for path in paths)
    assert sorted(os.listdir(folder)) == sorted(PACKED)  # no part files are left


def test_four_files_come_and_progress_is_told(server, tmp_path):
    seen = []
    paths = fetching.get("mnist", source=server.url, progress=lambda *told: seen.append(told))
    check_complete(paths, tmp_path / "data/mnist")
    first = [told for told in seen if told[0] == f"{NAMES[0]}.gz"]
    assert first[-1][1:] == (len(PACKED[f"{NAMES[0]}.gz"]),) * 2
    assert len(first) > 1
    assert [done for _, done, _ in first] == sorted(done for _, done, _ in first)
    assert data.find("mnist") == paths


def test_the_folder_and_the_source_may_come_from_elsewhere(server, tmp_path, monkeypatch):
    monkeypatch.setenv("RAVINE_DATA_SOURCE", server.url + "/")
    check_complete(fetching.get("mnist", folder=tmp_path / "here"), tmp_path / "here")


def test_good_files_are_kept_and_nothing_is_asked_for(server, tmp_path):
    fetching.get("mnist", source=server.url)
    server.requests.clear()
    fetching.get("mnist", source=server.url)
    fetching.get("mnist", folder=tmp_path / "data/mnist", source=server.url)
    assert server.requests == []


def test_unpacked_files_count_and_only_missing_ones_come(server, tmp_path):
    folder = tmp_path / "data/mnist"
    folder.mkdir(parents=True)
    for name in NAMES[:3]:
        (folder / name).write_bytes(CONTENT[name])
    paths = fetching.get("mnist", source=server.url)
    assert [path.name for path in paths] == [*NAMES[:3], f"{NAMES[3]}.gz"]
    assert [name for name, _ in server.requests] == [f"{NAMES[3]}.gz"]


def test_a_transfer_that_breaks_is_taken_up_where_it_broke(server, tmp_path):
    server.mood = "breaks-once"
    check_complete(fetching.get("mnist", source=server.url), tmp_path / "data/mnist")
    half = len(PACKED[f"{NAMES[0]}.gz"]) // 2
    assert server.requests[:2] == [(f"{NAMES[0]}.gz", None), (f"{NAMES[0]}.gz", f"bytes={half}-")]


def test_a_part_of_an_earlier_run_is_continued(server, tmp_path):
    folder, name = tmp_path / "data/mnist", f"{NAMES[0]}.gz"
    folder.mkdir(parents=True)
    (folder / f"{name}.part").write_bytes(PACKED[name][:12345])
    check_complete(fetching.get("mnist", source=server.url), folder)
    assert server.requests[0] == (name, "bytes=12345-")


@pytest.mark.parametrize("mood", ["", "no-ranges"])
@pytest.mark.parametrize("kind", ["all-of-it", "too-long", "another-beginning"])
def test_any_part_of_an_earlier_run_ends_well(server, tmp_path, kind, mood):
    folder, name = tmp_path / "data/mnist", f"{NAMES[0]}.gz"
    folder.mkdir(parents=True)
    part = {"all-of-it": PACKED[name], "too-long": PACKED[name] + b"more", "another-beginning": b"?" * 5000}[kind]
    (folder / f"{name}.part").write_bytes(part)
    server.mood = mood
    check_complete(fetching.get("mnist", source=server.url), folder)
    asked = [range for file, range in server.requests if file == name]
    if mood == "no-ranges" or kind == "all-of-it":
        assert asked == [f"bytes={len(part)}-"]  # the first answer was enough
    else:
        assert asked == [f"bytes={len(part)}-", None]


def test_a_transfer_that_keeps_breaking_says_so_and_keeps_its_part(server, tmp_path):
    server.mood = "always-breaks"
    with pytest.raises(DataError, match=r"broke off at 3000 of \d+ bytes 3 times. Run it again to continue there."):
        fetching.get("mnist", source=server.url)
    assert (tmp_path / f"data/mnist/{NAMES[0]}.gz.part").stat().st_size == 3000
    server.mood = ""
    check_complete(fetching.get("mnist", source=server.url), tmp_path / "data/mnist")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (gzip.compress(b"other", mtime=0), "has a wrong checksum (sha256 "),
        (b"<html>", "has a wrong checksum"),
        (PACKED[f"{NAMES[0]}.gz"][:-5], "cannot be read"),
    ],
    ids=["other", "page", "cut"],
)
def test_damage_is_noticed_and_removed(server, tmp_path, body, sentence):
    server.files[f"{NAMES[0]}.gz"] = body
    with pytest.raises(DataError, match=re.escape(sentence) + ".*; what came was removed"):
        fetching.get("mnist", source=server.url)
    assert os.listdir(tmp_path / "data/mnist") == []


def test_a_damaged_file_of_the_users_is_never_written_over(server, tmp_path):
    folder = tmp_path / "data/mnist"
    folder.mkdir(parents=True)
    mine = folder / f"{NAMES[0]}.gz"
    mine.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"has a wrong checksum .* Delete it and run this again"):
        fetching.get("mnist", source=server.url)
    assert mine.read_bytes() == b"mine"


def test_refusals_and_no_network(server):
    del server.files[f"{NAMES[0]}.gz"]
    with pytest.raises(DataError, match=r"answered 404 Not Found\. Try again later, or give another source"):
        fetching.get("mnist", source=server.url)
    with pytest.raises(DataError, match=r"cannot be reached \(.*refused\). Check the network, or copy the files"):
        fetching.get("mnist", source="http://127.0.0.1:9/")


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/sub cannot be written \(Not a directory\). Give another folder"):
        fetching.get("mnist", folder=tmp_path / "file/sub", source=server.url)


@pytest.mark.parametrize("source", ["file:///etc", "ftp://host/", "mnist", "/folder"])
def test_only_http_is_a_source(source):
    with pytest.raises(InputError, match="must be an address that starts with http"):
        fetching.get("mnist", source=source)


def test_an_unknown_data_set():
    with pytest.raises(UnknownNameError, match="did you mean 'mnist'"):
        fetching.get("mnits")
