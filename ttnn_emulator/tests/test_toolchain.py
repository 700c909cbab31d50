# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of the library's files: whose it may be, and two processes that write to it at once."""

import os
from pathlib import Path

import pytest

from ttnn_emulator import EmulatorError
from ttnn_emulator.install import _wheel
from ttnn_emulator.library import toolchain
from ttnn_emulator.library.boards import find_board


@pytest.fixture
def folders(tmp_path, monkeypatch) -> list[Path]:
    """The three that are tried, one after the other."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    own = f"ttnn_emulator-{os.getuid()}"
    return [tmp_path / "xdg/ttnn_emulator", tmp_path / "home/.cache/ttnn_emulator", tmp_path / "tmp" / own]


def test_a_new_folder_is_this_users_alone(folders):
    assert toolchain.cache_folder() == folders[0]
    assert folders[0].stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["relative", "{}/file", "{}/with space", "{}/it's quoted", "{}/$dollar;", "/proc/1"])
def test_a_folder_that_cannot_be_used_is_passed_over(folders, tmp_path, monkeypatch, name):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", name.format(tmp_path))
    assert toolchain.cache_folder() == folders[1]


def test_a_home_that_cannot_be_used_is_passed_over(folders, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "relative")
    assert toolchain.cache_folder() == folders[2]


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o720, 0o702])
def test_a_folder_that_others_may_write_to_is_passed_over(folders, mode):
    folders[0].mkdir(parents=True)
    folders[0].chmod(mode)
    assert toolchain.cache_folder() == folders[1]


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_a_folder_that_others_may_only_read_is_used(folders, mode):
    folders[0].mkdir(parents=True)
    folders[0].chmod(mode)
    assert toolchain.cache_folder() == folders[0]


def test_folders_of_another_user_are_passed_over(folders, monkeypatch):
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True)
    monkeypatch.setattr(os, "getuid", lambda: folders[0].stat().st_uid + 1)
    with pytest.raises(EmulatorError, match="no folder to write to"):
        toolchain.cache_folder()


def test_another_users_link_to_a_folder_of_this_user_is_passed_over(folders, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir(mode=0o700)
    folders[0].parent.mkdir()
    folders[0].symlink_to(tmp_path / "mine")
    assert toolchain.cache_folder() == folders[0]  # while the link is this user's
    about = Path.lstat

    def of_another(path: Path) -> os.stat_result:
        mode, inode, device, links, owner, *rest = about(path)
        return os.stat_result((mode, inode, device, links, owner + (path == folders[0]), *rest))

    monkeypatch.setattr(Path, "lstat", of_another)
    assert toolchain.cache_folder() == folders[1]


def test_where_every_folder_is_open_to_others_none_is_used(folders):
    for folder in folders:
        folder.mkdir(parents=True)
        folder.chmod(0o777)
    with pytest.raises(EmulatorError, match=f"this user's alone .{folders[0]}, {folders[1]}, {folders[2]}"):
        toolchain.cache_folder()


def test_processes_of_one_number_make_the_files_at_once(folders, monkeypatch):
    """Containers that share the folder count their processes alike."""
    board, wheel = find_board("n150"), _wheel()
    descriptor = toolchain.open_descriptor(board)
    put, others = os.replace, []

    def while_another_does(source: str | Path, target: str | Path) -> None:
        if target not in others:
            others.append(target)
            toolchain.prepare(board, wheel, descriptor)
        put(source, target)

    monkeypatch.setattr(os, "replace", while_another_does)
    place = toolchain.prepare(board, wheel, descriptor)
    root = Path(place["TT_METAL_RUNTIME_ROOT"])
    assert Path(place["TT_METAL_MOCK_CLUSTER_DESC_PATH"]).read_text() == board.descriptor()
    os.close(descriptor)
    assert {path.name for path in root.iterdir()} == {"runtime", "tt_metal", "ttnn"} and len(others) == 6
    assert (root / "ttnn").readlink() == wheel / "ttnn"
