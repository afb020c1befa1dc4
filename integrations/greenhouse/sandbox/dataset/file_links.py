"""Links to files of attachments: signed, and served without a credential."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Attachment
from integrations.greenhouse.sandbox.dataset.sample_files import build_sample_file

FILES_PATH = "/attachments"
_LIFETIME = 604_800  # seconds; documented: seven days at most


def build_file_url(dataset: Dataset, row: Attachment) -> str:
    name = quote(row.filename, safe="")
    query = f"expires={_LIFETIME}&signature={_sign_link(dataset, row)}"
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
    if not hmac.compare_digest(query.get("signature", ""), _sign_link(dataset, row)):
        return None
    candidate = dataset.candidates.get(row.candidate_id)
    return row.content or build_sample_file(row.filename, candidate)


def _sign_link(dataset: Dataset, row: Attachment) -> str:
    return hashlib.sha256(f"file {dataset.account} {row.id} {row.created_at}".encode()).hexdigest()
