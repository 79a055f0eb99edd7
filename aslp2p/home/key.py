"""The domain key: an Ed25519 seed in a file, plain or under a passphrase.

The file is text, one `word: value` a line, after a first line `aslp2p domain key 1`:

    public: ed25519:…                  the key itself; wrong bytes below it are noticed
    seed: …                            32 bytes in hexadecimal, or instead of it
    argon2id: OPERATIONS MEMORY SALT   how the passphrase becomes a key (memory in bytes, salt in hexadecimal)
    sealed: …                          the seed in a secretbox under that key (nonce first), in hexadecimal

Whoever reads the seed can be this domain for ever, so a file that others may read is refused and not quietly
mended: it may have been read already.
"""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.signing import SigningKey

from aslp2p.artifacts.keys import key_text, parse_key, short_key
from aslp2p.errors import UsageError, UserError
from aslp2p.home.files import atomic_create, atomic_write
from aslp2p.home.folder import Home
from aslp2p.home.marks import KEY_FIRST_LINE
from aslp2p.home.retired import require_active
from aslp2p.limits import KDF_MEMORY_BYTES_MAX, KDF_OPERATIONS_MAX, KEY_BYTES, KEY_FILE_BYTES_MAX

PASSPHRASE_VARIABLE = "ASL_PASSPHRASE"

Passphrase = Callable[[], str]
"""Asked only when there is something to unseal."""


class SecretKey:
    """A domain key that can sign. Its secret is never shown, and cannot be pickled or copied."""

    __slots__ = ("_signing", "key")

    key: bytes
    """The public key, 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._signing = SigningKey(seed)
        self.key = bytes(self._signing.verify_key)

    @classmethod
    def generate(cls) -> SecretKey:
        """A new key from the system's entropy."""
        return cls(os.urandom(KEY_BYTES))

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of `message`, 64 bytes."""
        return self._signing.sign(message).signature

    def __repr__(self) -> str:
        return f"SecretKey({short_key(self.key)}…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key does not leave its process")

    def _seed(self) -> bytes:
        return bytes(self._signing)


class KdfCost(NamedTuple):
    """What argon2id spends on a passphrase: passes, and memory in bytes."""

    operations: int
    memory_bytes: int


MODERATE = KdfCost(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE)
"""libsodium's choice for keys at rest: 256 MiB and less than a second, once a start."""


def create_key(
    home: Home, secret: SecretKey | None = None, *, passphrase: str | None = None, cost: KdfCost | None = None
) -> SecretKey:
    """Writes a new key (or `secret`) to the home, sealed when there is a passphrase, and returns it.

    Raises `UserError` when the home has a key already, which is never overwritten; else as `atomic_create`.
    """
    secret = secret or SecretKey.generate()
    try:
        atomic_create(home.key, key_file(secret, passphrase, cost))
    except FileExistsError:
        raise UserError(
            f"{home.key} is there already; a key is never replaced", remedy="use it as it is"
        ) from None
    return secret


def seal_key(home: Home, secret: SecretKey, passphrase: str | None, *, cost: KdfCost | None = None) -> None:
    """Writes the home's own key again, under another passphrase, or (None) under none.

    Raises `UserError` where `secret` is not the home's key; else as `atomic_write`.
    """
    if load_public_key(home) != secret.key:
        raise UserError(f"{home.key} holds another key", remedy="a key is never replaced")
    atomic_write(home.key, key_file(secret, passphrase, cost))


def key_file(secret: SecretKey, passphrase: str | None, cost: KdfCost | None = None) -> bytes:
    """The bytes of a key file that holds `secret`, sealed when there is a passphrase."""
    lines = [KEY_FIRST_LINE, f"public: {key_text(secret.key)}"]
    if passphrase is None:
        lines.append(f"seed: {secret._seed().hex()}")
    else:
        cost, salt = cost or MODERATE, os.urandom(argon2id.SALTBYTES)
        sealed = _box(passphrase, cost, salt).encrypt(secret._seed())
        lines.append(f"argon2id: {cost.operations} {cost.memory_bytes} {salt.hex()}")
        lines.append(f"sealed: {bytes(sealed).hex()}")
    return "".join(line + "\n" for line in lines).encode("ascii")


def load_key(home: Home, passphrase: Passphrase | None = None) -> SecretKey:
    """The home's key; `passphrase` is asked when it is sealed (None: as `ask_passphrase`).

    Raises `UserError` when there is none, others can read it, the passphrase is wrong, it is damaged, or the
    home was moved to another machine (`HomeRetired`): whoever signs comes through here.
    """
    require_active(home)
    return read_key_file(home.key, passphrase)


def read_key_file(path: Path, passphrase: Passphrase | None = None) -> SecretKey:
    """The key in the file `path`, of a home or beside one. Raises as `load_key`, but for a moved home."""
    fields = _read(path)
    if "seed" in fields:
        seed = _bytes(path, fields["seed"], KEY_BYTES)
    else:
        seed = _unseal(path, fields, passphrase or ask_passphrase)
    secret = SecretKey(seed)
    if secret.key != _public(path, fields):
        raise _damaged(path, "the secret in it belongs to another key")
    return secret


def seed_of(secret: SecretKey) -> bytes:
    """The 32 secret bytes of a key, for its owner to keep on paper; whoever has them can be that domain."""
    return secret._seed()


def load_public_key(home: Home) -> bytes:
    """The home's public key, 32 bytes, without any passphrase. Raises as `load_key`."""
    return _public(home.key, _read(home.key))


def is_sealed(home: Home) -> bool:
    """Whether loading the key takes a passphrase. Raises as `load_key`."""
    return "sealed" in _read(home.key)


def ask_passphrase(environment: Mapping[str, str] = os.environ) -> str:
    """The passphrase from `ASL_PASSPHRASE`, else from the terminal.

    Raises `UserError` when there is neither.
    """
    given = environment.get(PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise UserError(
            "the key is sealed and there is no terminal to ask for its passphrase",
            remedy=f"set {PASSPHRASE_VARIABLE}",
        )
    return getpass.getpass("Passphrase of this machine's key: ")


def ask_new_passphrase() -> str | None:
    """A new passphrase, typed twice on the terminal; None when nothing was typed. Raises `UserError`."""
    if not sys.stdin.isatty():
        raise UserError("a new passphrase is typed on a terminal, and there is none", remedy="use one")
    typed = getpass.getpass("New passphrase of this machine's key (nothing: none): ")
    if getpass.getpass("Once more: ") != typed:
        raise UserError("these are two different ones, and nothing has changed", remedy="try again")
    return typed or None


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(KEY_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise UserError(
            f"there is no key at {path}", remedy="make one with `asl init` or `asl join`"
        ) from None
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror})", remedy="run this as its owner") from None
    if mode & 0o077:
        raise UserError(
            f"others can read {path} (mode {mode:04o}) and may have done so",
            remedy=f"type: chmod 600 {path}",
        )
    # The last line's newline is written last: without it the file is not whole.
    if len(data) > KEY_FILE_BYTES_MAX or not data.isascii() or not data.endswith(b"\n"):
        raise _damaged(path, "it is cut off, or no text")
    first, *lines = data.decode("ascii").splitlines()
    if first != KEY_FIRST_LINE:
        raise _damaged(path, f"its first line is not {KEY_FIRST_LINE!r}")
    fields = dict(_field(path, line) for line in lines)
    if len(fields) != len(lines) or set(fields) not in ({"public", "seed"}, {"public", "argon2id", "sealed"}):
        raise _damaged(path, "a line is missing, or one too many")
    return fields


def _field(path: Path, line: str) -> tuple[str, str]:
    word, colon, value = line.partition(": ")
    if not colon:
        raise _damaged(path, "it has a line without a value")
    return word, value


def _public(path: Path, fields: dict[str, str]) -> bytes:
    try:
        return parse_key(fields["public"])
    except UsageError:
        raise _damaged(path, "its public key is none") from None


def _unseal(path: Path, fields: dict[str, str], passphrase: Passphrase) -> bytes:
    words = fields["argon2id"].split(" ")
    if len(words) != 3 or not all(word.isdigit() and len(word) < 12 for word in words[:2]):
        raise _damaged(path, "its argon2id line is wrong")
    cost = KdfCost(int(words[0]), int(words[1]))
    if cost.operations > KDF_OPERATIONS_MAX or cost.memory_bytes > KDF_MEMORY_BYTES_MAX:
        raise _damaged(path, "it asks for more memory or time than any key does")
    salt = _bytes(path, words[2], argon2id.SALTBYTES)
    sealed = _bytes(path, fields["sealed"], KEY_BYTES + SecretBox.NONCE_SIZE + SecretBox.MACBYTES)
    try:
        box = _box(passphrase(), cost, salt)
    except (ValueError, RuntimeError, CryptoError) as error:
        raise UserError(f"the key cannot be unsealed here ({error})", remedy="free some memory") from None
    try:
        return box.decrypt(sealed)
    except CryptoError:
        raise UserError(f"this is not the passphrase of {path}", remedy="try again") from None


def _box(passphrase: str, cost: KdfCost, salt: bytes) -> SecretBox:
    # A passphrase from the environment may hold bytes that are no text; the same bytes come out here.
    typed = passphrase.encode("utf-8", "surrogateescape")
    return SecretBox(argon2id.kdf(SecretBox.KEY_SIZE, typed, salt, cost.operations, cost.memory_bytes))


def _bytes(path: Path, digits: str, size: int) -> bytes:
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if len(data) != size:
        raise _damaged(path, f"a value in it is not {size} bytes in hexadecimal")
    return data


def _damaged(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} is damaged: {what}",
        remedy="put it back from a backup; without one this domain needs a new key",
    )
