"""A SQLite in WAL mode on a file system that machines share is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from state import mounts, open_state
from state.errors import StateUnusable
from state.mounts import network_file_system

MOUNTS = r"""
overlay / overlay rw,relatime,lowerdir=/a:/b 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /srv/nfs nfs4 rw,vers=4.2 0 0
//server/share /srv/smb\040share cifs rw 0 0
/dev/sdb1 /srv/nfs/local ext4 rw 0 0
C:\134 /mnt/c 9p rw 0 0
me@host:/ /home/me/remote fuse.sshfs rw 0 0
fuse-overlayfs /containers fuse.fuse-overlayfs rw 0 0
/dev/sdc1 /media/stick fuseblk rw 0 0
/dev/sdd1 /twice ext4 rw 0 0
server:/b /twice nfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/merchantctl", None),
        ("/tmp/x", None),
        ("/srv/nfs", "nfs4"),
        ("/srv/nfs/deep/folder", "nfs4"),
        ("/srv/nfs/local/folder", None),
        ("/srv/nfsx", None),
        ("/srv/smb share/state", "cifs"),
        ("/mnt/c/Users", "9p"),
        ("/home/me/remote/x", "fuse.sshfs"),
        ("/home/me", None),
        ("/containers/x", None),
        ("/media/stick", None),
        ("/twice", "nfs"),
    ],
)
def test_the_deepest_mount_tells_what_a_folder_is_on(folder: str, kind: str | None) -> None:
    assert network_file_system(folder, MOUNTS) == kind


def test_where_nothing_is_known_of_mounts_nothing_is_refused() -> None:
    assert network_file_system("/var", "") is None


async def test_such_a_state_is_refused_with_what_to_do_and_nothing_is_made_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this machine has mounted is said by a file, as the kernel would."""
    table = tmp_path / mounts.MOUNTS.name
    table.write_text(f"overlay / overlay rw 0 0\nserver:/x {tmp_path} nfs rw 0 0\n")
    monkeypatch.setattr(mounts, "MOUNTS", table)
    with pytest.raises(StateUnusable, match=r"network file system \(nfs\).*MERCHANTCTL_STATE"):
        async with open_state(f"sqlite:///{tmp_path}/var/state.db"):
            pass
    assert not (tmp_path / "var").exists()
