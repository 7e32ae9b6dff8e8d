"""Secrets of an installation: made once in its data folder (mode 0600), never defaults, never in the database."""

import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cat_engine import Fault, Faulty

SHORTEST = 32  # bytes of a key


@dataclass(frozen=True, slots=True)
class Keys:
    """cookie signs sessions; pepper keys the PIN hashes; signing (Ed25519) signs checkpoints."""

    cookie: bytes
    pepper: bytes
    signing: Ed25519PrivateKey

    @property
    def public_hex(self) -> str:
        """The public half of the signing key, to be printed and kept outside."""
        return self.signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def load_keys(folder: Path) -> Keys:
    """Read FOLDER/keys.json, or make it. Raises OSError where the folder cannot be written, Faulty where the file is damaged."""
    path = folder / "keys.json"
    if not path.exists():
        made = {name: secrets.token_hex(32) for name in ("cookie", "pepper", "signing")}
        draft = folder / f".keys-{os.getpid()}-{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(made, file)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its keys hold
            os.link(draft, path)  # whole or not at all
        draft.unlink()
    try:
        held = json.loads(path.read_bytes())
        cookie, pepper, seed = (bytes.fromhex(held[name]) for name in ("cookie", "pepper", "signing"))
        if min(len(cookie), len(pepper)) < SHORTEST:
            raise ValueError
        return Keys(cookie, pepper, Ed25519PrivateKey.from_private_bytes(seed))
    except (ValueError, KeyError, TypeError):  # what stands in it is not shown
        remedy = "put back the copy that was kept with this database; new keys would open no PIN and sign no old wave"
        raise Faulty([Fault(str(path), "", "is damaged", remedy)]) from None


def pin_hash(pepper: bytes, attempt: str, pin: str) -> str:
    """HMAC-SHA256 of a PIN under a key that is not in the database.

    Six digits are a million guesses: no slow hash protects them once the database is out, a key that lives elsewhere does. Online guessing is
    stopped by the lock after five tries.
    """
    return hmac.new(pepper, f"{attempt}:{pin}".encode(), hashlib.sha256).hexdigest()


def name_hash(pepper: bytes, door: str, name: str) -> str:
    """HMAC-SHA256 of a name at a door ("taker" | "officer"): what is kept of it where tries are counted."""
    return hmac.new(pepper, f"{door}|{name}".encode(), hashlib.sha256).hexdigest()
