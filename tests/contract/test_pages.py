"""The pages for people, and the probes: they stand on their own, name nothing outside, and answer for every problem."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from hatchling.builders.wheel import WheelBuilder
from jinja2 import UndefinedError
from support.api_client import Service
from support.databases import named

from convenor.pages.rendering import Templates
from convenor.problems import catalogue
from convenor_graphql.limits import MAX_TOKENS
from convenor_graphql.planner import MAX_COST

VOID = {"meta", "link", "br", "hr", "img", "input"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGE_FILES = {".html", ".css", ".js", ".svg"}
SPACES = re.compile(r"\s+")


class Page(HTMLParser):
    """What a test asks of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: Counter[str] = Counter()
        self.headings: list[int] = []
        self.columns: list[list[str]] = []
        """The column headings of each table."""
        self.rows: list[tuple[list[str], dict[str, str]]] = []
        """The column headings of each row's table, and the row's cells by their labels."""
        self.lang: str | None = None
        self.text = ""
        self._open: list[str] = []
        self._begun: list[tuple[str, int]] = []
        self.feed(html)
        self.close()
        self.text = SPACES.sub(" ", self.text)

    @property
    def is_balanced(self) -> bool:
        return not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags[tag] += 1
        self.links += [value for name in ("href", "src") if (value := named.get(name))]
        if value := named.get("id"):
            self.ids.append(value)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "html":
            self.lang = named.get("lang")
        if tag == "table":
            self.columns.append([])
        if tag == "tr" and "tbody" in self._open:
            self.rows.append((self.columns[-1], {}))
        if tag in ("th", "td"):
            self._begun.append((named.get("data-label") or named.get("scope") or "", len(self.text)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in ("th", "td"):
            label, begin = self._begun.pop()
            text = SPACES.sub(" ", self.text[begin:]).strip()
            if label == "col":
                self.columns[-1].append(text)
            else:
                self.rows[-1][1][label] = text


async def read(service: Service, path: str) -> Page:
    return Page((await service.http.get(path, headers=BROWSER)).text)


async def everything(service: Service) -> dict[str, Page]:
    """Every page that can be reached from the first."""
    waiting, found = ["/"], dict[str, Page]()
    while waiting:
        path = waiting.pop()
        answer = await service.http.get(path, headers=BROWSER)
        assert answer.status_code == 200, path
        if path in found or not answer.headers["content-type"].startswith("text/html"):
            continue
        found[path] = Page(answer.text)
        waiting += {urlsplit(link).path or path for link in found[path].links} - set(found)
    return found


async def test_no_page_names_an_address_outside(shared_service: Service) -> None:
    for path in await everything(shared_service):
        html = (await shared_service.http.get(path, headers=BROWSER)).text
        assert {
            link for link in re.findall(r"https?://[^\s\"'<&]+", html) if not link.startswith("http://127.0.0.1:8000")
        } == set()
    style = (await shared_service.http.get("/assets/style.css")).text
    assert "url(" not in style
    assert "@import" not in style


async def test_every_link_on_every_page_leads_somewhere(shared_service: Service) -> None:
    found = await everything(shared_service)
    parts = {"/docs/referrals", "/docs/impact-returns", "/problems/invalid"}
    assert {"/", "/docs", "/graphql", "/problems"} | parts <= set(found)
    for path, page in found.items():
        for link in page.links:
            place, _, fragment = link.partition("#")
            if fragment:
                assert fragment in found[place or path].ids, f"{path}: {link}"


async def test_every_page_but_the_explorer_does_without_script_and_all_can_be_heard(shared_service: Service) -> None:
    for path, page in (await everything(shared_service)).items():
        assert (page.tags["script"], page.tags["style"]) == (path == "/graphql", 0), path
        assert page.tags["main"] == page.tags["header"] == page.tags["footer"] == page.tags["h1"] == 1, path
        assert (page.lang, page.links.count("#main")) == ("en", 1), path
        steps = zip(page.headings, page.headings[1:], strict=False)
        assert all(below - above <= 1 for above, below in steps), path
        assert [name for name, times in Counter(page.ids).items() if times > 1] == [], path
        assert page.is_balanced, path
        assert "style=" not in (await shared_service.http.get(path, headers=BROWSER)).text, path


async def test_each_cell_of_a_table_carries_the_heading_of_its_column(shared_service: Service) -> None:
    rows = [(path, *row) for path, page in (await everything(shared_service)).items() for row in page.rows]
    assert {"/docs", "/docs/graphql", "/docs/pathways", "/problems"} <= {path for path, _, _ in rows}
    for path, columns, cells in rows:
        assert list(cells) == ["row", *columns[1:]], path


async def test_no_page_shows_a_part_of_its_template(shared_service: Service) -> None:
    for path in await everything(shared_service):
        html = (await shared_service.http.get(path, headers=BROWSER)).text
        assert not re.search(r"{{|{%|{#|#}|%}|&lt;(a|code|p|td)\b", html), path


async def test_a_page_may_load_its_own_styles_and_images_only_and_send_no_form(shared_service: Service) -> None:
    policy = (await shared_service.http.get("/docs")).headers["Content-Security-Policy"]
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]


def test_a_template_shows_markup_in_a_value_as_text() -> None:
    html = Templates().page("not_found.html", detail="<script>&", path='"><b>', name="'").body.decode()
    assert (Page(html).tags["script"], Page(html).tags["b"]) == (0, 0)
    assert "<script>&" in Page(html).text


def test_a_template_refuses_to_render_without_a_value_that_it_shows() -> None:
    with pytest.raises(UndefinedError, match="'detail' is undefined"):
        Templates().page("not_found.html", path="/", name="Start page")


def test_the_wheel_holds_every_template_and_asset() -> None:
    root = Path(__file__).parents[2]
    shipped = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    for source in (root / "service", root / "graphql"):
        files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.suffix in PAGE_FILES}
        assert files
        assert files <= shipped


@pytest.mark.parametrize("code", sorted(catalogue()))
async def test_each_problem_has_a_page_that_says_what_to_do(shared_service: Service, code: str) -> None:
    page = await read(shared_service, f"/problems/{code}")
    assert page.headings == [1, 2, 2, 2, 2]
    assert re.search(r"Meaning \S.* Cause \S.* What to do \S.* Retry \S", page.text)
    assert f"/problems/{code}" in (await read(shared_service, "/problems")).links


async def test_the_type_of_a_problem_is_the_address_of_its_page(shared_service: Service) -> None:
    refused = await shared_service.as_("school").get("/v1/referrals", colour="blue")
    page = await shared_service.http.get(urlsplit(refused.json()["type"]).path)
    assert (page.status_code, "Invalid request" in page.text) == (200, True)


@pytest.mark.parametrize(
    "path", ["/problems/no-such", "/docs/no-such", "/problems/<script>", "/no-such", "/a/<script>"]
)
async def test_an_unknown_page_is_404_and_repeats_nothing(shared_service: Service, path: str) -> None:
    answer = await shared_service.http.get(path, headers=BROWSER)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "no-such" not in answer.text
    assert "<script" not in answer.text
    assert Page(answer.text).is_balanced


async def test_software_gets_a_problem_for_an_unknown_address_and_a_browser_a_page(shared_service: Service) -> None:
    for accept, media in (
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
        (BROWSER["Accept"], "text/html; charset=utf-8"),
    ):
        answer = await shared_service.http.get("/no-such", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (404, media)
        assert answer.headers["vary"] == "Accept"
    sent = await shared_service.http.post("/no-such", headers=BROWSER)
    assert (sent.status_code, sent.json()["code"]) == (404, "no_such_path")


async def test_a_partner_with_a_token_gets_a_problem_for_an_unknown_address_whatever_it_accepts(
    shared_service: Service,
) -> None:
    answer = await shared_service.as_("school").call("GET", "/v1/no-such", headers=BROWSER)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_path")


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/docs/referrals", "/graphql", "/problems", "/problems/invalid", "/assets/style.css"]
)
async def test_every_page_answers_head(shared_service: Service, path: str) -> None:
    answer = await shared_service.http.head(path, headers=BROWSER)
    assert answer.status_code == 200


async def test_the_contract_is_served_as_it_is_committed(shared_service: Service) -> None:
    answer = await shared_service.http.get("/openapi.json")
    assert answer.json() == shared_service.app.openapi()


async def test_the_reference_shows_what_each_role_may_do_and_may_not(shared_service: Service) -> None:
    school = next(cells for _, cells in (await read(shared_service, "/docs")).rows if cells["row"] == "school_mis")
    assert school["May not"] == "see another school's pupils, or an NHS number"
    assert (school["Row access"], school["Pupil details"]) == ("school", "identity, upn")


async def test_the_reference_shows_the_steps_of_each_pathway(shared_service: Service) -> None:
    steps = [cells for _, cells in (await read(shared_service, "/docs/pathways")).rows if "To" in cells]
    assert ("waiting", "in_progress") in {(cells["row"], cells["To"]) for cells in steps}


async def test_pages_and_probes_leave_no_event(service: Service) -> None:
    for path in ("/", "/docs", "/graphql", "/problems/invalid", "/openapi.json", "/health/live", "/health/ready"):
        assert (await service.http.get(path, headers=BROWSER)).status_code == 200
    admin = await asyncpg.connect(service.superuser_url)
    assert await admin.fetchval("select count(*) from audit_event") == 0
    assert await admin.fetchval("select count(*) from audit_mention") == 0
    await admin.close()


async def test_the_service_is_ready_once_it_can_serve(shared_service: Service) -> None:
    assert (await shared_service.http.get("/health/live")).json() == {"status": "live"}
    ready = await shared_service.http.get("/health/ready")
    assert (ready.status_code, ready.json()["checks"]) == (
        200,
        {"database": "ok", "tables": "ok", "audit": "ok", "pending_work": "ok"},
    )


async def test_a_service_on_the_tables_of_another_version_is_not_ready_but_lives(service: Service) -> None:
    admin = await asyncpg.connect(service.superuser_url)
    await admin.execute("update alembic_version set version_num = '0001'")
    await admin.close()
    answer = await service.http.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]["tables"]) == (503, "failed")
    assert (await service.http.get("/health/live")).status_code == 200


async def test_a_service_whose_database_is_away_is_not_ready_but_lives(service: Service) -> None:
    admin = await asyncpg.connect(named(service.superuser_url, "postgres"))
    await admin.execute(f"alter database {urlsplit(service.app_url).path[1:]} allow_connections false")
    answer = await service.http.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]) == (
        503,
        {"database": "failed", "tables": "unknown", "audit": "unknown", "pending_work": "unknown"},
    )
    assert (await service.http.get("/health/live")).status_code == 200
    await admin.close()


async def test_the_guide_of_the_graph_names_the_limits_as_they_are(shared_service: Service) -> None:
    limits = {cells["At most"] for _, cells in (await read(shared_service, "/docs/graphql")).rows}
    assert {f"{MAX_COST:,}", f"{MAX_TOKENS:,}"} <= limits
