"""Résumés beside the decision: every kind, none, and a file made to do harm."""

from __future__ import annotations

import base64
import re
import sys

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.integrations.documents.hostile_files import HTML
from tests.journeys.conftest import Demo, Person, get_visible_text

pytestmark = pytest.mark.browser

# By their order in the review. The portal remembers them from one test to the next, so they are the
# same in all tests, on a requisition that no other test opens.
JOB = "Warehouse Associate"
RESUMES = {
    "pdf": ("Ada Park résumé.pdf", b""),
    "docx": ("resume.docx", b""),
    "picture": ("scan.png", b""),
    "doc": ("resume.doc", b""),
    "hostile": ("resume.pdf", HTML),
    "none": ("", b""),
}
# Measures from the next key until the second résumé is on the page.
RESUME_CLOCK = """() => addEventListener("keydown", () => {
  const pressedAt = performance.now();
  const look = () => {
    const name = document.querySelector("#resume .resume-name");
    if (!name || name.textContent !== "resume.docx") return requestAnimationFrame(look);
    window.resumeAfter = performance.now() - pressedAt;
  };
  requestAnimationFrame(look);
}, { once: true, capture: true })"""


@pytest.fixture
def sam(connected_demo: Demo, person) -> Person:
    """A recruiter whose review has just begun, with words to highlight."""
    recruiter: Person = person("sam@acme.example")
    page = recruiter.page
    page.get_by_role("link", name=JOB).click()
    page.wait_for_url(re.compile(r"/requisitions/\d+/"))
    _prepare_resumes(connected_demo, page)
    page.get_by_role("button", name="Review one by one").click()
    page.wait_for_url(re.compile("/review/"))
    page.keyboard.press("?")
    page.get_by_label("Words to highlight").fill("years, SQL, Rust")
    page.get_by_role("button", name="Save").click()
    expect(get_visible_text(page, "Saved.").first).to_be_visible()
    return recruiter


def _prepare_resumes(demo: Demo, page: Page) -> None:
    page.wait_for_load_state()
    rows = page.locator("tr[id^=application-]").all()
    assert len(rows) >= len(RESUMES)
    for row, (filename, content) in zip(rows, RESUMES.values(), strict=False):
        number = int((row.get_attribute("id") or "").removeprefix("application-"))
        values: dict[str, object] = {"application_id": demo.find_remote_id(number)}
        if filename:
            values |= {"filename": filename, "content": base64.b64encode(content).decode()}
        action = "replace_resume" if filename else "remove_resumes"
        body = {"action": action, **values}
        httpx.post(f"{demo.sandbox_url}/__mutate", json=body, timeout=60).raise_for_status()


def _open_place(person: Person, kind: str) -> Locator:
    """The résumé of this kind, beside its application."""
    place = list(RESUMES).index(kind) + 1
    person.page.goto(f"{person.page.url.partition('?')[0]}?position={place}")
    return person.page.get_by_role("region", name="Résumé", exact=True)


def test_every_kind_beside_the_decision(demo: Demo, sam: Person) -> None:
    requests: list[str] = []
    sam.page.on("request", lambda request: requests.append(request.url))
    for kind, (filename, _) in RESUMES.items():
        panel = _open_place(sam, kind)
        if kind == "hostile":
            expect(panel).to_contain_text("Couldn't show this file. Open in Greenhouse")
        elif kind == "none":
            expect(panel).to_contain_text("No résumé in Greenhouse.")
            expect(panel.get_by_role("link")).to_have_count(0)
        else:
            expect(panel).to_contain_text(filename)
            expect(panel.get_by_role("link", name="Download résumé")).to_be_visible()
        sam.check_page(f"57-resume-{kind}")
    local = (demo.url, "data:image/jpeg;base64,")
    assert all(url.startswith(local) for url in requests), "only the portal is asked"


def test_text_view_counts_saved_words(sam: Person) -> None:
    page, panel = sam.page, _open_place(sam, "pdf")
    counts = panel.get_by_role("list", name="Highlighted words in this résumé")
    expect(counts.get_by_role("listitem")).to_have_text(["years 1", "SQL 3", "Rust 0"])
    expect(panel.get_by_role("img", name="Page 1 of the résumé")).to_be_visible()
    page.get_by_label("Show as text").check()
    expect(panel.get_by_role("region", name="Résumé text")).to_be_visible()
    expect(panel.get_by_role("img", name="Page 1 of the résumé")).to_be_hidden()
    sam.check_page("58-resume-text")
    with page.context.expect_page() as opened:
        page.keyboard.press("v")
    sam.page = opened.value
    expect(sam.page.get_by_role("region", name="Résumé text")).to_be_visible()
    expect(sam.page.get_by_role("img", name="Page 1 of the résumé")).to_be_visible()
    sam.check_page("59-resume-page")


def test_next_resume_is_prefetched(sam: Person) -> None:
    """The next résumé is there when its application is; how soon is printed, not judged."""
    page = sam.page
    with page.expect_response(re.compile("/resume/prefetch/")) as prefetched:
        _open_place(sam, "pdf")
    assert prefetched.value.ok
    page.evaluate(RESUME_CLOCK)
    page.keyboard.press("s")
    expect(page.get_by_role("region", name="Résumé", exact=True)).to_contain_text("resume.docx")
    page.wait_for_function("window.resumeAfter")
    sys.stdout.write(f"\nnext résumé after {page.evaluate('resumeAfter'):.0f} ms\n")


def test_resume_without_scripts(sam: Person, person) -> None:
    _open_place(sam, "pdf")
    scriptless: Person = person("sam@acme.example", scripts=False)
    scriptless.page.goto(sam.page.url)
    scriptless.page.get_by_role("link", name="View résumé").click()
    expect(scriptless.page.get_by_role("img", name="Page 1 of the résumé")).to_be_visible()
    expect(get_visible_text(scriptless.page, "Interviewed 60 candidates")).to_be_visible()
