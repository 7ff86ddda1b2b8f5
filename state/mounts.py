"""Refuse a SQLite database on a network file system: WAL mode does not work there.

Its writers and readers meet in memory that only one machine has (sqlite.org/wal.html, «All processes using a database
must be on the same host computer»), and locks of files reach other machines late, or never.
"""

from __future__ import annotations

from pathlib import Path

from state.errors import StateUnusable

MOUNTS = Path("/proc/self/mounts")
"""Linux's list of what is mounted where, as this process sees it (man 5 fstab)."""

_NETWORK_FILE_SYSTEMS = {
    *("nfs", "nfs4", "cifs", "smb", "smbfs", "smb2", "smb3", "9p", "afs", "coda", "ncpfs", "ceph", "glusterfs"),
    *("lustre", "beegfs", "gpfs", "ocfs2", "gfs2", "orangefs", "davfs"),
}
_FUSE_NETWORK_FILE_SYSTEMS = {
    *("sshfs", "s3fs", "gcsfuse", "goofys", "rclone", "blobfuse", "blobfuse2", "glusterfs", "ceph", "davfs2"),
    *("mount-s3", "juicefs", "nfs", "smbnetfs", "curlftpfs"),
}
"""NAME in the type `fuse.NAME`. Local ones, like `fuse.fuse-overlayfs`, are not listed."""


def refuse_network_folder(database: str) -> None:
    """Raises StateUnusable where the database's folder is on a network file system; an unknown one is allowed."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        folder = Path(database).absolute().parent.resolve()
    except OSError:
        return
    kind = network_file_system(str(folder), mounts)
    if kind:
        raise StateUnusable(
            f"the state {database} is on a network file system ({kind}), where SQLite loses what two machines write. "
            "Name a folder on a disk of this machine with MERCHANTCTL_STATE, or a postgresql://… that all share."
        )


def network_file_system(folder: str, mounts: str) -> str | None:
    """The type of the network file system that a folder is on; None where it is on a local one.

    folder  absolute, links resolved
    mounts  lines of `device folder type options 0 0`; a space in a name is written \\040
    """
    found, deepest = "", -1
    for line in mounts.splitlines():
        _, mount_point, type_, *_ = [*line.split(" "), "", "", ""]
        mount_path = _unescape_mount_point(mount_point).rstrip("/") + "/"
        # The longest mount point counts; of two mounts on one folder the later one hides the earlier.
        if mount_point and f"{folder}/".startswith(mount_path) and len(mount_path) >= deepest:
            found, deepest = type_, len(mount_path)
    if found in _NETWORK_FILE_SYSTEMS or found.partition("fuse.")[2] in _FUSE_NETWORK_FILE_SYSTEMS:
        return found
    return None


def _unescape_mount_point(name: str) -> str:
    if "\\" not in name:
        return name
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        name = name.replace(escape, character)
    return name
