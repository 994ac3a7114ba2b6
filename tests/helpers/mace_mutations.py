"""Files of MACE, damaged on purpose: behind repaired checksums, so that the damage gets past the container."""

import pickletools
import random
import struct
import zipfile
from io import BytesIO


def records(content: bytes) -> dict[str, bytes]:
    """The records of a zip archive, by name."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(parts: dict[str, bytes]) -> bytes:
    """A stored zip archive with right checksums."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as file:
        for name, part in parts.items():
            file.writestr(name, part)
    return target.getvalue()


def mutated(content: bytes, seed: int) -> bytes:
    """One of five kinds of damage, chosen and placed by the seed."""
    random_ = random.Random(seed)
    return _KINDS[seed % len(_KINDS)](content, random_)


def _flip_anywhere(content: bytes, random_: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(random_.choice((1, 3, 30))):
        damaged[random_.randrange(len(damaged))] ^= 1 << random_.randrange(8)
    return bytes(damaged)


def _truncate(content: bytes, random_: random.Random) -> bytes:
    return content[: random_.randrange(len(content))]


def _flip_in_pickle(content: bytes, random_: random.Random) -> bytes:
    parts = records(content)
    name = _pickle(parts)
    damaged = bytearray(parts[name])
    for _ in range(random_.choice((1, 2, 8))):
        damaged[random_.randrange(len(damaged))] = random_.randrange(256)
    return archive(parts | {name: bytes(damaged)})


def _swap_records(content: bytes, random_: random.Random) -> bytes:
    parts = records(content)
    for _ in range(random_.choice((1, 3))):
        first, second = random_.sample(list(parts), 2)
        parts[first], parts[second] = parts[second], parts[first]
    if random_.random() < 0.3:
        del parts[random_.choice(list(parts))]
    return archive(parts)


def _replace_steps(content: bytes, random_: random.Random) -> bytes:
    """Steps of the pickle replaced by others, doubled, left out, or given another argument."""
    parts = records(content)
    name = _pickle(parts)
    steps = [place for _, _, place in pickletools.genops(parts[name])]
    damaged = bytearray(parts[name])
    codes = [opcode.code.encode("latin1")[0] for opcode in pickletools.opcodes]
    for _ in range(random_.choice((1, 2, 5))):
        place = random_.choice(steps)
        what = random_.randrange(3)
        if what == 0 and place < len(damaged):
            damaged[place] = random_.choice(codes)
        elif what == 1:
            damaged[place:place] = bytes([random_.choice(codes)])
        else:
            damaged[place : place + 5] = struct.pack("<BI", random_.choice(codes), random_.randrange(2**32))
    return archive(parts | {name: bytes(damaged)})


def _pickle(parts: dict[str, bytes]) -> str:
    return next(name for name in parts if name.endswith(("data.pkl", "eager_model.pkl")))


_KINDS = (_flip_anywhere, _truncate, _flip_in_pickle, _swap_records, _replace_steps)
