"""The verdict on a file: what its bytes prove, held against what decoding it gave."""

from __future__ import annotations

import re

from longplay.audio.integrity.structure import Structure
from longplay.model import DecodeFacts, Integrity, StreamFacts, Verdict

SLACK_MS = 200
"""Decoded may differ from declared by this much: encoder delay and the last frame's padding, which
decoders trim or not, are up to 100 ms each in lossy formats."""

SLACK_SHARE = 0.001
"""And by this share of the length: clocks rounded to milliseconds drift in long files."""

LOOSE_MS = 1_000
"""Slack against FFmpeg's own idea of the duration, which it may take from an average."""

LOOSE_SHARE = 0.02
"""The same, as a share."""

MAX_COMPLAINTS = 5
"""Complaints of the decoder that are repeated; they come most frequent first."""

_HARMLESS = re.compile(
    r"Format \w+ detected only with low score"
    r"|filesize and duration do not match"
    r"|invalid concatenated file detected - using bitrate"
    r"|Estimating duration from bitrate"
    r"|Could not find codec parameters for stream"
    r"|Discarding ID3 tags"
    r"|Could not update timestamps for"
    r"|Unknown (?:cover|attached picture) "
    r"|[Aa]ttached picture"
    r"|timescale not set"  # a cover's track in MP4
    r"|Incorrect BOM value"
    r"|Error reading (?:comment|lyrics|frame)"
)
"""FFmpeg's remarks on tags and pictures, and guesses of its own that `examine` has no need of."""

_KNOWN = frozenset(
    (
        "ogg",
        "flac",
        "mp3",
        "matroska",
        "wav",
        "w64",
        "aiff",
        "mov",
        "aac",
        "amr",
        "ape",
        "wv",
        "tta",
    )
)
"""FFmpeg's names of the containers that `examine` knows by their first bytes."""

_STAMPED = frozenset(("", "matroska"))
"""Containers in which every packet carries its own time, so that a gap is a loss. In the others
time is counted from what is there, and gaps come from edit lists, chained streams and seeking."""


def judge(
    structure: Structure, stream: StreamFacts | None, decoded: DecodeFacts | None
) -> Integrity:
    """Join a file's own proofs with what decoding gave.

    `whole`: nothing is wrong; `damaged but plays`: something is, and sound came out;
    `unplayable`: no sound came out (`stream` or `decoded` is None where there was none to open).
    Where a checksum over all bytes of the sound holds, the decoder's complaints are about what the
    encoder wrote, and are told without making the file damaged.
    """
    findings, notes = list(structure.findings), list(structure.notes)
    if stream is None or decoded is None or decoded.samples <= 0:
        reason = decoded.failure if decoded is not None and decoded.failure else ""
        findings.append(f"nothing could be decoded{': ' if reason else ''}{reason}")
        return Integrity(Verdict.UNPLAYABLE, structure.proofs, tuple(findings + notes))
    proofs = [*structure.proofs, *_decoded_proofs(structure, decoded)]
    findings += _contradictions(structure, stream, decoded)
    remarks = _remarks(decoded)
    (notes if structure.checksum else findings).extend(remarks)
    if decoded.gaps:
        told = f"{decoded.gaps} gaps between time stamps"
        (findings if structure.container in _STAMPED else notes).append(told)
    verdict = Verdict.DAMAGED if findings else Verdict.WHOLE
    return Integrity(verdict, tuple(proofs), tuple(findings + notes))


def _decoded_proofs(structure: Structure, decoded: DecodeFacts) -> list[str]:
    proofs = []
    if structure.expected_pcm_md5 and decoded.pcm_md5 == structure.expected_pcm_md5:
        proofs.append("MD5 of the decoded samples")
    if structure.exact and decoded.samples == structure.expected_samples:
        proofs.append(f"{decoded.samples} samples decoded, as declared")
    elif structure.expected_ms is not None and (
        abs(structure.expected_ms - decoded.duration_ms) <= _slack(structure.expected_ms)
    ):
        proofs.append(f"{decoded.duration_ms / 1000:.3f} s decoded, as declared")
    return proofs


def _contradictions(structure: Structure, stream: StreamFacts, decoded: DecodeFacts) -> list[str]:
    """What decoding gave against what the file promised."""
    found = []
    if decoded.failure:
        found.append(f"decoding stopped: {decoded.failure}")
    md5 = structure.expected_pcm_md5
    if md5 and decoded.pcm_md5 and decoded.pcm_md5 != md5:
        found.append("the MD5 of the decoded samples is not the one in the file")
    family = stream.container.split(",")[0]
    if not structure.container and family in _KNOWN:
        found.append(f"the file plays as {family} and does not begin as one")
    if structure.exact and structure.expected_samples is not None:
        if decoded.samples != structure.expected_samples:
            found.append(
                f"{decoded.samples} samples were decoded, {structure.expected_samples} are declared"
            )
    elif structure.expected_ms is not None:
        # More than declared is the encoder's padding, or an edit list that hides some.
        if decoded.duration_ms < structure.expected_ms - _slack(structure.expected_ms):
            found.append(_lengths(decoded.duration_ms, structure.expected_ms))
    elif not structure.container and stream.declared_ms:
        slack = LOOSE_MS + LOOSE_SHARE * stream.declared_ms
        if decoded.duration_ms < stream.declared_ms - slack:
            found.append(_lengths(decoded.duration_ms, stream.declared_ms))
    return found


def _remarks(decoded: DecodeFacts) -> list[str]:
    remarks = [words for words in decoded.complaints if not _HARMLESS.search(words)]
    return [f"FFmpeg: {words}" for words in remarks[:MAX_COMPLAINTS]]


def _slack(expected_ms: int) -> float:
    return SLACK_MS + SLACK_SHARE * expected_ms


def _lengths(decoded_ms: int, declared_ms: int) -> str:
    return f"{decoded_ms / 1000:.3f} s were decoded, {declared_ms / 1000:.3f} s are declared"
