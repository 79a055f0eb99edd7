"""The bounds that peers, files or several modules feel, with their units in their names (A4). A bound that
only one module knows of stands in that module. What relates two bounds is asserted at the end."""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# --- canonical encoding ---------------------------------------------------------------------------

DEPTH_MAX = 8
"""Arrays inside each other."""
ARRAY_ITEMS_MAX = 2048

# --- artifacts ------------------------------------------------------------------------------------

KEY_BYTES = 32
ID_BYTES = 32
SIGNATURE_BYTES = 64
PROTOCOL_VERSION = 1
UINT_MAX = 2**53 - 1
"""Every integer in a body: exact in every language that may read one."""

AUTHORITIES_MAX = 32
ANCHORS_MAX = 64
MEMBERS_MAX = 2048
"""Keys that are or were members, but for those that were forgotten."""
PLACES_OF_AUTHORITIES = 1920
PLACES_OF_MEMBERS = 1024
"""Where admits that rest on an authority, and on any other member, stop: the rest is for policy changes."""
ADMITS_PER_MEMBER_MAX = 64
"""Admits that rest on one member who is no authority."""
ABANDONS_MAX = 64
EVIDENCE_MAX = 8
PROPOSALS_PER_SNAPSHOT_MAX = 1024

PROPOSAL_BODY_BYTES_MAX = 16 * KIB
GENESIS_BODY_BYTES_MAX = 32 * KIB
SNAPSHOT_BODY_BYTES_MAX = 96 * KIB
SMALL_BODY_BYTES_MAX = 2 * KIB
ARTIFACT_BYTES_MAX = 128 * KIB
"""Any signed artifact, envelope included."""

EPOCH_MAX = 2**52
"""The highest epoch of a certificate (V6)."""
EPOCH_STRIDE = 2**19
"""How far above what is reached an authority endorses (S1)."""
BRANCHES_MAX = 256
"""Branches of one history that are kept: each needs a takeover, or a witness that lies."""
BRANCHES_BELOW_MAX = 16
"""Of those: for lines below the floor and beside what is final, which come to nothing (F5)."""
BELOW_SNAPSHOTS_MAX = 512
BELOW_PROPOSALS_MAX = 2048
"""Of one line below the floor, above where it leaves the line of the floor: how much of it is kept."""
BRANCHES_FOR_TAKEOVERS = 128
"""Of the others: for takeovers only, so that a lying witness cannot fill the place of what replaces it."""
EVIDENCE_PAIRS_MAX = 64
EVIDENCE_PER_REIGN_MAX = 8
"""Of those, against one witness in one epoch: the lowest are what cuts its histories off."""
GRACE_PERIOD_MS_MIN = 200
GRACE_PERIOD_MS_MAX = 10 * 365 * 24 * 3600 * 1000

# --- content --------------------------------------------------------------------------------------

CHUNK_BYTES = MIB
"""Content up to here is one artifact; above, every chunk but the last is exactly this long."""
MANIFEST_BYTES_MAX = MIB
MANIFEST_HEADER_BYTES_MAX = 30
"""Array of three (1), tag (15), size (9), header of the ids (5)."""
CONTENT_CHUNKS_MAX = (MANIFEST_BYTES_MAX - MANIFEST_HEADER_BYTES_MAX) // ID_BYTES
ERASABLE_BYTES_MIN = 64
"""Of a content: what is smaller anybody has, or can guess."""
CONTENT_BYTES_MAX = CONTENT_CHUNKS_MAX * CHUNK_BYTES
"""What one manifest can list: one chunk short of 32 GiB."""

# --- what a machine keeps -------------------------------------------------------------------------

COPIES_DEFAULT = 2
COPIES_MAX = 16
"""Other members that have to keep what goes from a machine."""
PATTERNS_MAX = 64
PATTERN_CHARS_MAX = 1024
PINS_MAX = 256
KEEP_BYTES_MAX = MIB
"""What is stored of a machine's decisions; more than all patterns and pins take."""

# --- Merkle log -----------------------------------------------------------------------------------

LOG_SIZE_MAX = UINT_MAX
PROOF_NODES_MAX = 64
TILE_LEVEL = 8
"""Interior nodes from this level up are kept: each covers whole runs of 2**8 leaves."""

# --- names, paths, texts --------------------------------------------------------------------------

NAME_BYTES_MAX = 64
PATH_BYTES_MAX = 1024
PATH_COMPONENT_BYTES_MAX = 255
MEDIA_TYPE_BYTES_MAX = 128
TEXT_BYTES_MAX = 512
CODE_BYTES_MAX = 32
"""The reason code of a rejection."""
ID_PREFIX_DIGITS_MIN = 4
"""What a person has to type of an id, in hexadecimal digits."""

# --- invites --------------------------------------------------------------------------------------

NETWORK_SECRET_BYTES = 32
INVITE_TOKEN_BYTES_MAX = 512
INVITE_SEED_BYTES = 32
INVITE_USES_MAX = 1000
"""Keys that one invite may let in."""
INVITE_HINTS_MAX = 8
HOST_BYTES_MAX = 255
INVITE_CHECKSUM_BYTES = 4
INVITE_BYTES_MAX = 3 * KIB
"""The packed invite, before its text form."""
INVITE_TEXT_CHARS_MAX = 4 * INVITE_BYTES_MAX
"""What is looked at of a pasted invite: 8/5 of its bytes, and as much again of white space and hyphens."""

# --- links ----------------------------------------------------------------------------------------

LINK_NETWORKS_MAX = 64
"""Network secrets that a responder tries on a first message (G2)."""
LINK_NAME_BYTES_MAX = NAME_BYTES_MAX
LINK_TOKEN_BYTES_MAX = INVITE_TOKEN_BYTES_MAX
LINK_PROOF_BYTES_MAX = 11 + KEY_BYTES + SIGNATURE_BYTES + LINK_TOKEN_BYTES_MAX + LINK_NAME_BYTES_MAX
"""Array (1), version (1), headers of two short and one long byte string (2, 2, 3) and of the name (2)."""
LINK_FRAME_BYTES_MAX = 2**16 - 1
"""What follows a frame's length: a Noise message, its tag included."""
LINK_TAG_BYTES = 16
LINK_FRAME_PLAINTEXT_BYTES_MAX = LINK_FRAME_BYTES_MAX - LINK_TAG_BYTES
LINK_FRAMES_PER_KEY = 2**14
"""Frames in one direction before its key is replaced."""
LINK_HANDSHAKE_BYTES_MAX = 4 * KIB
"""What a peer that has proved nothing yet can make us keep."""
MESSAGE_BYTES_MAX = MIB + 64 * KIB
"""One message over a link, its own encoding included: a chunk of content and its address fit."""

# --- gossip ---------------------------------------------------------------------------------------

IDS_PER_MESSAGE_MAX = 1024
LOCATORS_MAX = 64
NEIGHBOURS_MAX = 64
ADDRESSES_PER_MESSAGE_MAX = 16
OPEN_BUCKETS = 16
OPEN_DIGEST_BYTES = 8 * OPEN_BUCKETS
FANOUT_MAX = 8
"""Peers that get a new artifact itself at once; all others learn its id and ask (G3)."""
PUSH_BYTES_MAX = 256 * KIB
"""Artifacts and contents in one push."""
INLINE_CONTENT_BYTES_MAX = 8 * KIB
"""Content that travels with its proposal instead of being asked for."""
RANGE_SNAPSHOTS_MAX = 256
RANGE_BYTES_MAX = 512 * KIB
RANGES_PER_PEER_MAX = 2
RANGES_BUFFERED_MAX = 8
"""Answers asked for or waiting for their turn in one catch-up: 8 times 512 KiB."""
DEFER_RUN_MIN = 24
"""A run at least this long is shown before every signature in it is audited (G4)."""
AUDIT_BATCH = 128
HEADS_INTERVAL_MS = 60_000
"""A quiet link says where it stands this often, while the two ends do not stand at the same place."""
HEADS_AGREED_MS = 600_000
"""And this often while they do: a dead link is noticed by TCP, long before."""
HEADS_SPACING_MS = 500
"""A busy one at most this often."""
RECONCILE_SPACING_MS = 2_000
REQUEST_TIMEOUT_MS = 15_000
REPAIR_MS = 30_000
"""How long peers have to prove a signature that failed the audit, before what stands on it is rolled back."""
KNOWN_IDS_MAX = 4096
PEERS_MAX = 64
PEERS_RESERVED = 16
"""Of those: for the witness and authorities alone."""
TOLL_TOKENS_MAX = 6_000
TOLL_PER_SECOND = 100
"""What may be asked for again, and small talk (`core/tolls.py`)."""
TOLL_REJECTION = 5
"""For each proposal that the witness has to refuse, as long as half of an account's tokens are left."""
COMPANY_MS = 2_000
"""For so long after somebody proposed something whoever takes much leaves room for it."""
USELESS_TOKENS_MAX = 20_000
USELESS_PER_SECOND = 500
"""Duplicates and what nobody asked for: what one peer may send before it is dropped."""
PENDING_MAX = 8192
PENDING_PER_AUTHOR_MAX = 2048
REJECTIONS_MAX = 1024
WAITING_SNAPSHOTS_MAX = 32
CONTENT_REQUESTS_PER_PEER_MAX = 128
CONTENT_REQUESTED_BYTES_PER_PEER = 16 * MIB
"""Under way from one peer, as far as sizes are known: what came last says how long the next ones are."""
CONTENT_TYPICAL_BYTES = 256 * KIB
"""How long contents are taken to be before any has come."""
CONTENT_WINDOW = 256
"""Wanted contents that are looked up at once."""
CONTENT_BATCH_BYTES_MAX = MIB
CONTENT_RETRY_MS = 1_000
CONTENT_RETRY_MS_MAX = 1_800_000
"""The pause before peers are asked again for what none of them had, at first and at most."""
HOLDING_IDS_MAX = 256
"""Contents about which a peer is asked at once whether it holds and keeps them."""
HOLDING_LOOKS_MAX = 8192
"""Pieces that are looked up for one such question; the first content is looked at however large it is."""
CONFIRMED_MS = 3_600_000
"""How long it counts that a member said that it holds and keeps a content, from when it was asked."""
PLEDGE_MS = 5_400_000
"""How long whoever said so does not drop it, whatever its owner decides."""
BATCH_SPACING_MS = 3
"""A witness emits at once when it has been quiet this long, else it waits until it has."""
SNAPSHOT_PROPOSALS_MAX = 512
"""What one of ours lists; others may list up to `PROPOSALS_PER_SNAPSHOT_MAX`."""

assert CONFIRMED_MS < PLEDGE_MS
assert RANGE_BYTES_MAX + ARTIFACT_BYTES_MAX * 2 < MESSAGE_BYTES_MAX
assert PUSH_BYTES_MAX + ARTIFACT_BYTES_MAX < MESSAGE_BYTES_MAX
assert SNAPSHOT_PROPOSALS_MAX <= PROPOSALS_PER_SNAPSHOT_MAX < ARRAY_ITEMS_MAX

# --- succession -----------------------------------------------------------------------------------

BEACON_MS_MIN = 50
BEACON_MS_MAX = 3_600_000
ROUND_MS_MIN = 250
ROUND_MS_MAX = 24 * 3_600_000
GAP_MS_MAX = 24 * 3_600_000
"""What one gap (off, asleep, alone) adds to a silence at most; and never more than a tenth of the grace
period."""
SUSPEND_MS_MIN = 5_000
"""How far the wall clock has to run ahead of the monotonic one to count as a suspended machine."""
COSIGN_SPACING_MS = 200
"""An authority cosigns heads at most this often."""
SILENCE_SAVE_MS = 30_000
RETURN_WAIT_MS = 2_000
"""How long a witness that starts waits for somebody to tell it that it was replaced (S10)."""
PROMISES_PER_AUTHOR_MAX = 2
"""Successions of one author that a daemon endorses by itself in a round, and that it proposes (S14)."""
PROMISES_PER_ROUND_MAX = 3 * (AUTHORITIES_MAX + 1)
"""Successions that a key endorses in a round: two of each authority and of the witness, and people's."""
PROMISES_GUARD_MAX = 4 * PROMISES_PER_ROUND_MAX
"""Promises and proposals about succession in a round at which a driver stops a node."""
TICKS_AT_ONCE_MAX = 2_000
"""Ticks that a core wants without time passing and without work getting on, at which a driver stops it."""
SPECIAL_PER_AUTHOR_MAX = 16
"""Open successions and policy changes of one author."""
COSIGNATURES_PER_SIGNER_MAX = 8
"""Open ones of one authority: more than one only where it cosigned lines that exclude each other."""
WAITING_PAPER_MAX = 256
"""Endorsements and cosignatures of what is not here yet."""
FETCHING_GRACES = 10
"""Grace periods for which a witness that fetches content from us is waited for (S2)."""
BEACON_RESERVE = 1024
"""Beacon counters reserved on disk at once."""

# --- relations -------------------------------------------------------------------------------------

assert LINK_PROOF_BYTES_MAX + LINK_TAG_BYTES + 2 <= LINK_HANDSHAKE_BYTES_MAX
assert LINK_HANDSHAKE_BYTES_MAX < LINK_FRAME_PLAINTEXT_BYTES_MAX < MESSAGE_BYTES_MAX
assert PINS_MAX * (PATH_BYTES_MAX + 16) < KEEP_BYTES_MAX
assert 2 * PATTERNS_MAX * (4 * PATTERN_CHARS_MAX + 5) < KEEP_BYTES_MAX
assert CHUNK_BYTES < MESSAGE_BYTES_MAX and ARTIFACT_BYTES_MAX < MESSAGE_BYTES_MAX < 2**32

# --- control socket -------------------------------------------------------------------------------

CONTROL_LINE_BYTES_MAX = 2 * MIB
"""One JSON object with its newline: a chunk in base64 fits."""
CONTROL_CONNECTIONS_MAX = 64
"""Served at once; further ones wait their turn in the kernel's backlog."""
CONTROL_BACKLOG = 128
CONTROL_CALLS_MAX = 64
"""In flight on one connection; the next line is read when one of them is answered."""
DESCRIPTORS_MAX = 32
"""Open files that a client has handed over on one connection and that no call has taken yet."""
CONTROL_BATCH_MAX = 256
CONTROL_SUBSCRIPTIONS_MAX = 16
"""On one connection."""
CONTROL_EVENTS_MAX = 256
"""Waiting for one subscriber; what comes above is counted and dropped."""
CONTROL_EVENT_BYTES_MAX = 16 * KIB
SOCKET_PATH_BYTES_MAX = 103
"""What every system's `sockaddr_un` holds (macOS: 104 with the NUL)."""

# --- pairing --------------------------------------------------------------------------------------

PAIRING_NUMBER_MAX = 255
PAIRING_CODE_CHARS_MAX = 64
PAIRING_CODE_S = 15 * 60
"""How long a code lives that nobody uses."""
PAIRING_OPEN_MAX = 4
"""Codes that one machine has open at once, and calls to others."""
PAIRING_MESSAGE_BYTES_MAX = 8 * KIB
"""The longest holds an invite."""
PAIRING_MESSAGES_MAX = 4
"""From each side; a pairing takes three."""

# --- home -----------------------------------------------------------------------------------------

HOME_VERSION = 1
"""Written to `HOME/version`; a home with a higher one is refused."""
KEY_FILE_BYTES_MAX = 4 * KIB
CONFIG_BYTES_MAX = 256 * KIB
NOTICES_MAX = 256
"""What a person is to be told and has not seen; what comes above waits for a place."""
NOTICES_BYTES_MAX = 4 * MIB
DISK_LOW_BYTES = 512 * MIB
"""Below it the owner of the disk is told; the store still works."""
CLOCK_OFF_MS = 300_000
"""How far the newest snapshot may be ahead of a clock before its owner is told: an invite is good until a
time on the clock of whoever lets in, and what is put carries the time of its author."""
HOME_FILE_HEADER_BYTES_MAX = 256 * KIB
"""Of a file that carries a home: what it holds, by name and size."""
KDF_MEMORY_BYTES_MAX = 1024 * MIB
KDF_OPERATIONS_MAX = 16
"""What an encrypted key file may ask of argon2id before it is refused as damaged."""

# --- bundles and proofs ---------------------------------------------------------------------------

BUNDLE_ARTIFACTS_MAX = 2**20
BUNDLE_ARTIFACT_BYTES_MAX = 256 * MIB
"""All signed artifacts of one bundle together: they are judged together, so they are in memory at once."""
BUNDLE_CONTENTS_MAX = 2**20
"""Pieces of content, of up to 1 MiB each: never in memory together."""
BUNDLES_UNDER_WAY_MAX = 4
"""Bundles that a daemon is being sent at once."""
WAITING_ARTIFACTS_MAX = 2**16
WAITING_BYTES_MAX = 64 * MIB
"""What imported bundles brought and what has no place yet, kept beside the store."""
PROOF_BYTES_MAX = MIB
"""In base64 it fits one line of the control socket."""
PROOF_LINE_MAX = ARRAY_ITEMS_MAX
"""Snapshots in one proof; proposals too."""
PROOF_WHOLE_BYTES = 256 * KIB
"""A proof that stays below this holds the whole history up to what it proves."""

# --- files and commands of people -------------------------------------------------------------------

YAML_CHARS_MAX = 64 * KIB
"""Of a file that people write: a policy, a scenario."""
VIEW_PAGE_MAX = 400
"""Entries, snapshots or proposals in one answer: with the longest paths, escaped, a control line still holds
them."""
UPLOADS_MAX = 16
"""Files being taken in through the control socket at once."""
UPLOAD_IDLE_S = 300
"""An upload that nobody feeds for so long is forgotten."""
PUTS_IN_FLIGHT_MAX = 256
"""Proposals that `asl put` has under way and not yet witnessed."""
PUTS_AT_ONCE_MAX = 256
"""Puts and removals that come over the control socket in one call."""

assert VIEW_PAGE_MAX * (3 * PATH_BYTES_MAX + KIB) < CONTROL_LINE_BYTES_MAX
