"""Links to files of attachments: signed, and served without a credential."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import date, timedelta
from urllib.parse import quote

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Attachment
from integrations.greenhouse.sandbox.dataset.sample_files import build_sample_file

FILES_PATH = "/attachments"
_LIFETIME = timedelta(days=7)  # documented: at most


def build_file_url(dataset: Dataset, row: Attachment) -> str:
    """Return the day's link; asking again on another day gives another one."""
    name = quote(row.filename, safe="")
    day = dataset.clock().date().isoformat()
    seconds = int(_LIFETIME.total_seconds())
    query = f"date={day}&expires={seconds}&signature={_sign_link(dataset, row, day)}"
    return f"{dataset.files_url}/{row.id}/{name}?{query}"


def read_linked_file(
    datasets: Mapping[str, Dataset], path: str, query: Mapping[str, str]
) -> bytes | None:
    """None if the link is not ours, or the file is gone."""
    account, _, rest = path.removeprefix(f"{FILES_PATH}/").partition("/")
    dataset, number = datasets.get(account), rest.partition("/")[0]
    row = dataset.attachments.get(int(number)) if dataset and number.isdecimal() else None
    if dataset is None or row is None:
        return None
    day = query.get("date", "")
    if not hmac.compare_digest(query.get("signature", ""), _sign_link(dataset, row, day)):
        return None
    if date.fromisoformat(day) + _LIFETIME < dataset.clock().date():
        return None
    candidate = dataset.candidates.get(row.candidate_id)
    return row.content or build_sample_file(row.filename, candidate)


def _sign_link(dataset: Dataset, row: Attachment, day: str) -> str:
    text = f"file {dataset.account} {row.id} {row.created_at} {day}"
    return hashlib.sha256(text.encode()).hexdigest()
