"""Labels for candidates on the pages of applications."""

from __future__ import annotations

from portal.entitlements.candidate_labels import get_candidate_label as get_candidate_label
from portal.entitlements.candidate_labels import may_show_names as may_show_names
