"""volatile_disk.py - cuts the power of the disk that queue/volatile_disk.c writes the journal of.

What was synced stays. Of all else nobody knows: each write to a file may have reached the disk or not, and of
the names in a folder the first so many changes have.
"""
import mmap
import os
import pathlib
import shutil
import struct

NOTHING, WRITE, TRUNCATE, CREATE, RENAME, UNLINK, SYNC = range(7)
NAMES = {CREATE, RENAME, UNLINK}
RECORD = struct.Struct("<6Q")


class Record:
    def __init__(self, at, fields, more):
        self.at, self.more = at, more
        self.kind, self.inode, self.offset, self.length, self.size, _ = fields

    def names(self):
        return [name.decode() for name in self.more.split(b"\0")[:2]]


class VolatileDisk:
    """All below `folder`; `room` is a folder beside it, of the same file system."""

    def __init__(self, shim, folder, room):
        self.folder, self.room = pathlib.Path(folder).resolve(), pathlib.Path(room)
        self.journal, self.trash = self.room / "journal", self.room / "trash"
        self.trash.mkdir(parents=True)
        self.environment = {"LD_PRELOAD": shim, "POSTERN_DISK": str(self.folder),
                            "POSTERN_DISK_JOURNAL": str(self.journal), "POSTERN_DISK_TRASH": str(self.trash)}

    def records(self):
        with open(self.journal, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as journal:
            at, (used,) = 8, struct.unpack_from("<Q", journal)
            while at < used:
                fields = RECORD.unpack_from(journal, at)
                start, length = at + RECORD.size, fields[-1]
                yield Record(at, fields, journal[start:start + length])
                at = (start + length + 7) & ~7

    def cut(self, dice):
        """Takes back what was not synced, by chance or all of it. The process must have been killed. Gives how
        many changes were not synced, and how many were taken back."""
        records, synced = list(self.records()), {}
        for record in records:
            if record.kind == SYNC:
                synced[record.inode] = max(synced.get(record.inode, 0), record.offset)
        open_ones = [record for record in records
                     if record.kind not in (NOTHING, SYNC) and record.at >= synced.get(record.inode, 0)]
        lost = self.choose(open_ones, dice)
        for record in reversed(lost):
            if record.kind in NAMES:
                self.take_back_name(record)
        files = {file.stat().st_ino: file for file in self.folder.rglob("*") if file.is_file()}
        for record in reversed(lost):
            if record.kind not in NAMES and record.inode in files:
                self.take_back_octets(record, files[record.inode])
        self.journal.unlink()
        for file in self.trash.iterdir():
            file.unlink()
        return len(open_ones), len(lost)

    @staticmethod
    def choose(records, dice):
        """Everything; or some of the writes, and what came last of each folder's names."""
        if dice.random() < 0.5:
            return records
        chance, counts = dice.random(), {}
        for record in records:
            if record.kind in NAMES:
                counts[record.inode] = counts.get(record.inode, 0) + 1
        kept = {inode: dice.randrange(count + 1) for inode, count in counts.items()}
        lost = []
        for record in records:
            if record.kind not in NAMES:
                if dice.random() < chance:
                    lost.append(record)
            elif kept[record.inode] > 0:
                kept[record.inode] -= 1
            else:
                lost.append(record)
        return lost

    @staticmethod
    def take_back_name(record):
        name, other = record.names()
        if record.kind == CREATE and os.path.isdir(name):
            shutil.rmtree(name)
        elif record.kind == CREATE and os.path.exists(name):
            os.unlink(name)
        elif record.kind == RENAME and os.path.exists(name) and os.path.isdir(os.path.dirname(other)):
            os.rename(name, other)
        elif record.kind == UNLINK and not os.path.exists(name) and os.path.isdir(os.path.dirname(name)):
            os.link(other, name)

    @staticmethod
    def take_back_octets(record, file):
        with open(file, "r+b") as out:
            out.seek(record.offset)
            out.write(record.more)
            if record.kind == TRUNCATE or record.offset + record.length >= out.seek(0, os.SEEK_END):
                out.truncate(record.size)
